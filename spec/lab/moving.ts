/** Moves the path of a connection to and fro while both sides send numbered lines: relay, direct, relay, direct. */
import { fileURLToPath } from 'node:url';
import { distinctUntilKeyChanged, filter, firstValueFrom, map, take, toArray, type Observable } from 'rxjs';
import type { Way } from './measurement.js';
import type { PathConfig } from './path.js';
import { planPair, type Pair } from './plan.js';
import type { Program } from './processes.js';
import { fieldsOf, lastWords, said, type Fields } from './programs.js';
import type { Run } from './run.js';
import { meetingPlaces, RXP2P, START_MS, startServers } from './servers.js';
import { within } from './within.js';

const COUNTING = fileURLToPath(new URL('counting.js', import.meta.url));

export interface MoveConfig {
  readonly pair: Pair;
  readonly path: PathConfig;
  /** To be sent by each side. */
  readonly lines: number;
}

/** What one side tells in the end. */
export interface Side {
  /** Each way that its lines took, and when that began: in milliseconds since the connection was there. */
  readonly ways: readonly (Way & { readonly ms: number })[];
  /** How many lines came, and the first that was not the one expected. */
  readonly count: number;
  readonly fault: string | null;
  /** The code of why the connection ended. */
  readonly closed: string;
}

/** A dead link is to be replaced within 30 s, once it is known to be dead; a direct path is tried again after a pause. */
const MOVE_MS = 120_000;

/** The rest of the lines, however many are left. */
const REST_MS = 120_000;

/** Resolves when all lines have come, or rejects where something did not come in time, with how far it had come. */
export const move = (run: Run, { pair, path, lines }: MoveConfig): Promise<{ readonly a: Side; readonly b: Side }> =>
  run.with(planPair(pair), path, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    // A punch may be as fast as the relay; here it comes too late.
    await topology.cut('a', 'b');
    const start = (host: string, ...more: string[]) =>
      topology.run(host, [
        process.execPath,
        COUNTING,
        ...meetingPlaces(topology, host),
        '--lines',
        String(lines),
        ...more,
      ]);
    const b = start('b');
    const { unl } = await event(b, 'ready', START_MS);
    const a = start('a', '--dial', String(unl));
    const both = [a, b];
    /** Waits until the lines of both sides have gone by the relay and directly, in turns, so many times. */
    const arrive = (turns: number) => Promise.all(both.map((program) => wayOfTurn(program, turns)));
    await arrive(1);
    await topology.mend();
    await arrive(2);
    // In the middle of a stream.
    await Promise.all(both.map((program) => event(program, 'progress', MOVE_MS)));
    await topology.cut('a', 'b');
    await arrive(3);
    await topology.mend();
    await arrive(4);
    for (const program of both) program.write('finish');
    const [ofA, ofB] = await Promise.all([sideOf(a), sideOf(b)]);
    return { a: ofA, b: ofB };
  });

const waysOf = (program: Program): Observable<Way & { readonly ms: number }> =>
  fieldsOf(program.stdout$).pipe(
    filter((fields) => fields['event'] === 'connected' || fields['event'] === 'path'),
    map(({ technique, direct, elapsedMs }) => ({
      technique: String(technique),
      direct: direct === true,
      ms: Number(elapsedMs),
    })),
  );

/** Waits for a turn of the way, between the relay and a direct path; the first must be by the relay. */
const wayOfTurn = async (program: Program, turn: number): Promise<void> => {
  const turns$ = waysOf(program).pipe(distinctUntilKeyChanged('direct'), take(turn), toArray());
  const what = turn % 2 === 1 ? 'be relayed' : 'be direct';
  const turns = await expected(program, `its ${turn}. way to ${what}`, MOVE_MS, firstValueFrom(turns$));
  const [first] = turns;
  if (turns.length < turn || first?.direct !== false)
    throw new Error(`Expected its ${turn}. way to ${what}, got ${describe(turns)}`);
};

const event = (program: Program, wanted: string, ms: number): Promise<Fields> =>
  expected(
    program,
    wanted,
    ms,
    said(program.stdout$, (fields) => fields['event'] === wanted),
  );

/** The result of a promise. If that takes too long, fails with what the program has reported until then. */
const expected = async <T>(program: Program, what: string, ms: number, promise: Promise<T>): Promise<T> => {
  try {
    return await within(ms, promise);
  } catch (cause) {
    throw new Error(`Expected ${what}, but it said:\n  ${lastWords(program)}`, { cause });
  }
};

const sideOf = async (program: Program): Promise<Side> => {
  const { count, fault, closed } = await event(program, 'verdict', REST_MS);
  await program.exited;
  const ways = await firstValueFrom(waysOf(program).pipe(toArray()));
  return { ways, count: Number(count), fault: typeof fault === 'string' ? fault : null, closed: String(closed) };
};

/** A few words on one side. */
export const describeSide = ({ ways, count, fault, closed }: Side): string =>
  `${describe(ways)}: ${count} lines, ${fault ?? 'each once, in order'}, ${closed}`;

const describe = (ways: Side['ways']): string => ways.map(({ technique, ms }) => `${technique} (${ms} ms)`).join(' → ');
