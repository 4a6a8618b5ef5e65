import type { Endpoint } from '../endpoint.js';
import type { NatType } from '../unl/types.js';

/** What one connection to a server has shown: where it left from, and where the server saw it come from. */
export interface PortSample {
  /** The port inside. */
  readonly localPort: number;
  /** Where the server was asked. */
  readonly server: Endpoint;
  /** The address and the port outside. */
  readonly observed: Endpoint;
}

/** What a NAT is by a set of samples. */
export interface NatClassification {
  readonly natType: NatType;
  /** The share of the samples that agree with it, 0 to 1. */
  readonly confidence: number;
  /**
   * The external addresses, the most frequent first. More than one means that the NAT has a pool and gives one host several of
   * its addresses ("arbitrary" pooling, which RFC 4787 REQ-2 advises against).
   */
  readonly addresses: readonly string[];
}

/** Of five samples one may be odd: a port taken by other traffic (PyP2P tolerates as many), or a server that lies. */
const ENOUGH = 0.8;

/** Any two ports are some step apart; it takes a third at the same step to show a rule. */
const MIN_SEQUENCE = 3;

/** How many samples are looked at. More would not change the result, and a set made by somebody else must not take unbounded time. */
const MAX_SAMPLES = 64;

/** How many samples a sequence may skip because they do not belong to it: one in five, and some by bad luck. */
const MAX_PASSED_OVER = 8;

/**
 * Classifies a NAT by where servers saw connections through it (the tests of RFC 5780 §4.3, by TCP): whether the port outside is
 * the port inside (preserving), the same for every server (endpoint-independent, which PyP2P calls reuse), a constant above the
 * last (delta), or none of these (random). Pure.
 *
 * To tell them apart it takes five consecutive local ports or so, each seen by at least two server endpoints. One sample in five
 * may be wrong. Fewer samples give `unknown` rather than a guess. With equal evidence the type that is easier to predict wins:
 * its predictions hold for the other type, too.
 *
 * @param samples in the order in which their SYNs were sent, all of one address family; only the first 64 count. @param
 * ownAddresses the addresses of this machine: if servers see one of them, there is no NAT.
 *
 * @example
 * const [s1, s2] = [{ address: '192.0.2.1', port: 8000 }, { address: '192.0.2.2', port: 8000 }];
 * const seenAs = (port: number) => ({ address: '198.51.100.7', port });
 * classify([
 *   { localPort: 4000, server: s1, observed: seenAs(9001) },
 *   { localPort: 4000, server: s2, observed: seenAs(9002) },
 *   { localPort: 4001, server: s1, observed: seenAs(9003) },
 * ], ['192.168.1.2']).natType; // { type: 'delta', delta: 1 }
 */
export function classify(samples: readonly PortSample[], ownAddresses: readonly string[]): NatClassification {
  const counted = samples.slice(0, MAX_SAMPLES);
  const addresses = byFrequency(counted.map(({ observed }) => observed.address));
  const verdict = (natType: NatType, confidence: number): NatClassification => ({ natType, confidence, addresses });
  if (counted.length === 0) return verdict({ type: 'unknown' }, 0);

  const preserved = shareOf(counted, ({ localPort, observed }) => localPort === observed.port);
  const own = shareOf(counted, ({ observed }) => ownAddresses.includes(observed.address));
  if (preserved >= ENOUGH && own >= ENOUGH) return verdict({ type: 'open' }, Math.min(preserved, own));
  if (preserved >= ENOUGH) return verdict({ type: 'preserving' }, preserved);

  const independent = endpointIndependence(counted);
  if (independent !== undefined && independent >= ENOUGH) return verdict({ type: 'reuse' }, independent);

  const sequence = longestSequence(counted);
  const regular = sequence.length / counted.length;
  if (sequence.length >= MIN_SEQUENCE && regular >= ENOUGH) {
    return verdict({ type: 'delta', delta: sequence.delta }, regular);
  }
  // Only samples from two destinations can show that the port differs between them.
  if (independent === undefined || counted.length < MIN_SEQUENCE) return verdict({ type: 'unknown' }, 0);
  return verdict({ type: 'random' }, 1 - Math.max(preserved, sequence.length < MIN_SEQUENCE ? 0 : regular));
}

/**
 * The share of samples that agree with the most frequent external port of their local port; `undefined` when no local port was
 * seen by two server endpoints.
 */
function endpointIndependence(samples: readonly PortSample[]): number | undefined {
  const telling = groupsBy(samples, ({ localPort }) => localPort).filter(
    (group) => new Set(group.map(({ server }) => `${server.address} ${server.port}`)).size > 1,
  );
  const all = telling.flat().length;
  if (all === 0) return undefined;
  const agreeing = telling.map((group) => {
    const [most] = byFrequency(group.map(({ observed }) => observed.port));
    return group.filter(({ observed }) => observed.port === most).length;
  });
  return agreeing.reduce((sum, count) => sum + count, 0) / all;
}

interface Sequence {
  readonly delta: number;
  /** How many samples belong to it. */
  readonly length: number;
}

/** Finds the step that fits the longest sequence of ports. Each external address of a pool has its own sequence. */
function longestSequence(samples: readonly PortSample[]): Sequence {
  const runs = groupsBy(samples, ({ observed }) => observed.address).map((run) =>
    run.map(({ observed }) => observed.port),
  );
  const steps = runs.flatMap((ports) => ports.slice(1).map((port, i) => difference(port, ports[i] ?? port)));
  return byFrequency(steps.filter((step) => step !== 0))
    .map((delta) => ({
      delta,
      length: runs.map((ports) => sequenceLength(ports, delta)).reduce((sum, length) => sum + length, 0),
    }))
    .reduce((best, next) => (next.length > best.length ? next : best), { delta: 0, length: 0 });
}

/**
 * How many of the ports, in their order, lie steps of `delta` apart. From one to the next there may be up to twice as many
 * steps as there were samples (others use the NAT as well), and once the NAT may begin its range anew.
 */
function sequenceLength(ports: readonly number[], delta: number): number {
  const before: number[] = [];
  const after: number[] = [];
  for (const [i, port] of ports.entries()) {
    before[i] = 1;
    after[i] = 1;
    for (let j = Math.max(0, i - 1 - MAX_PASSED_OVER); j < i; j++) {
      const [soFar, sinceNew] = [before[j] ?? 0, after[j] ?? 0];
      const step = difference(port, ports[j] ?? port);
      const steps = step / delta;
      if (Number.isInteger(steps) && steps >= i - j && steps <= 2 * (i - j)) {
        before[i] = Math.max(before[i] ?? 1, soFar + 1);
        after[i] = Math.max(after[i] ?? 1, sinceNew + 1);
      } else if (Math.sign(step) !== Math.sign(delta)) {
        // The sample at which the range began anew may be unrelated, so it is not counted.
        after[i] = Math.max(after[i] ?? 1, soFar);
      }
    }
  }
  return Math.max(0, ...before, ...after);
}

/** How far one port is above another, the short way round: −32768 to 32767. */
function difference(port: number, from: number): number {
  return ((port - from) << 16) >> 16;
}

function shareOf<T>(items: readonly T[], test: (item: T) => boolean): number {
  return items.filter(test).length / items.length;
}

function groupsBy<T>(items: readonly T[], keyOf: (item: T) => unknown): T[][] {
  return [...new Set(items.map(keyOf))].map((key) => items.filter((item) => keyOf(item) === key));
}

/** The different ones, the most frequent first; of equally frequent ones the first comes first. */
function byFrequency<T>(items: readonly T[]): T[] {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].toSorted(([, one], [, other]) => other - one).map(([item]) => item);
}
