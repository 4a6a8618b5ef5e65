import type { SchedulerLike } from 'rxjs';
import type { FramedLink } from '../../link/framed-link.js';
import type { Hello } from '../../link/handshake.js';

/** The layer above a transport: takes the peer's stream of bytes, makes this side's, and learns how that gets on. */
export interface StreamHandler {
  /** What is still to be sent, in bytes, also where it cannot be at the moment. */
  waiting(): number;
  /**
   * The next bytes to be sent, which must not be changed any more; `undefined` when there are none at the moment. When there are some
   * again, `Transport.pump` is to be called.
   */
  next(): Buffer | undefined;
  /** Whether there is room for more of the peer's bytes. After it was not so, `Transport.readOn` is to be called. */
  hasRoom(): boolean;
  /**
   * The next bytes of the peer's stream.
   *
   * @throws ProtocolError when the peer may not send them.
   */
  onData(bytes: Buffer): void;
  /** The peer's stream is at its end, and all of it has come. May be called again when the end comes on another link, too. */
  onEnd(payload: Buffer): void;
  /** Some of what was sent has gone to the system. */
  onWritten(): void;
  /** The peer has all that was sent. */
  onAcknowledged(): void;
}

/** Learns from a transport what happens to the links, and what the peer says of itself. */
export interface TransportHost {
  /**
   * The peer says hello on a link.
   *
   * @throws ProtocolError when it is not for this connection.
   */
  onHello(hello: Hello): void;
  /** The peer does not take a further link. */
  onRefused(payload: Buffer): void;
  /** The peer tells its locator. */
  onLocator(payload: Buffer): void;
  /** What is sent travels by another link now. */
  onPath(framed: FramedLink): void;
  /** The round trip on the link of the moment has been measured, in milliseconds. */
  onRoundTrip(framed: FramedLink, ms: number): void;
  /** The link that carried is gone, and there is no other. */
  onLost(error: Error | undefined): void;
  /** The peer broke the rules, or what it asks for is lost. */
  onFault(error: unknown): void;
}

/** What a transport needs. */
export interface TransportConfig {
  readonly scheduler: SchedulerLike;
  /** Whether this side chooses the link. */
  readonly isControlling: boolean;
  /** Bytes that the peer has not acknowledged, at most; then nothing is sent until it does. */
  readonly unacknowledgedBytes: number;
  /** What is unanswered for so long, in milliseconds, makes a link doubtful. */
  readonly silenceMs: number;
  /** For the peer to say hello on a link, in milliseconds. */
  readonly handshakeMs: number;
  readonly stream: StreamHandler;
  readonly host: TransportHost;
}
