/** Runs the real `rxp2p` in pairs of networks: two servers, a listener, a dialer, and one line from the one to the other. */
import { fileURLToPath } from 'node:url';
import { firstValueFrom, from, map, mergeMap, race, timer, toArray, type Observable } from 'rxjs';
import { failureReason, parseEvent, type Event } from './events.js';
import type { PairResult, Trial } from './measurement.js';
import type { PathConfig } from './path.js';
import { addressOf, familiesOf, planPair, SERVERS, type Pair, type Peer } from './plan.js';
import type { Program } from './processes.js';
import type { Run } from './run.js';
import type { Topology } from './topology.js';

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

/** What a program may take beyond its own time limit: starting Node on a busy machine, closing. */
const GRACE_MS = 10_000;

/** Each pair's result, as soon as it is there. */
export const matrix$ = (run: Run, config: MatrixConfig): Observable<PairResult> =>
  from(config.pairs).pipe(mergeMap((pair) => measurePair(run, pair, config), config.parallel));

const measurePair = async (run: Run, pair: Pair, config: MatrixConfig): Promise<PairResult> => {
  try {
    return { pair, trials: await run.with(planPair(pair), config.path, (topology) => measure(topology, config)) };
  } catch (failure) {
    if (run.closed) throw failure;
    return { pair, trials: [{ ok: false, reason: `the trial could not begin: ${String(failure)}` }] };
  }
};

const measure = async (topology: Topology, config: MatrixConfig): Promise<Trial[]> => {
  const rxp2p = [process.execPath, config.rxp2p];
  const serve = ['serve', '--port', String(PORT), '--http-port', String(HTTP_PORT)];
  const servers = SERVERS.map((server) => topology.run(server, [...rxp2p, ...serve, '--bind', bindAddress(topology, server)]));
  await Promise.all(servers.map((server) => withGrace(server.line((text) => text.includes(String(PORT))), 0)));

  const listener = topology.run('b', [...rxp2p, 'listen', ...rendezvous(topology, 'b'), '--json']);
  const { text: unl } = await withGrace(listener.line(() => true), 0);

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
  const exit = await withGrace(dialer.exited, timeout * 1000).catch(() => undefined);
  if (exit === undefined) await dialer.kill();

  const said = await firstValueFrom(dialer.stderr$.pipe(map(({ text: line, at }) => ({ line, at, event: parseEvent(line) })), toArray()), { defaultValue: [] }); // prettier-ignore
  const events: Event[] = said.flatMap(({ event }) => event ?? []);
  const begun = said.find(({ event }) => event?.event === 'connecting')?.at;
  const connected = events.find((event) => event.event === 'connected');
  if (exit === undefined) return { ok: false, reason: `did not end within ${timeout} s` };
  if (connected === undefined) return { ok: false, reason: failureReason(events, said.map(({ line }) => line)) }; // prettier-ignore
  if (begun === undefined) return { ok: false, reason: 'it never said that it was connecting' };
  const arrived = await withGrace(arrival, 0).catch(() => undefined);
  if (arrived === undefined) return { ok: false, reason: `${connected.technique}: connected, but the line never came` };
  return { ok: true, technique: connected.technique, direct: connected.direct, ms: arrived.at - begun };
};

/** A server stands on every family that a peer may lack the other of. */
const bindAddress = (topology: Topology, server: (typeof SERVERS)[number]): string => {
  const everyoneHasV4 = (['a', 'b'] as const).every((peer) => familiesOf(topology.plan, peer).includes(4));
  return everyoneHasV4 ? addressOf(topology.plan, server, 4) : '::';
};

/** By IPv4 where the peer has it, since that is where NATs are and must be seen through; its IPv6 addresses it knows itself. */
const rendezvous = ({ plan }: Topology, peer: Peer): string[] =>
  SERVERS.flatMap((server) => {
    const server4 = familiesOf(plan, peer).includes(4);
    const address = server4 ? addressOf(plan, server, 4) : `[${addressOf(plan, server, 6)}]`;
    return ['--rendezvous', `${address}:${PORT}`];
  });

const withGrace = <T>(promise: Promise<T>, ms: number): Promise<T> => {
  const late$ = timer(ms + GRACE_MS).pipe(
    map((): T => {
      throw new Error(`Nothing within ${(ms + GRACE_MS) / 1000} s`);
    }),
  );
  return firstValueFrom(race(from(promise), late$));
};
