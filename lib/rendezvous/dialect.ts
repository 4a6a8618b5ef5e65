import type { Observable } from 'rxjs';
import type { Endpoint, Observed } from '../endpoint.js';
import type { Identity } from '../identity.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { Runtime } from '../runtime.js';
import type { Unl, UnlV3 } from '../unl/types.js';
import type { Reply, Request } from './messages.js';

/** A reply with a verb. */
export type ReplyOf<V extends Reply['verb']> = Extract<Reply, { readonly verb: V }>;

/** What a server tells at the start of a session. */
export interface Welcome {
  /** Where the server sees this node; some do not tell. */
  readonly observed: Observed | undefined;
  /** The port of the HTTP services on the same host, if it has them. */
  readonly httpPort: number | undefined;
  /** An id that the server has given itself, if it has: whoever is told the same is at the same server, whatever its name. */
  readonly serverId: string | undefined;
  /** The challenge by which the session began, where nodes prove their keys: if this session replaces another, the server says so by it. */
  readonly nonce: string | undefined;
  /** To the server and back, in milliseconds, as its first answer has shown. */
  readonly roundTripMs: number | undefined;
}

/** A node that advertises itself, as a server lists it. */
export interface ListedUnl {
  /** Its locator: hearsay. */
  readonly unl: Unl;
  /** The addresses at which the server sees the node. */
  readonly seenAt: readonly string[];
}

/** What a server says to a node that joins a topic. */
export type TopicAnswer =
  /** The node is listed under the topic, and others are. */
  | { readonly type: 'members'; readonly members: readonly ListedUnl[] }
  /** There is no room, or too much was asked: later there may be. */
  | { readonly type: 'refused'; readonly code: string }
  /** The server is older than topics. */
  | { readonly type: 'unknown' };

/** Topics at one server, for as long as a session lasts. */
export interface Topics {
  /**
   * Lists this node under a topic, for ten minutes at most, and asks who else is. Emits the answer, and completes. Fails when the session ends.
   *
   * @param topic 32 bytes in base64url.
   * @param count how many others to tell of, 1 to 16.
   */
  join$(topic: string, own: UnlV3, count: number): Observable<TopicAnswer>;
  /** Takes this node out of a topic. */
  leave(topic: string): void;
}

/** What a server says, and the way to it. */
export interface Talk {
  readonly server: RendezvousAddress;
  /** What the server's name has led to. */
  readonly remote: Endpoint;
  readonly identity: Identity;
  readonly runtime: Runtime;
  /** Every line that the server says. Fails when the session ends, as do those below. */
  readonly line$: Observable<string>;
  /** Says a line to the server. Does nothing once the session has ended. */
  readonly say: (line: string) => void;
  /** The lines that are replies of the protocol of `messages.ts`. */
  readonly reply$: Observable<Reply>;
  readonly only$: <V extends Reply['verb']>(verb: V) => Observable<ReplyOf<V>>;
  readonly send: (request: Request) => void;
}

/** What a server has told of a connection. */
export interface Sighting {
  /** What the server's name has led to. */
  readonly server: Endpoint;
  /** Where the server saw it come from. */
  readonly observed: Endpoint;
  /** Another address of the server, of the same family, at which it tells the same; some servers of STUN have one. */
  readonly otherAddress?: string | undefined;
}

/** How a server is asked where it sees a connection come from. */
export interface Look {
  /** The lines to say. */
  readonly question: readonly string[];
  /**
   * Where the server sees the connection, as soon as a line of its answer completes that.
   *
   * @throws RendezvousError when the server says that it does not know.
   */
  readonly seenIn: (line: string) => Endpoint | undefined;
}

/** How a rendezvous server is spoken to: what depends on whether nodes prove their keys to it. */
export interface Dialect {
  /** Whether a line of the server's is a reply, though it is none of the protocol of `messages.ts`. */
  readonly isReply: (line: string) => boolean;
  /** Begins a session: emits what the server tells of this node and of itself. */
  readonly begin$: (talk: Talk) => Observable<Welcome>;
  /** Fails when a silent server gives no sign of life. Never emits. */
  readonly keepAlive$: (talk: Talk) => Observable<never>;
  /** Lists this node for others for as long as the session lasts, and how many connections it takes. */
  readonly advertise: (talk: Talk, own: Unl, maxInbound: number) => void;
  /** Nodes that advertise themselves, at random: emits them once. */
  readonly nodes$: (talk: Talk, count: number) => Observable<readonly ListedUnl[]>;
  /** Nodes that meet under a topic. Servers that know nodes by no key list none. */
  readonly topics?: (talk: Talk) => Topics;
  /** Asks where the server sees a connection that leaves from a local port. */
  readonly look: (localPort: number) => Look;
}
