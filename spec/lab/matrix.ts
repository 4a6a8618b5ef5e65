/** Runs the real `rxp2p` in pairs of networks: two servers, a listener, a dialer, and one line from the one to the other. */
import { fileURLToPath } from 'node:url';
import { firstValueFrom, from, mergeMap, toArray, type Observable } from 'rxjs';
import { failureReason, parseEvent, type Event } from './events.js';
import type { PairResult, Trial } from './measurement.js';
import { roundTripTime, type PathConfig } from './path.js';
import { addressOf, familiesOf, linesBetween, planPair, SERVERS, type Pair, type Peer } from './plan.js';
import type { Program } from './processes.js';
import type { Run } from './run.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

export interface MatrixConfig {
  readonly pairs: readonly Pair[];
  readonly path: PathConfig;
  /** How often each pair connects. */
  readonly repeat: number;
  /** How many pairs run side by side. */
  readonly parallel: number;
  /** Seconds that one `connect` gets. */
  readonly timeout: number;
  /** The program under test. */
  readonly rxp2p: string;
}

export const RXP2P = fileURLToPath(new URL('../../lib/cli/rxp2p.js', import.meta.url));

const PORT = 8000;
const HTTP_PORT = 8080;

/** What a program may take to start and to reach its servers on a busy machine, and to end. */
const START_MS = 10_000;

/** How long after the dialer's end its line may still be under way. */
const LAST_LINE_MS = 1_000;

/** Each pair's result, as soon as it is there. */
export const matrix$ = (run: Run, config: MatrixConfig): Observable<PairResult> =>
  from(config.pairs).pipe(mergeMap((pair) => measurePair(run, pair, config), config.parallel));

const measurePair = async (run: Run, pair: Pair, config: MatrixConfig): Promise<PairResult> => {
  const plan = planPair(pair);
  const roundTripMs = roundTripTime(config.path, linesBetween(plan, 'a', 'b'));
  try {
    return { pair, roundTripMs, trials: await run.with(plan, config.path, (topology) => measure(topology, config)) };
  } catch (failure) {
    if (run.closed) throw failure;
    return { pair, roundTripMs, trials: [{ ok: false, reason: `the trial could not begin: ${String(failure)}` }] };
  }
};

const measure = async (topology: Topology, config: MatrixConfig): Promise<Trial[]> => {
  const rxp2p = [process.execPath, config.rxp2p];
  // They listen on both families, as every rendezvous server should.
  const serve = [...rxp2p, 'serve', '--port', String(PORT), '--http-port', String(HTTP_PORT)];
  const started = SERVERS.map((server) => topology.run(server, serve).line((text) => text.includes(String(PORT))));
  await within(START_MS, Promise.all(started));

  const listener = topology.run('b', [...rxp2p, 'listen', ...rendezvous(topology, 'b'), '--json']);
  const firstLine = listener.line(() => true);
  const { text: unl } = await within(START_MS, firstLine);

  const trials: Trial[] = [];
  for (let i = 0; i < config.repeat; i++) {
    const limit = ['--timeout', String(config.timeout)];
    const dialer = topology.run('a', [...rxp2p, 'connect', unl, ...rendezvous(topology, 'a'), '--json', ...limit]);
    trials.push(await trial(dialer, listener, `line ${i}`, config.timeout));
  }
  return trials;
};

/** From the instant of `connect$`, which the dialer tells, to the instant the line shows at the listener. */
const trial = async (dialer: Program, listener: Program, text: string, timeout: number): Promise<Trial> => {
  dialer.write(text);
  dialer.endInput();
  const arrival = listener.line((line) => line === text);
  arrival.catch(() => undefined); // When it never comes, the dialer's end is what counts.
  const exit = await within(timeout * 1000 + START_MS, dialer.exited).catch(() => undefined);
  if (exit === undefined) await dialer.kill();

  const said = await firstValueFrom(dialer.stderr$.pipe(toArray()), { defaultValue: [] });
  const lines = said.map(({ text: line }) => line);
  const events: Event[] = lines.flatMap((line) => parseEvent(line) ?? []);
  const begun = said.find(({ text: line }) => parseEvent(line)?.event === 'connecting')?.at;
  const connected = events.find((event) => event.event === 'connected');
  if (exit === undefined) return { ok: false, reason: `did not end within ${timeout} s` };
  if (connected === undefined) return { ok: false, reason: failureReason(events, lines) };
  if (begun === undefined) return { ok: false, reason: 'it never said that it was connecting' };
  const arrived = await within(LAST_LINE_MS, arrival).catch(() => undefined);
  if (arrived === undefined) return { ok: false, reason: `${connected.technique}: connected, but the line never came` };
  return { ok: true, technique: connected.technique, direct: connected.direct, ms: arrived.at - begun };
};

/** Each server by each family that the peer has: only who is seen by IPv6 can tell that it is reached there. */
const rendezvous = ({ plan }: Topology, peer: Peer): string[] =>
  familiesOf(plan, peer).flatMap((family) =>
    SERVERS.flatMap((server) => {
      const address = addressOf(plan, server, family);
      return ['--rendezvous', family === 4 ? `${address}:${PORT}` : `[${address}]:${PORT}`];
    }),
  );
