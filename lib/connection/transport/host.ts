import type { SchedulerLike } from 'rxjs';
import type { FramedLink } from '../../link/framed-link.js';
import type { Hello } from '../../link/handshake.js';
import type { Need } from './link-choice.js';

/** The layer above a transport: reads the peer's stream of bytes, and makes this side's. */
export interface StreamHandler {
  /** How many bytes are still to be sent, including those that cannot be sent at the moment. */
  waiting(): number;
  /**
   * The next bytes to send; nobody may change them before they are released. `undefined` when there are none at the moment: call `Transport.pump`
   * when there are some again.
   */
  next(): Buffer | undefined;
  /** The peer has bytes that `next` gave, or a part of them, and they are not sent again. Not told of all. */
  release(bytes: Buffer): void;
  /** Whether there is room for more of the peer's bytes. After it returned false, call `Transport.readOn` when there is. */
  hasRoom(): boolean;
  /**
   * Takes the next bytes of the peer's stream.
   *
   * @throws ProtocolError when the peer was not allowed to send them.
   */
  onData(bytes: Buffer): void;
  /** The peer has ended its stream, and all of it has arrived. Called again if the `end` frame arrives on another link, too. */
  onEnd(payload: Buffer): void;
  /** Some of the sent bytes have gone to the system. */
  onWritten(): void;
  /** The peer has acknowledged everything sent. */
  onAcknowledged(): void;
}

/** Learns from a transport what happens to its links, and what the peer tells of itself. */
export interface TransportHost {
  /**
   * The peer says hello on a link.
   *
   * @throws ProtocolError when it is not for this connection.
   */
  onHello(hello: Hello): void;
  /** The peer refuses another link. */
  onRefused(payload: Buffer): void;
  /** The peer tells its locator. */
  onLocator(payload: Buffer): void;
  /** Another link is needed from now on, or none. */
  onNeed(need: Need): void;
  /** This side sends on another link from now on. */
  onPath(framed: FramedLink): void;
  /** The round trip on the current link has been measured, in milliseconds. */
  onRoundTrip(framed: FramedLink, ms: number): void;
  /** The current link is gone, and there is no other. */
  onLost(error: Error | undefined): void;
  /** The peer broke the protocol, or asks again for bytes that are not kept any more. */
  onFault(error: unknown): void;
}

/** What a transport needs. */
export interface TransportConfig {
  readonly scheduler: SchedulerLike;
  /** Whether this side chooses the link. */
  readonly isControlling: boolean;
  /** How many bytes may be sent that the peer has not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** What is unanswered for so long, in milliseconds, makes a link doubtful. */
  readonly silenceMs: number;
  /** How long the peer has to say hello on a link, in milliseconds. */
  readonly handshakeMs: number;
  readonly stream: StreamHandler;
  readonly host: TransportHost;
}
