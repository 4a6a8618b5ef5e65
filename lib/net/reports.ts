import { Subject, type Observable } from 'rxjs';
import type { ServerReport } from '../server-report.js';
import type { Trace, TraceEvent } from '../trace.js';
import { ClockWatch, type ClockStatus } from './clock-watch.js';
import { ServerWatch } from './server-watch.js';

/** What a net tells of its work, and how it stands with its servers and its clock, by what was told. */
export class Reports {
  /** Each step, and when it was. */
  readonly trace$: Observable<TraceEvent>;
  /** Emits when {@link services} or {@link clock} has changed. */
  readonly changed$: Observable<void>;

  readonly #trace = new Subject<TraceEvent>();
  readonly #changed = new Subject<void>();
  readonly #servers = new ServerWatch();
  readonly #clocks = new ClockWatch();

  constructor(readonly timeOfDay: () => number) {
    this.trace$ = this.#trace.asObservable();
    this.changed$ = this.#changed.asObservable();
  }

  /** How it stands with each server. */
  get services(): readonly ServerReport[] {
    return this.#servers.all;
  }

  /** See {@link ClockWatch.status}. */
  get clock(): ClockStatus | undefined {
    return this.#clocks.status;
  }

  /** See {@link ServerWatch.unreachable}. */
  unreachable(): readonly string[] {
    return this.#servers.unreachable();
  }

  readonly tell: Trace = (step) => {
    if (step.type === 'server' || step.type === 'clock') {
      // What is as it was needs no telling.
      if (!(step.type === 'server' ? this.#servers.note(step) : this.#clocks.note(step))) return;
      this.#changed.next();
    }
    if (this.#trace.observed) this.#trace.next({ ...step, at: this.timeOfDay() });
  };

  /** Nothing more will be told. */
  complete(): void {
    this.#trace.complete();
    this.#changed.complete();
  }
}
