import type { Observable, SchedulerLike } from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import type { Link } from '../link/link.js';
import type { ReverseMessage } from './mailbox-messages.js';
import type { UnlV2 } from './wire/unl-version-2.js';
import type { Unl } from '../unl/types.js';

/** What a node gives to PyP2P's reverse connect. */
export interface ReverseQueryContext {
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** The messages in this node's mailboxes. Shared: the servers are asked once for all subscribers. Never fails. */
  readonly message$: Observable<ReverseMessage>;
  /** Puts the text of a message into the mailbox of a node. Emits whether any server took it. */
  readonly send$: (nodeId: string, text: string) => Observable<boolean>;
  /** A new nonce that nobody can guess: 64 hex digits. */
  readonly newNonce: () => string;
  /**
   * Waits for the connection from one of these addresses that begins with a nonce. Emits its link and completes. After unsubscribing
   * before that, connections with this nonce are closed, for as long as any may come.
   */
  readonly arrival$: (nonce: string, peer: UnlV2, addresses: readonly string[]) => Observable<Link>;
  /** Dials an endpoint that a node has named, and sends a nonce. */
  readonly dial$: (endpoint: Endpoint, nonce: string, nodeId: string) => Observable<Link>;
  /** Takes a link that this node has dialled at a peer's request. Closes it if there is no slot for it. */
  readonly receive: (link: Link) => void;
  /** Whether there is room for one more connection from an address. */
  readonly hasSlotFor: (address: string) => boolean;
  /** Whether there is a connection to an endpoint. */
  readonly isConnected: (endpoint: Endpoint) => boolean;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  /** The nodes that this node has asked lately to dial it. */
  readonly asked: Asked;
  /** Traces a message that was dropped. */
  readonly drop: (reason: string) => void;
  /** Traces a dial that has failed. */
  readonly fail: (remote: Endpoint, error: unknown) => void;
  readonly scheduler: SchedulerLike;
}

/** Remembers for a while which nodes this node has asked to dial it, and with which locator of its own. */
export interface Asked {
  /** Returns a function that forgets it. */
  readonly add: (nodeId: string, ownUnl: string) => () => void;
  /** The locator of this node with which it asked that one; `undefined` if it did not lately, or has confirmed it too often. */
  readonly recall: (nodeId: string) => string | undefined;
}
