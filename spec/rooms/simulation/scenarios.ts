import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { hostility } from './hostile.js';
import { ACTIVE_VIEW, Network, SILENCE_MS } from './network.js';
import type { SimulatedNode } from './node.js';
import type { Spread } from './spread.js';

/** One line of the proof. */
export interface Row {
  readonly what: string;
  readonly must: string;
  readonly got: string;
  readonly isMet: boolean;
}

/** What a run gives beside its rows: for the pictures. */
export interface Figures {
  readonly nodes: number;
  /** How many nodes have so many neighbours. */
  readonly degrees: readonly number[];
  /** Copies a node of each message of one author, the first at first. */
  readonly copies: readonly number[];
  /** Of messages of one author, once the tree is there: how many nodes have got it after so many hops. */
  readonly hops: readonly number[];
  /** The same, of messages that a different node says each time. */
  readonly hopsOfAnyone: readonly number[];
}

const MESSAGE = new Uint8Array(1_024);
/** All join within this time, in milliseconds, and as long again is waited. */
const JOIN_MS = 20_000;
/** Between two messages, in milliseconds. */
const PACE_MS = 1_000;
/** Every delivery is waited for so long after the last message, in milliseconds. */
const SETTLE_MS = 5_000;

function joined(nodes: number, seed: number, hostileShare = 0): Network {
  const network = new Network({ seed });
  let hostile = 0;
  for (let i = 0; i < nodes; i++) {
    const isHostile = Math.floor((i + 1) * hostileShare) > hostile;
    const harm = isHostile ? hostility(hostile++) : undefined;
    network.after((i * JOIN_MS) / nodes, () => network.join(harm));
  }
  network.run(2 * JOIN_MS);
  return network;
}

const honestOf = (network: Network) => network.alive.filter(({ hostility }) => hostility === undefined);

function anyHonest(network: Network): SimulatedNode {
  for (;;) {
    const node = network.chance.of(network.nodes);
    if (node?.isAlive === true && node.hostility === undefined) return node;
  }
}

/** Has somebody say something, again and again, and tells how it has spread. */
export function say(network: Network, times: number, author: () => SimulatedNode): Spread[] {
  const spreads: Spread[] = [];
  for (let i = 0; i < times; i++) {
    spreads.push(network.publish(author(), MESSAGE));
    network.run(PACE_MS);
  }
  return spreads;
}

function sumOf(spreads: readonly Spread[]): readonly number[] {
  const sum: number[] = [];
  for (const { byHops } of spreads)
    for (const [hops, count] of byHops.entries()) sum[hops] = (sum[hops] ?? 0) + (count || 0);
  return Array.from(sum, (count) => count || 0);
}

const percent = (share: number) => `${(Math.floor(share * 100_000) / 1_000).toFixed(3)} %`;
const least = (spreads: readonly Spread[]) => Math.min(...spreads.map(({ coverage }) => coverage));
const most = (numbers: readonly number[]) => Math.max(...numbers);
export const meanOf = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

/** A room in peace, then one of which a tenth comes and goes in a minute, then one of which half is gone at once. */
export function honestRoom(nodes: number, seed: number): { readonly rows: readonly Row[]; readonly figures: Figures } {
  const network = joined(nodes, seed);
  const degrees: number[] = [];
  for (const { degree } of network.alive) degrees[degree] = (degrees[degree] ?? 0) + 1;
  const author = anyHonest(network);
  const first = say(network, 8, () => author);
  const ofOne = first.slice(2);
  const ofAnyone = say(network, 8, () => anyHonest(network));
  network.run(SETTLE_MS);
  const steady = [...ofOne, ...ofAnyone];
  const hopLimit = 1.5 * Math.log2(nodes);
  const figures: Figures = {
    nodes,
    degrees: Array.from(degrees, (count) => count || 0),
    copies: first.map(({ copiesANode }) => copiesANode),
    hops: sumOf(ofOne),
    hopsOfAnyone: sumOf(ofAnyone),
  };
  const lastHop = most(steady.map((spread) => spread.lastHop));
  const copies = meanOf(steady.map(({ copiesANode }) => copiesANode));
  const inPeace: Row[] = [
    row(
      'every message at every node',
      '100 %',
      percent(least([...first, ...ofAnyone])),
      least([...first, ...ofAnyone]) === 1,
    ),
    row('hops to the last node', `≤ ${hopLimit.toFixed(1)} (1.5 log2 n)`, String(lastHop), lastHop <= hopLimit),
    row('copies a node, steady', '≤ 1.15', copies.toFixed(3), copies <= 1.15),
  ];
  return { rows: [...inPeace, withChurn(network, author), ...withoutHalf(network)], figures };
}

function row(what: string, must: string, got: string, isMet: boolean): Row {
  return { what, must, got, isMet };
}

/** A tenth leaves within a minute, half of them without a word, and as many come. */
function withChurn(network: Network, author: SimulatedNode): Row {
  const before = network.alive;
  const leaving = before.filter((node) => node !== author && network.chance.next() < 0.1);
  for (const [i, node] of leaving.entries()) {
    const at = (i * 60_000) / leaving.length;
    network.after(at, () => {
      if (i % 2 === 0) network.leave(node);
      else network.kill(node, false);
    });
    network.after(at, () => network.join());
  }
  for (const node of before) node.delivered = 0;
  const messages = 12;
  for (let i = 0; i < messages; i++) {
    network.publish(author, MESSAGE);
    network.run(60_000 / messages);
  }
  network.run(SETTLE_MS);
  const throughout = before.filter((node) => node.isAlive && node !== author);
  const got = throughout.reduce((sum, { delivered }) => sum + delivered, 0) / (throughout.length * messages);
  return row('a tenth comes and goes in a minute: deliveries to the others', '≥ 99.9 %', percent(got), got >= 0.999);
}

/** Half is gone at once, half of those without that the others hear of it. */
function withoutHalf(network: Network): Row[] {
  const gone = network.alive.filter(() => network.chance.next() < 0.5);
  for (const [i, node] of gone.entries()) network.kill(node, i % 2 === 0);
  const allKnownAt = network.now + SILENCE_MS;
  const spreads: Spread[] = [];
  for (let i = 0; i < 3; i++) {
    network.run(2_000);
    spreads.push(network.publish(anyHonest(network), MESSAGE));
  }
  network.run(24_000);
  const second = spreads[1]?.coverage ?? 0;
  const rest = network.alive;
  const share = (isWhole: (node: SimulatedNode) => boolean) => rest.filter(isWhole).length / rest.length;
  const now = share(({ degree }) => degree >= ACTIVE_VIEW);
  // Somebody gives way to another who has none, and finds a neighbour anew, as long as there are such.
  const whole = share(({ degree, wholeAt }) => degree >= ACTIVE_VIEW || wholeAt > allKnownAt);
  const after = network.publish(anyHonest(network), MESSAGE);
  network.run(SETTLE_MS);
  return [
    row('half is gone: the next message but one reaches of the rest', '≥ 99 %', percent(second), second >= 0.99),
    row(
      'half is gone: nodes whose neighbours were whole again within 30 s',
      '≥ 99.9 %',
      `${percent(whole)}; ${percent(now)} at that moment`,
      whole >= 0.999,
    ),
    row(
      'half is gone: a message after 30 s reaches of the rest',
      '100 %',
      percent(after.coverage),
      after.coverage === 1,
    ),
  ];
}

/** A tenth is hostile: drops everything, lies in shuffles, replays, floods, or announces and never delivers. */
export function hostileRoom(nodes: number, seed: number): readonly Row[] {
  const network = joined(nodes, seed, 0.1);
  // What has bounds may be filled up to them first.
  say(network, 15, () => anyHonest(network));
  network.run(30_000);
  const before = heapBytes();
  const spreads = say(network, 15, () => anyHonest(network));
  network.run(30_000);
  const grownKiB = (heapBytes() - before) / nodes / 1_024;
  const honest = honestOf(network);
  const [reached, known, neighbours] = [
    least(spreads),
    most(honest.map(({ gossip }) => gossip.known.length)),
    most(honest.map(({ degree }) => degree)),
  ];
  return [
    row('a tenth is hostile: each message reaches of the honest', '≥ 99 %', percent(reached), reached >= 0.99),
    row(
      'a tenth is hostile: most members known, neighbours',
      '≤ 30, ≤ 8',
      `${known}, ${neighbours}`,
      known <= 30 && neighbours <= 8,
    ),
    // A node may keep as much as was said to it.
    row(
      'a tenth is hostile: memory grows in 45 s by, a node',
      '≤ 15 KiB, as much as was said',
      `${grownKiB.toFixed(1)} KiB`,
      grownKiB <= 15,
    ),
  ];
}

/** What is in use after a garbage collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') Reflect.apply(collect, undefined, []);
  return process.memoryUsage().heapUsed;
}
