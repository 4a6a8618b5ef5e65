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
  /** What comes into this node's mailboxes. Shared: asks the servers once, however many listen. Never fails. */
  readonly message$: Observable<ReverseMessage>;
  /** Puts the text of a message into the mailbox of a node. Emits whether any server took it. */
  readonly send$: (nodeId: string, text: string) => Observable<boolean>;
  /** A new nonce that nobody can guess: 64 hex digits. */
  readonly newNonce: () => string;
  /**
   * Waits for the connection on which a nonce comes first, from one of these addresses. Emits its link and completes. When it
   * is unsubscribed from before that, connections with this nonce are closed, for as long as any may come.
   */
  readonly arrival$: (nonce: string, peer: UnlV2, addresses: readonly string[]) => Observable<Link>;
  /** Opens a connection to an endpoint that a node has named, and sends a nonce. */
  readonly dial$: (endpoint: Endpoint, nonce: string, nodeId: string) => Observable<Link>;
  /** Takes a link that this node has dialled because a peer asked for it; closes it when there is no room for it. */
  readonly receive: (link: Link) => void;
  /** Whether there is room for one more connection from an address. */
  readonly hasSlotFor: (address: string) => boolean;
  /** Whether there is a connection to an endpoint. */
  readonly isConnected: (endpoint: Endpoint) => boolean;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  /** Remembers for a while that this node asked another to dial it, and as whom; takes it back when told so. */
  readonly asked: Asked;
  /** Tells of a message that is not followed, and of a dial that came to nothing. */
  readonly drop: (reason: string) => void;
  readonly fail: (remote: Endpoint, error: unknown) => void;
  readonly scheduler: SchedulerLike;
}

/** Whom this node has asked to dial it. */
export interface Asked {
  /** Returns what takes it back. */
  readonly add: (nodeId: string, ownUnl: string) => () => void;
  /** The own locator with which this node asked that one, if it did so lately and has not said so too often. */
  readonly recall: (nodeId: string) => string | undefined;
}
