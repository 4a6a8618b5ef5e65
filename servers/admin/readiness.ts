import { noop, type Observable, type Subscription } from 'rxjs';
import type { StorageState } from '../mailbox/store.js';
import type { Readiness } from './status.js';

/** What servers that run tell of what they need. */
export interface Needs {
  /** Whether the mailbox can write. */
  readonly storage$: Observable<StorageState>;
  /** Whether the store can be used. */
  readonly store$: Observable<StorageState>;
}

/** Knows whether servers take callers in, and if not, why. */
export class ReadinessCheck {
  #hasStarted = false;
  #isDraining = false;
  #storage: StorageState = { isWritable: true };
  #store: StorageState = { isWritable: true };

  /** The servers listen: from now on what they need is looked at, until unsubscribed from. */
  started({ storage$, store$ }: Needs): Subscription {
    this.#hasStarted = true;
    const storing = storage$.subscribe({
      next: (state) => {
        this.#storage = state;
      },
      error: noop,
    });
    storing.add(
      store$.subscribe({
        next: (state) => {
          this.#store = state;
        },
        error: noop,
      }),
    );
    return storing;
  }

  /** The servers take nobody in any more. */
  drains(): void {
    this.#isDraining = true;
  }

  get now(): Readiness {
    const reasons = [
      ...(this.#hasStarted ? [] : ['the servers are starting']),
      ...(this.#isDraining ? ['the servers are draining'] : []),
      ...(this.#storage.isWritable ? [] : [`the mailbox cannot write: ${this.#storage.reason}`]),
      ...(this.#store.isWritable ? [] : [`the store cannot be used: ${this.#store.reason}`]),
    ];
    return { ready: reasons.length === 0, reasons };
  }
}
