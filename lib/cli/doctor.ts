import { lastValueFrom, Subject, takeUntil, tap } from 'rxjs';
import { CHECK_MS } from '../net/check/checks.js';
import type { NetCheck } from '../net/check/interface.js';
import { createNet } from '../net.js';
import { checkWords, verdictOf } from './check-words.js';
import { BY_RELAY_ONLY } from './exit-status.js';
import { reporter } from './report.js';
import { exitSoon, print } from './stdout.js';
import { reportFile } from './story/record.js';
import { configOf, interrupted$, type ReachableOptions } from './terminal.js';
import { waiting$ } from './waiting.js';

/** The exit status: how peers behind an ordinary NAT reach this node. */
const STATUS: Readonly<Record<NetCheck['verdict'], number>> = { direct: 0, relay: BY_RELAY_ONLY, none: 1, unknown: 1 };

/** The options of `rxp2p doctor`. */
export interface DoctorOptions extends ReachableOptions {
  /** A file for the report as a page. */
  readonly report?: string;
}

/** `rxp2p doctor`: looks at this machine's network, and says what it means. */
export async function doctor(options: DoctorOptions, version: string): Promise<void> {
  const { json, report: file } = options;
  const net = createNet({ mode: 'direct', ...configOf(options), lan: false });
  const story = reportFile(file, net, { title: 'rxp2p doctor', version, report: reporter(json) });
  const checked$ = net.check$().pipe(
    tap((check) => {
      if (json === true) console.error(JSON.stringify({ event: 'check', ...check }));
    }),
    takeUntil(interrupted$()),
  );
  try {
    const over = new Subject<void>();
    if (json !== true)
      waiting$((seconds) => {
        console.error(`Still looking at the network (${seconds} s, ${CHECK_MS / 1_000} s at most)`);
      })
        .pipe(takeUntil(over))
        .subscribe();
    const checking = lastValueFrom(checked$, { defaultValue: undefined }).finally(() => {
      over.next();
    });
    if (json !== true) console.error('Looking at the network …');
    const check = await checking;
    const isWhole = check?.isSettled === true;
    const words = check === undefined ? [] : checkWords(check);
    if (isWhole && json !== true) for (const line of words) await print(line);
    story.write(isWhole ? verdictOf(check) : 'It was interrupted', words);
    process.exitCode = isWhole ? STATUS[check.verdict] : 1;
    if (!isWhole) exitSoon();
  } finally {
    await net.close();
  }
}
