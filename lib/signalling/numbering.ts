import type { PeerId } from '../identity.js';
import type { Runtime } from '../runtime.js';

/** Receivers that are remembered. For one that was forgotten a new stream begins. */
const MAX_RECEIVERS = 1_000;

/** Signals to one receiver that are on their way or kept for it; of more, the oldest is forgotten. */
const MAX_OPEN = 64;

/** The place of a signal among those that its sender has sent to the same receiver. */
export interface Order {
  /** Names the sender's run and the receiver. The sender chooses it at random, and another one after a restart. */
  readonly stream: string;
  /** Counts the signals of the stream, from 0. Not all of them are sent. */
  readonly sequence: number;
  /**
   * The number of the latest signal before this one that may still arrive: the sender has no answer about it yet, or knows that a carrier
   * keeps it for the receiver. `undefined` when there is none.
   */
  readonly after?: number | undefined;
}

interface Receiver {
  readonly stream: string;
  next: number;
  /** The expiry time of each signal that may still arrive, by its number. The latest signal is the last entry. */
  readonly open: Map<number, number>;
}

/** Numbers the signals that this node sends, and knows which of them may still come. */
export class Numbering {
  readonly #receivers = new Map<PeerId, Receiver>();

  constructor(readonly runtime: Pick<Runtime, 'newId' | 'timeOfDay'>) {}

  /** The place of the next signal to a receiver. */
  next(to: PeerId): Order {
    const receiver = this.#receivers.get(to) ?? {
      stream: this.runtime.newId(),
      next: 0,
      open: new Map<number, number>(),
    };
    this.#receivers.delete(to);
    this.#receivers.set(to, receiver);
    const [oldest] = this.#receivers.keys();
    if (this.#receivers.size > MAX_RECEIVERS && oldest !== undefined) this.#receivers.delete(oldest);
    const { stream, open } = receiver;
    const now = this.runtime.timeOfDay();
    for (const [sequence, until] of open) if (until <= now) open.delete(sequence);
    return { stream, sequence: receiver.next++, after: [...open.keys()].at(-1) };
  }

  /** A signal is on its way, and of use until a time of day. */
  sent(to: PeerId, { sequence }: Order, until: number): void {
    const open = this.#receivers.get(to)?.open;
    open?.set(sequence, until);
    const [oldest] = open?.keys() ?? [];
    if (open !== undefined && open.size > MAX_OPEN && oldest !== undefined) open.delete(oldest);
  }

  /** A signal has been delivered, or nobody took it. */
  done(to: PeerId, { sequence }: Order): void {
    this.#receivers.get(to)?.open.delete(sequence);
  }
}
