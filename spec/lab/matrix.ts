/** Runs the real `rxp2p` in pairs of networks: two servers, a listener, a dialer, and one line from the one to the other. */
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, lastValueFrom, Observable, takeUntil, tap, toArray } from 'rxjs';
import type { ChannelName } from '../../lib/signalling/channel.js';
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
  /** What carries the signals of its nodes. Default: rendezvous servers. */
  readonly channel?: ChannelName | undefined;
}

export const RXP2P = fileURLToPath(new URL('../../lib/cli/rxp2p.js', import.meta.url));

const PORT = 8000;
const HTTP_PORT = 8080;
const DHT_PORT = 7000;

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

/** They listen on both families, as every rendezvous server should. Of a DHT they are the first two nodes. */
const startServers = async (topology: Topology, { rxp2p, channel }: MatrixConfig): Promise<void> => {
  const serve = [process.execPath, rxp2p, 'serve', '--port', String(PORT), '--http-port', String(HTTP_PORT)];
  const started = SERVERS.map((server) => {
    const own = addressOf(topology.plan, server, 4);
    const others = SERVERS.filter((other) => other !== server).map((other) => addressOf(topology.plan, other, 4));
    const dht = ['--dht-port', String(DHT_PORT), '--dht-address', own];
    const bootstrap = others.flatMap((other) => ['--dht-bootstrap', `${other}:${DHT_PORT}`]);
    const program = topology.run(server, channel === 'dht' ? [...serve, ...dht, ...bootstrap] : serve);
    return program.line((text) => text.startsWith(channel === 'dht' ? 'dht-http' : 'http'));
  });
  await within(START_MS, Promise.all(started));
};

interface Listener {
  readonly program: Program;
  readonly unl: string;
}

/** One in each network, started when it is first dialled. */
class Listeners {
  readonly #topology: Topology;
  readonly #config: MatrixConfig;
  readonly #started = new Map<string, Promise<Listener>>();

  constructor(topology: Topology, config: MatrixConfig) {
    this.#topology = topology;
    this.#config = config;
  }

  in(host: string): Promise<Listener> {
    const listener = this.#started.get(host) ?? this.#start(host);
    this.#started.set(host, listener);
    return listener;
  }

  async #start(host: string): Promise<Listener> {
    const { rxp2p, channel } = this.#config;
    const listen = [process.execPath, rxp2p, 'listen', ...meetingPlaces(this.#topology, host, channel), '--json'];
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
  { repeat, timeout, rxp2p, channel }: MatrixConfig,
): Promise<PairResult> => {
  const [dialing, listening] = hostsOf(pair);
  const trials: Trial[] = [];
  try {
    const listener = await listeners.in(listening);
    const connect = [process.execPath, rxp2p, 'connect', listener.unl, ...meetingPlaces(topology, dialing, channel)];
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

/**
 * What a node is told of the servers: each by each family that the node has, since only who is seen by IPv6 can tell that it
 * is reached there. The DHT is of IPv4 alone.
 */
const meetingPlaces = ({ plan }: Topology, host: string, channel: ChannelName = 'rendezvous'): string[] =>
  familiesOf(plan, host)
    .filter((family) => channel !== 'dht' || family === 4)
    .flatMap((family) =>
      SERVERS.flatMap((server) => {
        const address = addressOf(plan, server, family);
        const at = (port: number) => (family === 4 ? `${address}:${port}` : `[${address}]:${port}`);
        if (channel === 'dht') return ['--dht', at(DHT_PORT)];
        return channel === 'mailbox' ? ['--mailbox', `http://${at(HTTP_PORT)}`] : ['--rendezvous', at(PORT)];
      }),
    );
