/**
 * A node that sends numbered lines to its peer and checks those that the peer sends, as many: each once, in order. Tells what
 * happens on stdout, a JSON object a line, with the events of `rxp2p --json`. A line on stdin lets it finish: until then it
 * always has lines left to send, for however long the path is being moved.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  forkJoin,
  ignoreElements,
  merge,
  mergeMap,
  noop,
  sampleTime,
  scan,
  share,
  startWith,
  switchMap,
  take,
  takeLast,
  tap,
} from 'rxjs';
import { reportConnection } from '../../lib/cli/node-report.js';
import { createNet, type Connection } from '../../lib/index.js';
import { NOTHING_YET, numberedLine, withLine } from './sequence.js';

/** Between two portions. */
const PORTION_MS = 10;

/** Of what is left to send, so much goes in a portion: fast at first, then ever slower, so that some is always left. */
const PORTION = 1 / 1000;

/** Between two reports of how far it is. */
const PROGRESS_MS = 500;

const { values } = parseArgs({
  options: {
    rendezvous: { type: 'string', multiple: true, default: [] },
    lines: { type: 'string', default: '1000' },
    /** The locator of the peer; without one it waits for a peer. */
    dial: { type: 'string' },
  },
});
const lines = Number(values.lines);

const finish = new AbortController();
process.stdin.once('data', () => {
  finish.abort();
});

const tell = (event: string, fields: object) => {
  console.log(JSON.stringify({ event, ...fields }));
};

async function* numbered(): AsyncGenerator<string> {
  let sent = 0;
  while (sent < lines) {
    const isLast = finish.signal.aborted;
    const portion = Math.max(1, Math.floor((lines - sent) * PORTION));
    const end = isLast ? lines : Math.min(sent + portion, lines - 1);
    while (sent < end) yield numberedLine(sent++);
    if (!isLast) await delay(PORTION_MS, undefined, { signal: finish.signal }).catch(noop);
  }
}

/** Sends, checks, closes when all was sent and all has come, and tells the verdict. */
const count$ = (connection: Connection) => {
  reportConnection(connection, 0, tell);
  const arrival$ = connection.lines$.pipe(scan(withLine, NOTHING_YET), startWith(NOTHING_YET), share());
  const allCame$ = arrival$.pipe(
    filter(({ count }) => count === lines),
    take(1),
    ignoreElements(),
  );
  const closing$ = defer(() => {
    connection.close();
    return EMPTY;
  });
  const sent$ = connection.sendAll(numbered()).pipe(
    tap({
      complete: () => {
        tell('sent', { count: lines });
      },
    }),
    catchError((error: unknown) => {
      tell('error', { message: String(error) });
      return EMPTY;
    }),
  );
  const progress$ = arrival$.pipe(
    sampleTime(PROGRESS_MS),
    tap(({ count }) => {
      tell('progress', { count });
    }),
  );
  const verdict$ = forkJoin([arrival$.pipe(takeLast(1), defaultIfEmpty(NOTHING_YET)), connection.closed$]).pipe(
    tap(([{ count, fault }, { code, message }]) => {
      tell('verdict', { count, fault: fault ?? null, closed: code, message });
    }),
  );
  return merge(concat(merge(sent$, allCame$), closing$), progress$, verdict$);
};

const net = createNet({ mode: 'direct', rendezvous: values.rendezvous, portMapping: false, reachability: false });
// What this node is must be known before it can punch.
const ready$ = net.unl$.pipe(
  take(1),
  tap((unl) => {
    tell('ready', { unl });
  }),
);
const connection$ = ready$.pipe(
  switchMap(() => (values.dial === undefined ? net.connections$.pipe(take(1)) : net.connect$(values.dial))),
);
const end = () => {
  process.stdin.destroy();
  void net.close();
};
connection$.pipe(mergeMap(count$)).subscribe({
  error: (error: unknown) => {
    tell('failed', { reason: String(error) });
    end();
  },
  complete: end,
});
