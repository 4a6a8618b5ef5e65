import type { SchedulerLike, Subscription } from 'rxjs';

/** What it takes to notice that a peer is silent. */
export interface SilenceConfig {
  readonly scheduler: SchedulerLike;
  /** An answer that is owed for so long, in milliseconds, may never come. */
  readonly ms: number;
  /** Called when that is so, and again after each further such time. */
  readonly onSilent: () => void;
}

/** Notices when a peer that owes an answer says nothing. While it owes none, no timer runs for long. */
export class Silence {
  readonly #config: SilenceConfig;
  #since: number | undefined;
  #timer: Subscription | undefined;

  constructor(config: SilenceConfig) {
    this.#config = config;
  }

  /** The peer owes an answer from now on, unless it does so already. */
  expect(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#config.scheduler.now();
    // A timer of an earlier answer may still run: it looks again when it fires.
    this.#timer ??= this.#lookIn(this.#config.ms);
  }

  /** The peer has said something. If it still owes an answer, the time begins anew. */
  heard(owesStill: boolean): void {
    this.#since = owesStill ? this.#config.scheduler.now() : undefined;
  }

  /** Nothing is expected any more. */
  stop(): void {
    this.#since = undefined;
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #lookIn(ms: number): Subscription {
    const { scheduler } = this.#config;
    return scheduler.schedule(() => {
      this.#timer = undefined;
      if (this.#since === undefined) return;
      const leftMs = this.#since + this.#config.ms - scheduler.now();
      this.#timer = this.#lookIn(leftMs > 0 ? leftMs : this.#config.ms);
      if (leftMs > 0) return;
      this.#since = scheduler.now();
      this.#config.onSilent();
    }, ms);
  }
}
