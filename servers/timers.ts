import type { SchedulerLike, Subscription } from 'rxjs';

/** Has something to do when its time is over. */
export interface Due {
  /** Its {@link Timer} is over. Never throws. */
  due(): void;
}

/**
 * Timers of many clients that share the system's timers: one for each duration, however many clients there are. All timers of one
 * duration end in the order in which they were started, so they are a list: to start, put off or stop one takes constant time, and
 * nothing but the first is looked at.
 *
 * @example
 * const timers = new Timers(asyncScheduler);
 * const idle = timers.of({ due: () => console.log('it has said nothing for two minutes') });
 * idle.start(120_000); // and again whenever it says something
 */
export class Timers {
  /** By duration. There are a few: each is a limit or a constant. */
  readonly #lists = new Map<number, TimerList>();

  constructor(readonly scheduler: SchedulerLike) {}

  /** A timer that is not running yet. */
  of(owner: Due): Timer {
    return new Timer(owner, this);
  }

  /** @internal */
  listOf(ms: number): TimerList {
    let list = this.#lists.get(ms);
    if (list === undefined) {
      list = new TimerList(ms, this.scheduler);
      this.#lists.set(ms, list);
    }
    return list;
  }

  /** None of them ends any more. */
  close(): void {
    for (const list of this.#lists.values()) list.close();
    this.#lists.clear();
  }
}

/** Calls its owner after a time, unless it is stopped or started anew before. */
export class Timer {
  /** @internal When it ends. */
  at = 0;
  /** @internal Its neighbours in the list. */
  before: Timer | undefined;
  /** @internal */
  after: Timer | undefined;
  #list: TimerList | undefined;

  constructor(
    readonly owner: Due,
    readonly timers: Timers,
  ) {}

  /** It ends so many milliseconds from now, whether it was running or not. */
  start(ms: number): void {
    let list = this.#list;
    list?.take(this);
    if (list?.ms !== ms) list = this.timers.listOf(ms);
    this.#list = list;
    list.add(this);
  }

  /** It does not end any more. */
  stop(): void {
    this.#list?.take(this);
    this.#list = undefined;
  }

  /** @internal */
  end(): void {
    this.stop();
    this.owner.due();
  }
}

/** The timers of one duration that run, in the order in which they end. */
class TimerList {
  #first: Timer | undefined;
  #last: Timer | undefined;
  #waiting: Subscription | undefined;

  constructor(
    readonly ms: number,
    readonly scheduler: SchedulerLike,
  ) {}

  add(timer: Timer): void {
    timer.at = this.scheduler.now() + this.ms;
    timer.before = this.#last;
    if (this.#last === undefined) this.#first = timer;
    else this.#last.after = timer;
    this.#last = timer;
    this.#waiting ??= this.#wait(this.ms);
  }

  take(timer: Timer): void {
    const { before, after } = timer;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    timer.before = timer.after = undefined;
  }

  close(): void {
    this.#waiting?.unsubscribe();
    this.#waiting = undefined;
    this.#first = this.#last = undefined;
  }

  #wait(ms: number): Subscription {
    return this.scheduler.schedule(() => {
      // Timers that are started meanwhile are behind all that end now.
      const now = this.scheduler.now();
      for (let first = this.#first; first !== undefined && first.at <= now; first = this.#first) first.end();
      this.#waiting = this.#first && this.#wait(this.#first.at - now);
    }, ms);
  }
}
