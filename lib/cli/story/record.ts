import { writeFileSync } from 'node:fs';
import { distinctUntilChanged, map, noop, type Observable } from 'rxjs';
import { Queue } from '../../bounds/queue.js';
import type { Connection } from '../../connection/connection.js';
import { reasonOf } from '../../errors.js';
import type { Net } from '../../net/interface.js';
import type { Report } from '../report.js';
import { pageOf } from './page.js';
import type { StoryEvent, StoryStep } from './story.js';

/** The first steps, which are remembered: an attempt has a hundred or so. */
const FIRST_STEPS = 2_000;

/** The last steps, which are: what went wrong in the end is among them. */
const LAST_STEPS = 8_000;

/** The beginning and the end of what happened. */
export class StoryRecord {
  readonly #first: StoryEvent[] = [];
  readonly #last = new Queue<StoryEvent>();
  #leftOut = 0;

  add(event: StoryEvent): void {
    if (this.#first.length < FIRST_STEPS) {
      this.#first.push(event);
      return;
    }
    this.#last.push(event);
    if (this.#last.length <= LAST_STEPS) return;
    this.#last.take();
    this.#leftOut++;
  }

  /** All that is remembered, in order, and how many steps between are not. The record is empty afterwards. */
  take(): { readonly events: readonly StoryEvent[]; readonly leftOut: number } {
    const events = this.#first.splice(0);
    for (let event = this.#last.take(); event !== undefined; event = this.#last.take()) events.push(event);
    return { events, leftOut: this.#leftOut };
  }
}

/** A report that is being made. */
export interface ReportFile {
  /** Remembers which ways the lines of a connection take, too. */
  follow(connection: Pick<Connection, 'path$'>): void;
  /** Remembers a step of the command itself. */
  tell(step: StoryStep): void;
  /**
   * Writes the page. A failure is reported, and no reason to fail.
   *
   * @param outcome how it ended, in words.
   * @param check what was found of the network, line by line, where it was looked into.
   */
  write(outcome: string, check?: readonly string[]): void;
}

/** What a report is of. */
export interface ReportFileConfig {
  /** What was done, such as `rxp2p connect`. */
  readonly title: string;
  /** Of this program. */
  readonly version: string;
  readonly report: Report;
  /** The time, in milliseconds since the epoch. Default: the system's. */
  readonly now?: () => number;
}

/**
 * Remembers what a net does, for a page that tells it (`--report FILE`). Call it right after the net was made. Where no file is named, nothing
 * is remembered or written.
 */
export function reportFile(
  file: string | undefined,
  { trace$ }: Pick<Net, 'trace$'>,
  { title, version, report, now = Date.now }: ReportFileConfig,
): ReportFile {
  if (file === undefined) return { follow: noop, tell: noop, write: noop };
  const record = new StoryRecord();
  const take = (event$: Observable<StoryEvent>) => {
    event$.subscribe({
      next: (event) => {
        record.add(event);
      },
      error: noop,
    });
  };
  take(trace$);
  return {
    follow({ path$ }) {
      const way$ = path$.pipe(
        distinctUntilChanged((one, other) => one.technique === other.technique && one.direct === other.direct),
      );
      take(way$.pipe(map(({ technique, direct }) => ({ type: 'path', at: now(), technique, direct }))));
    },
    tell(step) {
      record.add({ ...step, at: now() });
    },
    write(outcome, check) {
      const versions = `rxp2p ${version}, Node ${process.version}, ${process.platform} ${process.arch}`;
      try {
        writeFileSync(file, pageOf({ title, versions, outcome, check, ...record.take() }));
      } catch (error) {
        report('error', { message: reasonOf(error) }, `the report could not be written: ${reasonOf(error)}`);
      }
    },
  };
}
