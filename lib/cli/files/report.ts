import { noop } from 'rxjs';
import type { Net } from '../../net/interface.js';
import type { Report } from '../report.js';
import { reportFile, type ReportFile } from '../story/record.js';

/** What a report of a transfer is of. */
interface TransferReportConfig {
  /** Where it is written; without that there is none. */
  readonly file: string | undefined;
  /** What was done, such as `rxp2p send`. */
  readonly title: string;
  /** Of this program. */
  readonly version: string;
  readonly report: Report;
}

/** The report of a transfer (`--report FILE`). */
export class TransferReport {
  readonly #config: TransferReportConfig;
  #story: ReportFile | undefined;

  constructor(config: TransferReportConfig) {
    this.#config = config;
  }

  /** Remembers what a net does, and which ways its connections take. */
  readonly onNet = (net: Net): void => {
    const story = reportFile(this.#config.file, net, this.#config);
    this.#story = story;
    net.connections$.subscribe({
      next: (connection) => {
        story.follow(connection);
      },
      error: noop,
    });
  };

  /** Writes it, where there was a net. */
  write(isWhole: boolean): void {
    this.#story?.write(isWhole ? 'All was carried, and verified' : 'Not all was carried');
  }
}
