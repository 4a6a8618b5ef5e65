import { Subscription, type SchedulerLike } from 'rxjs';
import type { Confirmation } from './envelope.js';

/**
 * How long a process that has got a message may take to confirm it, in milliseconds: a client that has heard nothing for 500 ms
 * sends its signal another way, so it must have its answer before.
 */
const CONFIRM_MS = 300;

interface Pending {
  readonly due: number;
  readonly resolve: (listeners: number) => void;
  /** How many processes have got it; `undefined` until Redis has said so. */
  receivers: number | undefined;
  confirmed: number;
}

/** Messages of this process that others have not confirmed yet. */
export class Confirmations {
  /** In the order in which they are due. */
  readonly #pending = new Map<string, Pending>();
  #timer: Subscription | undefined;
  #count = 0;

  constructor(readonly scheduler: SchedulerLike) {}

  /**
   * A message is about to be sent: returns its id, and how many listeners somewhere have it. That is known once a process has
   * confirmed that some have, or all that got it have said that none has; or when time is up.
   */
  expect(): { readonly id: string; readonly listeners: Promise<number> } {
    const id = (++this.#count).toString(36);
    const listeners = new Promise<number>((resolve) => {
      this.#pending.set(id, { due: this.scheduler.now() + CONFIRM_MS, resolve, receivers: undefined, confirmed: 0 });
    });
    this.#timer ??= this.#wait(CONFIRM_MS);
    return { id, listeners };
  }

  /** So many processes have got a message, this one with them if it listens. */
  sent(id: string, receivers: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.receivers = receivers;
    if (pending.confirmed >= receivers) this.#end(id, pending, 0);
  }

  /** A process has handed a message to so many listeners. */
  confirm({ id, listeners }: Confirmation): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.confirmed++;
    if (listeners > 0 || pending.confirmed === pending.receivers) this.#end(id, pending, listeners);
  }

  /** A message could not be sent. */
  forget(id: string): void {
    this.#pending.delete(id);
  }

  close(): void {
    this.#timer?.unsubscribe();
    for (const [id, pending] of this.#pending) this.#end(id, pending, 0);
  }

  #end(id: string, { resolve }: Pending, listeners: number): void {
    this.#pending.delete(id);
    resolve(listeners);
  }

  /** One timer for all: each waits as long as the others. */
  #wait(ms: number): Subscription {
    return this.scheduler.schedule(() => {
      const now = this.scheduler.now();
      this.#timer = undefined;
      for (const [id, pending] of this.#pending) {
        if (pending.due > now) {
          this.#timer = this.#wait(pending.due - now);
          return;
        }
        this.#end(id, pending, 0);
      }
    }, ms);
  }
}
