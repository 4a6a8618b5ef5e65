import type { SchedulerLike, Subscription } from 'rxjs';

/** What noticing a silent peer needs. */
export interface SilenceConfig {
  readonly scheduler: SchedulerLike;
  /** How long an answer may take at first, in milliseconds; see {@link Silence.setPatience}. */
  readonly ms: number;
  /** Called when an answer takes longer, and again each time the same time has passed. */
  onSilent(): void;
}

/** If a timer fires later than this, in milliseconds, this process was busy or asleep … */
const LATE_MS = 50;

/** … and gets this long to read what has arrived meanwhile, before the peer is called silent. */
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

  /** The peer owes an answer from now on, unless it owed one before. */
  expect(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#config.scheduler.now();
    // A timer of an earlier answer may still run: it looks again when it fires.
    this.#timer ??= this.#lookIn(this.#ms);
  }

  /** The peer has sent something. If it still owes an answer, the time starts over. */
  heard(owesStill: boolean): void {
    this.#since = owesStill ? this.#config.scheduler.now() : undefined;
    if (owesStill) this.#timer ??= this.#lookIn(this.#ms);
  }

  /** Sets how long an answer may take, in milliseconds. This applies to an answer that is owed already, too. */
  setPatience(ms: number): void {
    if (ms === this.#ms) return;
    this.#ms = ms;
    if (this.#timer === undefined) return;
    // The running timer would fire by the old time.
    this.#timer.unsubscribe();
    const since = this.#since;
    this.#timer = since === undefined ? undefined : this.#lookIn(Math.max(0, this.#leftMs(since)));
  }

  /** Stops the timer. */
  stop(): void {
    this.#since = undefined;
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #leftMs(since: number): number {
    return since + this.#ms - this.#config.scheduler.now();
  }

  /** @param hasRead whether this process has had time to read what had arrived. */
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
