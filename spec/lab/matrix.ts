/** Runs the real `rxp2p` in pairs of networks: two servers, a listener, a dialer, and one line from the one to the other. */
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, lastValueFrom, Observable, takeUntil, tap, toArray } from 'rxjs';
import { failureReason, parseEvent, type Event } from './events.js';
import type { PairResult, Trial } from './measurement.js';
import { roundTripTime, type PathConfig } from './path.js';
import { addressOf, familiesOf, hostsOf, linesBetween, planPairs, SERVERS, type Pair } from './plan.js';
import type { Program } from './processes.js';
import type { Run } from './run.js';
import { sideBySide$ } from './side-by-side.js';
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

/** A dialer that starts must not slow down those whose time is taken. */
const LOW_PRIORITY = ['nice', '-n', '19'];
const NORMAL_PRIORITY = 0;

/** What a program may take to start and to reach its servers on a busy machine, and to end. */
const START_MS = 10_000;

/** How long after the dialer's end its line may still be under way. */
const LAST_LINE_MS = 1_000;

/** Each pair's result, as soon as it is there. All share one internet and its two servers, and no two at once a host. */
export const matrix$ = (run: Run, config: MatrixConfig): Observable<PairResult> =>
  new Observable((subscriber) => {
    const unsubscribed$ = new Observable<void>((inner) => {
      subscriber.add(() => {
        inner.next();
      });
    });
    const measuring = run.with(planPairs(config.pairs), config.path, async (topology) => {
      await startServers(topology, config);
      const listeners = new Listeners(topology, config);
      const { parallel } = config;
      const work = async (pair: Pair) => {
        run.assertOpen();
        return measurePair(topology, listeners, pair, config);
      };
      const results$ = sideBySide$(config.pairs, { parallel, needs: hostsOf, work });
      await lastValueFrom(
        results$.pipe(
          tap((result) => {
            subscriber.next(result);
          }),
          takeUntil(unsubscribed$),
        ),
        { defaultValue: undefined },
      );
    });
    measuring.then(
      () => {
        subscriber.complete();
      },
      (failure: unknown) => {
        subscriber.error(failure);
      },
    );
  });

/** They listen on both families, as every rendezvous server should. */
const startServers = async (topology: Topology, { rxp2p }: MatrixConfig): Promise<void> => {
  const serve = [process.execPath, rxp2p, 'serve', '--port', String(PORT), '--http-port', String(HTTP_PORT)];
  const started = SERVERS.map((server) => topology.run(server, serve).line((text) => text.includes(String(PORT))));
  await within(START_MS, Promise.all(started));
};

interface Listener {
  readonly program: Program;
  readonly unl: string;
}

/** One in each network, started when it is first dialled. */
class Listeners {
  readonly #topology: Topology;
  readonly #rxp2p: string;
  readonly #started = new Map<string, Promise<Listener>>();

  constructor(topology: Topology, { rxp2p }: MatrixConfig) {
    this.#topology = topology;
    this.#rxp2p = rxp2p;
  }

  in(host: string): Promise<Listener> {
    const listener = this.#started.get(host) ?? this.#start(host);
    this.#started.set(host, listener);
    return listener;
  }

  async #start(host: string): Promise<Listener> {
    const listen = [process.execPath, this.#rxp2p, 'listen', ...rendezvous(this.#topology, host), '--json'];
    const program = this.#topology.run(host, listen);
    const { text: unl } = await within(
      START_MS,
      program.line(() => true),
    );
    return { program, unl };
  }
}

const measurePair = async (
  topology: Topology,
  listeners: Listeners,
  pair: Pair,
  { repeat, timeout, rxp2p }: MatrixConfig,
): Promise<PairResult> => {
  const [dialing, listening] = hostsOf(pair);
  const trials: Trial[] = [];
  try {
    const listener = await listeners.in(listening);
    const connect = [process.execPath, rxp2p, 'connect', listener.unl, ...rendezvous(topology, dialing)];
    for (let i = 0; i < repeat; i++) {
      const dialer = topology.run(dialing, [...LOW_PRIORITY, ...connect, '--json', '--timeout', String(timeout)]);
      trials.push(await trial(dialer, listener.program, `${pair.join(' → ')} ${i}`, timeout));
    }
  } catch (failure) {
    trials.push({ ok: false, reason: `the trial could not begin: ${String(failure)}` });
  }
  return { pair, roundTripMs: roundTripTime(topology.path, linesBetween(topology.plan, dialing, listening)), trials };
};

/** From the instant of `connect$`, which the dialer tells, to the instant the line shows at the listener. */
const trial = async (dialer: Program, listener: Program, text: string, timeout: number): Promise<Trial> => {
  dialer.write(text);
  dialer.endInput();
  const arrival = listener.line((line) => line === text);
  arrival.catch(() => undefined); // When it never comes, the dialer's end is what counts.
  void raisePriority(dialer);
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

/** Makes a dialer the equal of the others when its time begins. */
export const raisePriority = async (dialer: Program): Promise<void> => {
  try {
    await dialer.line((line) => parseEvent(line)?.event === 'connecting', dialer.stderr$);
    if (dialer.pid !== undefined) setPriority(dialer.pid, NORMAL_PRIORITY);
  } catch {
    // It ended before, or at that moment: its trial tells why.
  }
};

/** Each server by each family that the peer has: only who is seen by IPv6 can tell that it is reached there. */
const rendezvous = ({ plan }: Topology, host: string): string[] =>
  familiesOf(plan, host).flatMap((family) =>
    SERVERS.flatMap((server) => {
      const address = addressOf(plan, server, family);
      return ['--rendezvous', family === 4 ? `${address}:${PORT}` : `[${address}]:${PORT}`];
    }),
  );
