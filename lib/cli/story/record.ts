import { writeFileSync } from 'node:fs';
import { distinctUntilChanged, map, noop, type Observable } from 'rxjs';
import type { Connection } from '../../connection/connection.js';
import { reasonOf } from '../../errors.js';
import type { Net } from '../../net/interface.js';
import type { Report } from '../report.js';
import { pageOf, type PageContent } from './page.js';
import type { StoryEvent } from './story.js';

/** Steps that are remembered: an attempt has a hundred or so. */
const MAX_STEPS = 10_000;

/** Remembers what a net does, for a page that tells it. */
export class StoryRecord {
  readonly #events: StoryEvent[] = [];
  readonly #now: () => number;

  /** @param now the time, in milliseconds since the epoch. */
  constructor({ trace$ }: Pick<Net, 'trace$'>, now: () => number) {
    this.#now = now;
    this.#take(trace$);
  }

  /** Remembers which ways the lines of a connection take, too. */
  follow({ path$ }: Pick<Connection, 'path$'>): void {
    const way$ = path$.pipe(
      distinctUntilChanged((one, other) => one.technique === other.technique && one.direct === other.direct),
    );
    this.#take(way$.pipe(map(({ technique, direct }) => ({ type: 'path', at: this.#now(), technique, direct }))));
  }

  /** Writes the page. A failure is reported, and no reason to fail. */
  write(file: string, content: Omit<PageContent, 'events' | 'versions'>, version: string, report: Report): void {
    const versions = `rxp2p ${version}, Node ${process.version}, ${process.platform} ${process.arch}`;
    try {
      writeFileSync(file, pageOf({ ...content, versions, events: this.#events }));
    } catch (error) {
      report('error', { message: reasonOf(error) }, `the report could not be written: ${reasonOf(error)}`);
    }
  }

  #take(event$: Observable<StoryEvent>): void {
    event$.subscribe({
      next: (event) => {
        if (this.#events.length < MAX_STEPS) this.#events.push(event);
      },
      error: noop,
    });
  }
}
