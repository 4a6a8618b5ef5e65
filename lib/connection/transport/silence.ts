import type { SchedulerLike, Subscription } from 'rxjs';

/** What it takes to notice that a peer is silent. */
export interface SilenceConfig {
  readonly scheduler: SchedulerLike;
  /** An answer that is owed for so long, in milliseconds, may never come; see {@link Silence.setPatience}. */
  readonly ms: number;
  /** Called when that is so, and again after each further such time. */
  readonly onSilent: () => void;
}

/** A timer that fires later than this, in milliseconds, tells that this process was busy or asleep, … */
const LATE_MS = 50;

/** … and that what has come meanwhile has to be read first, for which it has this time. */
const READ_MS = 50;

/** Notices when a peer that owes an answer says nothing. While it owes none, no timer runs for long. */
export class Silence {
  readonly #config: SilenceConfig;
  #ms: number;
  #since: number | undefined;
  #timer: Subscription | undefined;

  constructor(config: SilenceConfig) {
    this.#config = config;
    this.#ms = config.ms;
  }

  /** The peer owes an answer from now on, unless it does so already. */
  expect(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#config.scheduler.now();
    // A timer of an earlier answer may still run: it looks again when it fires.
    this.#timer ??= this.#lookIn(this.#ms);
  }

  /** The peer has said something. If it still owes an answer, the time begins anew. */
  heard(owesStill: boolean): void {
    this.#since = owesStill ? this.#config.scheduler.now() : undefined;
    if (owesStill) this.#timer ??= this.#lookIn(this.#ms);
  }

  /** An answer may take so long from now on, in milliseconds; one that is owed already, too. */
  setPatience(ms: number): void {
    if (ms === this.#ms) return;
    this.#ms = ms;
    if (this.#timer === undefined) return;
    // It would fire by the old time.
    this.#timer.unsubscribe();
    const since = this.#since;
    this.#timer = since === undefined ? undefined : this.#lookIn(Math.max(0, this.#leftMs(since)));
  }

  /** Nothing is expected any more. */
  stop(): void {
    this.#since = undefined;
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #leftMs(since: number): number {
    return since + this.#ms - this.#config.scheduler.now();
  }

  /** @param hasRead whether what had come by now has had time to be read. */
  #lookIn(ms: number, hasRead = false): Subscription {
    const { scheduler } = this.#config;
    const dueAt = scheduler.now() + ms;
    return scheduler.schedule(() => {
      this.#timer = undefined;
      if (this.#since === undefined) return;
      const leftMs = this.#leftMs(this.#since);
      if (leftMs > 0) {
        this.#timer = this.#lookIn(leftMs);
        return;
      }
      if (!hasRead && scheduler.now() - dueAt > LATE_MS) {
        this.#timer = this.#lookIn(READ_MS, true);
        return;
      }
      this.#timer = this.#lookIn(this.#ms);
      this.#since = scheduler.now();
      this.#config.onSilent();
    }, ms);
  }
}
