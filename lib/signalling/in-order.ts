import { Observable, type SchedulerLike } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { ByAge } from '../bounds/by-age.js';
import type { Order } from './numbering.js';

/**
 * How long a signal waits for an earlier one, in milliseconds. Later ones are hardly worth the wait: DHT nodes send an
 * unacknowledged part again after a second. A punch has ten seconds, so the wait must be short.
 */
const GAP_MS = 1_000;

/**
 * How many signals may wait, of all senders and of one. When there are more, the newest of the largest sender is passed on
 * without waiting.
 */
const WAITING = { most: 256, mostOfSite: 64 };

/** How many streams are remembered. */
const MAX_STREAMS = 4_096;

interface Waiting {
  readonly order: Order;
  /** Lets the signal go. */
  readonly go: () => void;
}

/**
 * Brings signals into the order in which their sender numbered them, whichever carriers bring them.
 *
 * A signal may be lost, and carriers may be slow. So each signal names the latest one before it that may still come ({@link
 * Order}), as its sender knows. Where that one has been passed on already, as is usual, the signal is passed on at once.
 * Otherwise it waits for {@link GAP_MS} at most, and once for each gap. A signal that comes after its gap was given up is passed
 * on late. Nothing is dropped here, and no protocol above may depend on the order to be correct: how long to wait is a choice
 * between order and delay, and signals of different attempts have nothing to do with each other.
 */
export class InOrder {
  /** By stream: the latest signal that has been passed on. What was numbered before it is waited for no longer. */
  readonly #passed = new ByAge<string, number>();
  readonly #waiting = new Map<string, Set<Waiting>>();
  readonly #room = new Admission<Waiting>(WAITING);
  readonly #passing = new Set<string>();

  constructor(readonly scheduler: SchedulerLike) {}

  /**
   * Emits once when it is a signal's turn, and completes. Whoever subscribes passes the signal on while this emits. A signal without
   * a number has its turn at once.
   */
  turn$(sender: string, order: Order | undefined): Observable<void> {
    return new Observable((subscriber) => {
      const stream = `${sender} ${order?.stream ?? ''}`;
      const pass = () => {
        subscriber.next();
        if (order !== undefined) this.#pass(stream, order.sequence);
        subscriber.complete();
      };
      if (order?.after === undefined || order.after <= this.#latestOf(stream)) {
        pass();
        return;
      }
      const waiting: Waiting = {
        order,
        go: () => {
          this.#leave(sender, stream, waiting);
          pass();
        },
      };
      const { isIn, gaveWay } = this.#room.admit(sender, waiting);
      gaveWay?.go();
      if (!isIn) {
        pass();
        return;
      }
      const all = this.#waiting.get(stream) ?? new Set();
      this.#waiting.set(stream, all.add(waiting));
      subscriber.add(this.scheduler.schedule(waiting.go, GAP_MS));
      subscriber.add(() => {
        this.#leave(sender, stream, waiting);
      });
    });
  }

  #latestOf(stream: string): number {
    return this.#passed.get(stream) ?? -1;
  }

  /** Remembers that a signal was passed on, and lets those go that waited for it, one after the other. */
  #pass(stream: string, sequence: number): void {
    const latest = Math.max(sequence, this.#latestOf(stream));
    this.#passed.add(stream, latest);
    this.#passed.keep(MAX_STREAMS);
    // Whatever goes comes here, too.
    if (this.#passing.has(stream)) return;
    this.#passing.add(stream);
    try {
      for (let next = this.#nextOf(stream); next !== undefined; next = this.#nextOf(stream)) next.go();
    } finally {
      this.#passing.delete(stream);
    }
  }

  /** The first of those that have nothing to wait for. */
  #nextOf(stream: string): Waiting | undefined {
    const latest = this.#latestOf(stream);
    let next: Waiting | undefined;
    for (const waiting of this.#waiting.get(stream) ?? []) {
      const isReady = (waiting.order.after ?? -1) <= latest;
      if (isReady && waiting.order.sequence < (next?.order.sequence ?? Infinity)) next = waiting;
    }
    return next;
  }

  #leave(sender: string, stream: string, waiting: Waiting): void {
    this.#room.leave(sender, waiting);
    const all = this.#waiting.get(stream);
    if (all?.delete(waiting) === true && all.size === 0) this.#waiting.delete(stream);
  }
}
