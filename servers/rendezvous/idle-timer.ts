import type { SchedulerLike, Subscription } from 'rxjs';

/** Calls an action after a time without activity. Only one timer runs, however often it is put off. */
export class IdleTimer {
  /** When it is to happen. */
  #at = 0;
  /** When the timer that runs looks whether it is time. */
  #looksAt = 0;
  #timer: Subscription | undefined;

  constructor(
    readonly scheduler: SchedulerLike,
    readonly action: () => void,
  ) {}

  /** It happens so many milliseconds from now, unless it is put off again. */
  putOff(ms: number): void {
    this.#at = this.scheduler.now() + ms;
    if (this.#timer === undefined || this.#at < this.#looksAt) this.#look();
  }

  /** It does not happen any more. */
  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer?.unsubscribe();
    this.#looksAt = this.#at;
    this.#timer = this.scheduler.schedule(() => {
      this.#timer = undefined;
      if (this.scheduler.now() < this.#at) this.#look();
      else this.action();
    }, this.#at - this.scheduler.now());
  }
}
