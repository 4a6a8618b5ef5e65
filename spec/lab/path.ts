/** What an access line does to packets, and the two ways to make a link do that: `tc netem`, or a wire of our own. */
import { fileURLToPath } from 'node:url';
import { command } from './command.js';

export interface PathConfig {
  /** Milliseconds one way. */
  readonly delay: number;
  /** Up to this many milliseconds more or less; packets may then overtake each other. */
  readonly jitter: number;
  /** The share of packets lost each way, 0 to 1. */
  readonly loss: number;
  /** Megabits a second each way, or no limit. */
  readonly bandwidth: number | undefined;
}

/** An ordinary access line in one country: 20 ms, so 80 ms there and back between two homes. */
export const DEFAULT_PATH: PathConfig = { delay: 20, jitter: 0, loss: 0, bandwidth: undefined };

/** There and back over so many access lines: two, between any two hosts that have one each. */
export const roundTripTime = (path: Pick<PathConfig, 'delay'>, lines = 2): number => 2 * lines * path.delay;

export const WIRES = ['netem', 'tap'] as const;
export type Wire = (typeof WIRES)[number];

export const describeWire: Readonly<Record<Wire, string>> = {
  netem: 'tc netem',
  tap: 'a TAP wire of our own (this kernel has no netem)',
};

/** Tries netem on the loopback device of a namespace that exists for the purpose. */
export const detectWire = async (namespace: string): Promise<Wire> => {
  await command('ip', ['netns', 'add', namespace]);
  try {
    await command('tc', ['-n', namespace, 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
    return 'netem';
  } catch {
    return 'tap';
  } finally {
    await command('ip', ['netns', 'del', namespace]);
  }
};

/** What a bandwidth limit lets queue up before it drops, about what home routers do. */
const BUFFER_SECONDS = 0.5;

/** netem counts packets, those that are under way among them; a full one has 1500 bytes. */
const PACKET_BITS = 12_000;

/** Without a bandwidth limit nothing shall be dropped: a rate that no program here comes near. */
const UNLIMITED_MBIT = 10_000;

const packetLimit = ({ delay, bandwidth = UNLIMITED_MBIT }: PathConfig): number =>
  Math.ceil(((delay / 1000 + BUFFER_SECONDS) * bandwidth * 1e6) / PACKET_BITS);

/** The line for `tc -batch` that makes a device send over such a path. */
export const netem = (device: string, path: PathConfig): string =>
  [
    `qdisc add dev ${device} root netem limit ${packetLimit(path)} delay ${path.delay}ms`,
    path.jitter > 0 ? `${path.jitter}ms` : '',
    path.loss > 0 ? `loss ${path.loss * 100}%` : '',
    path.bandwidth === undefined ? '' : `rate ${path.bandwidth}mbit`,
  ]
    .filter((part) => part !== '')
    .join(' ');

/** The program that carries frames between TAP devices, and its argument. */
export const wireProgram = (wires: readonly (readonly [WireEnd, WireEnd])[], path: PathConfig): string[] => [
  'python3',
  fileURLToPath(new URL('../../../spec/lab/wire.py', import.meta.url)),
  JSON.stringify(
    wires.map((ends) => ({
      ends: ends.map(({ namespace, device }) => [namespace, device]),
      delay: path.delay / 1000,
      jitter: path.jitter / 1000,
      loss: path.loss,
      bandwidth: path.bandwidth === undefined ? null : path.bandwidth * 1e6,
      buffer: BUFFER_SECONDS,
    })),
  ),
];

export interface WireEnd {
  readonly namespace: string;
  readonly device: string;
}
