import { noop } from 'rxjs';
import type { GaugeName, Timed, Watch } from '../watch.js';
import { LimitedSites } from './limited-sites.js';
import { Tally } from './tally.js';

/** For how long a site is named that was refused something, in milliseconds. */
const LIMITED_MS = 300_000;

/** What the figures need. */
interface FiguresConfig {
  /** The time, in milliseconds. */
  readonly now: () => number;
  /** Is told, too. */
  readonly next: Watch;
}

/** Counts what servers tell. */
export class Figures implements Watch {
  readonly counts = new Tally();
  /** By server and reason. */
  readonly refusals = new Tally();
  /** Requests of HTTP, by service and status. */
  readonly answers = new Tally();
  readonly limited: LimitedSites;
  readonly #gauges = new Map<GaugeName, Set<() => number>>();
  readonly #config: FiguresConfig;
  #measure: (what: Timed, ms: number) => void = noop;

  constructor(config: FiguresConfig) {
    this.#config = config;
    this.limited = new LimitedSites(LIMITED_MS, config.now);
  }

  readonly count: Watch['count'] = (name, kind, times) => {
    this.counts.add(name, kind, times);
    this.#config.next.count(name, kind, times);
  };

  readonly refused: Watch['refused'] = (server, reason, site) => {
    this.refusals.add(server, reason);
    this.limited.add(site, server, reason);
    this.#config.next.refused(server, reason, site);
  };

  readonly answered: Watch['answered'] = (service, status) => {
    this.answers.add(service, String(status));
    this.#config.next.answered(service, status);
  };

  readonly took: Watch['took'] = (what, ms) => {
    // The time of day, by which the mailbox measures, may be set back.
    this.#measure(what, Math.max(0, ms));
    this.#config.next.took(what, ms);
  };

  readonly gauge: Watch['gauge'] = (name, read) => {
    const reads = this.#gauges.get(name) ?? new Set();
    this.#gauges.set(name, reads.add(read));
    const forget = this.#config.next.gauge(name, read);
    return () => {
      reads.delete(read);
      forget();
    };
  };

  /** Has something else measure how long things take. */
  measuredBy(measure: (what: Timed, ms: number) => void): void {
    this.#measure = measure;
  }

  /** A figure now. */
  read(name: GaugeName): number {
    return [...(this.#gauges.get(name) ?? [])].reduce((sum, read) => sum + read(), 0);
  }
}
