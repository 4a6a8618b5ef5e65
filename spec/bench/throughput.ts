import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { noop } from 'rxjs';
import { numberOf, textOf, type Role, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { cpuTime } from './footprint.js';
import { oneOf } from './nodes.js';
import { ratioOf, type Ratio, type RatioConfig } from './ratio.js';

/**
 * Code is compiled while it runs, and windows open: what comes before this is not counted. JavaScript gets faster for about two seconds here, and
 * what is mostly OpenSSL does not, so that a shorter time would compare a compiler with none.
 */
const WARM_UP_MS = 3_000;

const COUNT_MS = 1_000;

const ROUNDS = 3;

/** A socket that takes all at once never tells its writer to wait, and a process that only writes answers nobody. */
const IN_ONE_GO = 10_000;

/** How a throughput is measured, for a benchmark's description. */
export const MEASURED = `counted by the receiver for ${COUNT_MS} ms after ${WARM_UP_MS} ms of warming up, with the CPU time of both processes; ${ROUNDS} rounds in turns`;

/** A way of carrying something over one connection, from one process to another. */
export interface Way {
  /** Takes a connection in and calls `count` with how much has come; resolves to where it is to be made to. */
  readonly receive: (count: (amount: number) => void) => Promise<string>;
  /** Makes the connection; resolves to what sends over it. */
  readonly connect: (where: string) => Promise<Sending>;
}

/** The sending side of a {@link Way}. */
export interface Sending {
  /** Sends until it is told to wait. */
  readonly fill: () => void;
  /** Calls back when there is room again. */
  readonly onDrain: (next: () => void) => void;
}

/** What is compared. */
export interface ThroughputConfig {
  /** What is carried, as in "line". */
  readonly thing: string;
  /** How a rate is shown, by what comes in a second. */
  readonly show: RatioConfig['show'];
  /** How the CPU time is shown, by milliseconds for each that comes. */
  readonly showCpu: RatioConfig['show'];
  readonly ways: Readonly<Record<string, Way>>;
  /** The rows: two of the ways each, with the words for them. */
  readonly pairs: readonly Pair[];
}

interface Pair {
  readonly ours: string;
  readonly other: string;
  readonly words: string;
  /** What the ratio of the rates must be; none when it is only told. */
  readonly target?: RatioConfig['target'];
}

/** What came in a second, and the CPU time that each took both processes, in milliseconds; round by round. */
interface Measured {
  readonly rates: number[];
  readonly cpu: number[];
}

/** The roles and the measuring of a benchmark that compares ways of carrying the same. */
export function throughput(config: ThroughputConfig): Pick<Benchmark, 'roles' | 'measure'> {
  return {
    roles: {
      receiver: (kind) => receiver(oneOf(config.ways, kind)),
      sender: (kind) => sender(oneOf(config.ways, kind)),
    },
    measure: (start) => measure(config, start),
  };
}

async function* measure({ thing, show, showCpu, ways, pairs }: ThroughputConfig, start: Start): AsyncGenerator<Ratio> {
  const measured: Record<string, Measured> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of Object.keys(ways)) {
      const { rates, cpu } = (measured[kind] ??= { rates: [], cpu: [] });
      const figures = await once(kind, start);
      rates.push(figures.rate);
      cpu.push(figures.cpu);
    }
  }
  for (const { ours, other, words, target } of pairs) {
    const [mine, theirs] = [oneOf(measured, ours), oneOf(measured, other)];
    yield ratioOf({ what: `${thing}s a second, ${words}`, ours: mine.rates, other: theirs.rates, show, target });
    yield ratioOf({ what: `CPU time a ${thing}, ${words}`, ours: mine.cpu, other: theirs.cpu, show: showCpu });
  }
}

async function once(kind: string, start: Start): Promise<{ readonly rate: number; readonly cpu: number }> {
  const [to, from] = [start('receiver', kind), start('sender', kind)];
  await from.ask('send', await to.ask('listen'));
  await pause(WARM_UP_MS);
  const before = [await to.ask('tell'), await from.ask('tell')];
  await pause(COUNT_MS);
  const after = [await to.ask('tell'), await from.ask('tell')];
  await Promise.all([from.end(), to.end()]);
  const grown = (name: string) => {
    const sum = (all: typeof after) => all.reduce((total, values) => total + numberOf(values, name), 0);
    return sum(after) - sum(before);
  };
  const amount = grown('amount');
  return { rate: (amount / grown('ms')) * 1000, cpu: grown('cpu') / amount };
}

function receiver(way: Way): ReturnType<Role> {
  let amount = 0;
  return {
    listen: async () => ({
      where: await way.receive((more) => {
        amount += more;
      }),
    }),
    tell: () => ({ amount, cpu: cpuTime(), ms: performance.now() }),
  };
}

function sender(way: Way): ReturnType<Role> {
  return {
    send: async (values) => {
      const { fill, onDrain } = await way.connect(textOf(values, 'where'));
      // A socket that takes all at once has room again before anything else has its turn.
      onDrain(() => {
        setImmediate(fill);
      });
      // The answer goes first.
      setImmediate(fill);
      return {};
    },
    tell: () => ({ amount: 0, cpu: cpuTime(), ms: 0 }),
  };
}

/** Sends over a stream by `send`, which tells whether to go on. */
export function sendingOver<T>(stream: Writable, items: readonly T[], send: (item: T) => boolean): Sending {
  stream.on('error', noop);
  return {
    fill: sendingOf(items, send),
    onDrain: (next) => {
      stream.on('drain', next);
    },
  };
}

/** Sends over and over what `items` has, until it is told to wait, and lets others have their turn now and then. */
export function sendingOf<T>(items: readonly T[], send: (item: T) => boolean): () => void {
  const fill = () => {
    for (let sent = 0; sent < IN_ONE_GO; sent += items.length) for (const item of items) if (!send(item)) return;
    setImmediate(fill);
  };
  return fill;
}
