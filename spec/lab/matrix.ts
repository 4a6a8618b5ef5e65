/** Runs the real `rxp2p` in pairs of networks: two servers, a listener, a dialer, and one line from the one to the other. */
import { setPriority } from 'node:os';
import {
  filter,
  firstValueFrom,
  from,
  lastValueFrom,
  noop,
  Observable,
  race,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
  toArray,
} from 'rxjs';
import type { CarrierName } from '../../lib/signalling/carrier.js';
import { failureReason, parseEvent, type Event } from './events.js';
import type { PairResult, Trial, Way } from './measurement.js';
import { roundTripTime, type PathConfig } from './path.js';
import { hostsOf, linesBetween, planPairs, type Pair } from './plan.js';
import type { Program } from './processes.js';
import type { Run } from './run.js';
import { meetingPlaces, START_MS, startServers } from './servers.js';
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
  /** Seconds that a dialer stays after its first line for the path to become direct; as soon as it is, or was from the start, it goes. */
  readonly settle: number;
  /** The program under test. */
  readonly rxp2p: string;
  /** What carries the signals of its nodes. Default: rendezvous servers. */
  readonly carrier?: CarrierName | undefined;
}

/** A dialer that starts slows down those whose time is taken by a third of what it would; with much less of a share it would not start at all beside a busy program. */
const LOW_PRIORITY = ['nice', '-n', '5'];
const NORMAL_PRIORITY = 0;

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

type Limits = Pick<MatrixConfig, 'timeout' | 'settle'>;

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
    const { rxp2p, carrier } = this.#config;
    const listen = [process.execPath, rxp2p, 'listen', ...meetingPlaces(this.#topology, host, carrier), '--json'];
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
  { repeat, timeout, settle, rxp2p, carrier }: MatrixConfig,
): Promise<PairResult> => {
  const [dialing, listening] = hostsOf(pair);
  const trials: Trial[] = [];
  try {
    const listener = await listeners.in(listening);
    const connect = [process.execPath, rxp2p, 'connect', listener.unl, ...meetingPlaces(topology, dialing, carrier)];
    for (let i = 0; i < repeat; i++) {
      const dialer = topology.run(dialing, [...LOW_PRIORITY, ...connect, '--json', '--timeout', String(timeout)]);
      trials.push(await trial(dialer, listener.program, `${pair.join(' → ')} ${i}`, { timeout, settle }));
    }
  } catch (failure) {
    trials.push({ ok: false, reason: `the trial could not begin: ${String(failure)}` });
  }
  return { pair, roundTripMs: roundTripTime(topology.path, linesBetween(topology.plan, dialing, listening)), trials };
};

/** From the instant of `connect$`, which the dialer tells, to the instant the line shows at the listener. */
const trial = async (dialer: Program, listener: Program, text: string, limits: Limits): Promise<Trial> => {
  const { timeout, settle } = limits;
  dialer.write(text);
  const arrival = listener.line((line) => line === text);
  arrival.catch(() => undefined); // When it never comes, the dialer's end is what counts.
  void raisePriority(dialer);
  const direct$ = dialer.stderr$.pipe(filter(({ text: line }) => wayOf(parseEvent(line))?.direct === true));
  const late$ = from(arrival).pipe(switchMap(() => timer(settle * 1000)));
  const settled$ = race(direct$, late$, dialer.exited).pipe(take(1));
  const stay = settled$.subscribe({
    next: () => {
      dialer.endInput();
    },
    error: noop, // The listener is gone; the dialer finds out.
  });
  const exit = await within((timeout + settle) * 1000 + START_MS, dialer.exited).catch(() => undefined);
  stay.unsubscribe();
  if (exit === undefined) await dialer.kill();

  const said = await firstValueFrom(dialer.stderr$.pipe(toArray()), { defaultValue: [] });
  const lines = said.map(({ text: line }) => line);
  const events = said.flatMap(({ text: line, at }) => {
    const event = parseEvent(line);
    return event === undefined ? [] : { event, at };
  });
  const begun = events.find(({ event }) => event.event === 'connecting')?.at;
  const ways = events.flatMap(({ event, at }) => {
    const way = wayOf(event);
    return way === undefined ? [] : { way, at };
  });
  const [first, last] = [ways[0], ways.at(-1)];
  if (exit === undefined) return { ok: false, reason: `did not end within ${timeout + settle} s` };
  const story = events.map(({ event }) => event);
  if (first === undefined || last === undefined) return { ok: false, reason: failureReason(story, lines) };
  if (begun === undefined) return { ok: false, reason: 'it never said that it was connecting' };
  const arrived = await within(LAST_LINE_MS, arrival).catch(() => undefined);
  if (arrived === undefined) return { ok: false, reason: `${first.way.technique}: connected, but the line never came` };
  return {
    ok: true,
    first: first.way,
    ms: arrived.at - begun,
    last: last.way,
    movedMs: last === first ? null : last.at - begun,
  };
};

/** The way that an event tells of. */
const wayOf = (event: Event | undefined): Way | undefined =>
  event?.event === 'connected' || event?.event === 'path'
    ? { technique: event.technique, direct: event.direct }
    : undefined;

/** Makes a dialer the equal of the others when its time begins. */
export const raisePriority = async (dialer: Program): Promise<void> => {
  try {
    await dialer.line((line) => parseEvent(line)?.event === 'connecting', dialer.stderr$);
    if (dialer.pid !== undefined) setPriority(dialer.pid, NORMAL_PRIORITY);
  } catch {
    // It ended before, or at that moment: its trial tells why.
  }
};
