import { setTimeout as pause } from 'node:timers/promises';
import { map, mergeMap, noop, share, switchMap } from 'rxjs';
import { createNet, type Net, type Room } from '../../lib/index.js';
import { rendezvousServer$ } from '../../servers/index.js';
import { numberOf, textOf, type Actor, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { cpuTime } from './footprint.js';
import { ratioOf } from './ratio.js';

/** Nodes in all, and processes that they live in. `ROOM_NODES` sets another number. */
const NODES = Number(process.env['ROOM_NODES'] ?? 300);
const PROCESSES = 6;

/** Messages of this length, in bytes, and how many: before the tree has settled, and then. */
const [BYTES, WARM_UP, MESSAGES] = [1_024, 20, 50];

/** Between two messages, in milliseconds: what one needs is over before the next. */
const PAUSE_MS = 100;

/** A network that is not whole by then never will be, in milliseconds. */
const JOINED_WITHIN_MS = 110_000;

type Kind = 'room' | 'flood';

/** Rooms beside PyP2P's flooding network. */
export const rooms: Benchmark = {
  name: 'rooms',
  about: `${NODES} nodes in ${PROCESSES} processes find each other by one rendezvous server; one says ${MESSAGES} messages of ${BYTES} bytes after ${WARM_UP} others: net.join$ with 5 neighbours, beside p2p mode with 10 + 10 slots; one round`,
  roles: { server: serverOf, nodes: nodesOf },
  measure: async function* (start) {
    const room = await run('room', start);
    const flood = await run('flood', start);
    yield* [
      ratioOf({
        what: 'copies of a message a node',
        ours: [room.copies],
        other: [flood.copies],
        show: (copies) => copies.toFixed(2),
        // 1.15 copies a node beside 17.
        target: { atMost: 0.07 },
      }),
      ratioOf({
        what: 'CPU a delivery',
        ours: [room.cpuMs],
        other: [flood.cpuMs],
        show: (ms) => `${(1_000 * ms).toFixed(0)} µs`,
        target: { atMost: 0.2 },
      }),
      ratioOf({
        what: 'until all are connected',
        ours: [room.joinedMs],
        other: [flood.joinedMs],
        show: (ms) => `${(ms / 1_000).toFixed(1)} s`,
      }),
      ratioOf({
        what: 'delivered : nodes to be reached',
        ours: [room.delivered],
        other: [(NODES - 1) * MESSAGES],
        show: String,
        target: { atLeast: 1 },
      }),
    ];
  },
};

/** One network: how long it takes to come together, and what a message costs. */
async function run(kind: Kind, start: Start) {
  const server = start('server', kind);
  const { where = '' } = await server.ask('listen');
  const actors = Array.from({ length: PROCESSES }, () => start('nodes', kind));
  const count = Math.ceil(NODES / PROCESSES);
  await Promise.all(
    actors.map((actor, index) => actor.ask('make', { where, first: index * count, count: countOf(index, count) })),
  );
  const begun = performance.now();
  await Promise.all(actors.map((actor) => actor.ask('join')));
  while (!(await isWhole(actors)) && performance.now() - begun < JOINED_WITHIN_MS) await pause(250);
  const joinedMs = performance.now() - begun;
  const [first] = actors;
  const messages = async (many: number) => {
    const before = await figures(actors);
    for (let left = many; left > 0; left--) {
      await first?.ask('say');
      await pause(PAUSE_MS);
    }
    await pause(2_000);
    const after = await figures(actors);
    return {
      delivered: after.delivered - before.delivered,
      copies: (after.received - before.received) / (after.firsts - before.firsts),
      cpuMs: after.cpuMs - before.cpuMs,
    };
  };
  const warm = await messages(WARM_UP);
  const idle = await idleCpu(actors);
  const steady = await messages(MESSAGES);
  const told = {
    joinedMs,
    copies: steady.copies,
    cpuMs: (steady.cpuMs - idle * (MESSAGES * PAUSE_MS + 2_000)) / steady.delivered,
    delivered: steady.delivered,
  };
  console.log(
    `  ${kind}: together after ${(joinedMs / 1_000).toFixed(1)} s; copies a node: ${warm.copies.toFixed(2)} of the first ${WARM_UP} messages, ` +
      `${told.copies.toFixed(2)} later; ${steady.delivered} of ${(NODES - 1) * MESSAGES} delivered; idle ${(1_000 * idle).toFixed(0)} ms of CPU a second in all`,
  );
  await Promise.all([server, ...actors].map((actor) => actor.end()));
  return told;
}

/** How many nodes a process has: the last one fewer, where they do not go evenly. */
function countOf(index: number, count: number): number {
  return Math.max(0, Math.min(count, NODES - index * count));
}

/** What nodes cost that say nothing, in milliseconds of CPU for each millisecond. */
async function idleCpu(actors: readonly Actor[]): Promise<number> {
  const before = await figures(actors);
  await pause(5_000);
  return ((await figures(actors)).cpuMs - before.cpuMs) / 5_000;
}

async function figures(actors: readonly Actor[]) {
  const all = await Promise.all(actors.map((actor) => actor.ask('figures')));
  const sum = (name: string) => all.reduce((total, values) => total + numberOf(values, name), 0);
  return { delivered: sum('delivered'), received: sum('received'), firsts: sum('firsts'), cpuMs: sum('cpu') };
}

/** Whether every node can be reached from the first, by those who are connected. */
async function isWhole(actors: readonly Actor[]): Promise<boolean> {
  const told = await Promise.all(actors.map((actor) => actor.ask('edges')));
  const edges = new Map(
    told
      .flatMap((values) => textOf(values, 'edges').split('\n').filter(Boolean))
      .map((line) => {
        const [from = '', ...to] = line.split(' ');
        return [from, to] as const;
      }),
  );
  const reached = new Set([...edges.keys()].slice(0, 1));
  for (const node of reached) for (const other of edges.get(node) ?? []) reached.add(other);
  return reached.size === NODES;
}

function serverOf(): ReturnType<Role> {
  return {
    listen: () =>
      new Promise<Values>((resolve, reject) => {
        rendezvousServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
          next: ({ local }) => {
            resolve({ where: `127.0.0.1:${local.port}` });
          },
          error: reject,
        });
      }),
  };
}

function nodesOf(kind: string): ReturnType<Role> {
  const nets: Net[] = [];
  const joined: Room[] = [];
  /** Whom each is connected to. */
  const edges = new Map<string, ReadonlySet<string>>();
  let [delivered, received, firsts, said] = [0, 0, 0, 0];
  const join = kind === 'room' ? joinRoom : joinFlood;
  return {
    make: (values) => {
      const first = numberOf(values, 'first');
      for (let index = first; index < first + numberOf(values, 'count'); index++)
        nets.push(
          createNet({
            mode: kind === 'room' ? 'direct' : 'p2p',
            bind: `127.0.${10 + (index >> 7)}.${(index & 127) + 1}`,
            rendezvous: [textOf(values, 'where')],
            ...(kind === 'flood' && { slots: { inbound: 10, outbound: 10 } }),
          }),
        );
      return {};
    },
    join: async () => {
      for (const net of nets) join(net);
      await Promise.all(nets.map((net) => net.start()));
      return {};
    },
    edges: () => ({ edges: [...edges].map(([from, to]) => [from, ...to].join(' ')).join('\n') }),
    say: () => {
      const text = `${said++} ${'x'.repeat(BYTES)}`.slice(0, BYTES);
      if (kind === 'flood') nets[0]?.broadcast(text);
      else if (joined[0]?.publish(text) !== true) throw new Error('Expected to be allowed to say something');
      return {};
    },
    figures: () => ({ delivered, received, firsts, cpu: cpuTime() }),
  };

  function joinRoom(net: Net): void {
    net.trace$.subscribe((step) => {
      // What members say of their being there goes the same way, and counts.
      if (step.type !== 'room' || step.step !== 'received') return;
      received++;
      if (!step.isCopy) firsts++;
    });
    const room$ = net.join$('bench').pipe(share());
    room$.subscribe({
      next: (room) => joined.push(room),
      error: noop,
    });
    room$.pipe(switchMap(({ messages$ }) => messages$)).subscribe(() => delivered++);
    room$.pipe(switchMap(({ neighbours$ }) => neighbours$)).subscribe((ids) => edges.set(net.peerId, new Set(ids)));
  }

  function joinFlood(net: Net): void {
    const open = new Set<string>();
    edges.set(net.peerId, open);
    net.connections$.subscribe(({ peerId }) => open.add(peerId));
    net.connections$
      .pipe(mergeMap(({ peerId, closed$ }) => closed$.pipe(map(() => peerId))))
      .subscribe((peerId) => open.delete(peerId));
    net.trace$.subscribe((step) => {
      if (step.type === 'dropped' && step.what === 'line') received++;
    });
    net.lines$.subscribe(({ connection, text }) => {
      delivered++;
      firsts++;
      received++;
      net.broadcast(text, connection);
    });
  }
}
