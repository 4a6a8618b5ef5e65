import { readFileSync } from 'node:fs';
import {
  concatMap,
  distinctUntilChanged,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  noop,
  pairwise,
  startWith,
  switchMap,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { InvalidOptionError, reasonOf } from '../errors.js';
import { createNet } from '../net.js';
import type { Net } from '../net/interface.js';
import type { Room, RoomMessage } from '../rooms/interface.js';
import { cleanLine } from '../words.js';
import { reportConnection, reportNode, reportReach } from './node-report.js';
import { reporter, type Report } from './report.js';
import { print } from './stdout.js';
import { configOf, eachStdinLine$, runUntilInterrupted, type ReachableOptions } from './terminal.js';

/** The options of `rxp2p room`. */
export interface RoomOptions extends ReachableOptions {
  /** A file whose first line is the secret of the room. */
  readonly secretFile?: string;
  /** How many of the last messages to ask for. */
  readonly history?: number;
}

/** `rxp2p room`: says the lines of stdin in a room, and prints what others say there. */
export async function room(name: string, options: RoomOptions): Promise<void> {
  const { json, history } = options;
  const secret = secretOf(options);
  const report = reporter(json);
  const net = createNet({ mode: 'direct', ...configOf(options) });
  reportNode(net, report);
  reportReach(net, report);
  reportConnections(net, report);
  const room$ = net.join$(name, { secret, history }).pipe(
    tap(() => {
      report('joined', { room: name, peerId: net.peerId }, `joined ${cleanLine(name)} as ${net.peerId}`);
    }),
    switchMap((joined) =>
      merge(
        joined.messages$.pipe(concatMap((message) => print(json === true ? asJson(message) : asLine(message)))),
        presence$(joined, report),
        neighbours$(joined, report),
        alone$(joined, report),
        eachStdinLine$((text) => say(joined, text), report),
      ),
    ),
  );
  await runUntilInterrupted(net, room$);
}

/** Tells of the connections to members where that is told to programs: a user is told who is here. */
function reportConnections({ connections$ }: Net, report: Report): void {
  const start = performance.now();
  const toPrograms: Report = (event, fields) => {
    report(event, fields, undefined);
  };
  connections$.subscribe({
    next: (connection) => {
      reportConnection(connection, Math.round(performance.now() - start), toPrograms);
    },
    error: noop,
  });
}

/** The first line of the secret's file: a secret on the command line could be seen by every user of the machine. */
function secretOf({ secretFile }: RoomOptions): string | undefined {
  if (secretFile === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(secretFile, 'utf8');
  } catch (cause) {
    throw new InvalidOptionError(`\`--secret-file\` cannot be read: ${reasonOf(cause)}`, { cause });
  }
  const [secret = ''] = text.split(/\r?\n/);
  if (secret === '')
    throw new InvalidOptionError('Expected the first line of `--secret-file` to be the secret, got none');
  return secret;
}

/** Resolves when the line has been said: one that comes too soon waits, as others would drop it. */
async function say(room: Room, text: string): Promise<void> {
  while (!room.publish(text)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** As long as one message more takes to be allowed, in milliseconds. */
const PAUSE_MS = 50;

function asLine({ from, text, isText, bytes }: RoomMessage): string {
  // A text may have lines of its own, which must not pass for those of others; on a terminal, a carriage return would do.
  const words = isText ? text.replaceAll(LINE_BREAK, ' ') : `(${bytes.length} bytes)`;
  return `${from.slice(0, SHOWN)}: ${words}`;
}

function asJson({ from, text, isText, bytes, at, hops, isPast }: RoomMessage): string {
  return JSON.stringify({ from, ...(isText ? { text } : { bytes: bytes.toString('base64') }), at, hops, past: isPast });
}

/** What ends a line, or begins it anew, for whatever shows it (Unicode Standard Annex #14). */
const LINE_BREAK = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;

/** So many characters of a key are shown in front of a line. */
const SHOWN = 8;

/** Tells who comes and who goes. */
function presence$({ members$ }: Room, report: Report): Observable<never> {
  return members$.pipe(
    map((members) => members.map(({ peerId }) => peerId)),
    startWith<readonly string[]>([]),
    pairwise(),
    switchMap(([before, after]) => {
      const tell = (event: string, words: string) => (peerId: string) => {
        const others = after.length;
        report(
          event,
          { peerId, others },
          `${peerId.slice(0, SHOWN)} ${words}, ${others} ${others === 1 ? 'other is' : 'others are'} here`,
        );
      };
      after.filter((peerId) => !before.includes(peerId)).forEach(tell('here', 'is here'));
      before.filter((peerId) => !after.includes(peerId)).forEach(tell('left', 'has left'));
      return EMPTY;
    }),
  );
}

/** Tells once that nobody else is here, where nobody has come for a while. That somebody comes later is told as ever. */
function alone$({ members$ }: Room, report: Report): Observable<never> {
  return timer(ALONE_MS).pipe(
    tap(() => {
      report('alone', {}, 'nobody else is here yet, waiting');
    }),
    ignoreElements(),
    takeUntil(members$.pipe(filter((members) => members.length > 0))),
  );
}

/** Others that are there already are mostly found by then, in milliseconds. */
const ALONE_MS = 2_000;

/** Tells to how many members there are channels, where that is told to programs, and that there are none any more. */
function neighbours$({ neighbours$ }: Room, report: Report): Observable<never> {
  return neighbours$.pipe(
    map((neighbours) => neighbours.length),
    distinctUntilChanged(),
    filter((count, index) => index > 0 || count > 0),
    tap((count) => {
      report('neighbours', { count }, count === 0 ? 'nobody hears this node now, looking for others' : undefined);
    }),
    switchMap(() => EMPTY),
  );
}
