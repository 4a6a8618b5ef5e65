import type { Observable } from 'rxjs';
import type { PeerId } from '../identity.js';

/** A small message between two nodes that cannot reach each other yet. */
export interface Signal {
  /** What it is; a receiver that does not know a kind ignores it. */
  readonly kind: string;
  /** Anything that JSON can carry. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A signal whose sender is proven. */
export interface ReceivedSignal extends Signal {
  readonly from: PeerId;
  /** The address at which whoever carried the signal sees its sender; `undefined` when nobody does. */
  readonly seenAt: string | undefined;
}

/** A way for two nodes to exchange small signed messages. */
export interface Signalling {
  /**
   * Sends a signal. Emits once whether it was handed to the peer, and completes.
   *
   * @param family of the address at which the sender wants to be seen, where it has a choice.
   */
  send$(to: PeerId, signal: Signal, family?: 4 | 6): Observable<boolean>;
  /** Signals to this node, each once, their senders proven. */
  readonly signal$: Observable<ReceivedSignal>;
}
