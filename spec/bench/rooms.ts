import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Actor, Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { ratioOf } from './ratio.js';
import { BYTES, figuresOf, joinAll, nodesOf, serverOf, startNodes, type Kind } from './room-nodes.js';

/** Nodes in all. `ROOM_NODES` sets another number. */
const NODES = Number(process.env['ROOM_NODES'] ?? 300);
/** Processes that they live in: as many as the machine runs at once, since each has to compile what it runs. */
const PROCESSES = Math.min(6, availableParallelism());

/**
 * How many messages are said in the first second, when there is hardly a tree yet; then so that each process has compiled what it runs; and then
 * to be counted.
 */
const [FIRST, WARM, MESSAGES] = [10, 100, 100];

/** Between two messages at least, in milliseconds. */
const PAUSE_MS = 100;

/** A message that is not everywhere by then never will be, in milliseconds. */
const EVERYWHERE_WITHIN_MS = 10_000;

/** Before anything is said a network that is whole fills its last places, in milliseconds. */
const SETTLE_MS = 10_000;

/** A network that is not whole by then never will be, in milliseconds. */
const JOINED_WITHIN_MS = 110_000;

/** So long after the last message what comes is not waited for, in milliseconds: a room on too small a machine may never come to rest. */
const SETTLED_WITHIN_MS = 30_000;

/** Rooms beside PyP2P's flooding network. */
export const rooms: Benchmark = {
  name: 'rooms',
  about: `${NODES} nodes in ${PROCESSES} processes find each other by one rendezvous server; one says ${MESSAGES} messages of ${BYTES} bytes after ${FIRST + WARM} others, each when the one before is everywhere: net.join$ with 5 neighbours, beside p2p mode with 10 + 10 slots; one round`,
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
        what: 'copies of a message a node in the first second : one',
        ours: [room.firstCopies],
        other: [1],
        show: (copies) => copies.toFixed(2),
        target: { atMost: 1.5 },
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
  const actors = await startNodes(start, kind, where, { nodes: NODES, processes: PROCESSES });
  const joinedMs = await joinAll(actors, NODES, JOINED_WITHIN_MS);
  const [first] = actors;
  const everywhere = async (delivered: number) => {
    const givenUpAt = performance.now() + EVERYWHERE_WITHIN_MS;
    do await pause(PAUSE_MS);
    while ((await figuresOf(actors)).delivered < delivered && performance.now() < givenUpAt);
  };
  const messages = async (many: number, next: (delivered: number) => Promise<void>) => {
    const before = await figuresOf(actors);
    const since = performance.now();
    for (let said = 1; said <= many; said++) {
      await first?.ask('say');
      await next(before.delivered + said * (NODES - 1));
    }
    const after = await settled(actors);
    return {
      ms: performance.now() - since,
      delivered: after.delivered - before.delivered,
      copies: (after.received - before.received) / (after.firsts - before.firsts),
      cpuMs: after.cpuMs - before.cpuMs,
    };
  };
  // Channels that are still being opened are none of a message's costs.
  await pause(SETTLE_MS);
  const fresh = await messages(FIRST, () => pause(PAUSE_MS));
  await messages(WARM, everywhere);
  // Before and after: what has just come together still has more to do.
  const before = await idleCpu(actors);
  // One after the other: where several are under way, a node passes them on in one go, and flooding has most to gain by that.
  const steady = await messages(MESSAGES, everywhere);
  const idle = (before + (await idleCpu(actors))) / 2;
  const told = {
    joinedMs,
    copies: steady.copies,
    firstCopies: fresh.copies,
    cpuMs: (steady.cpuMs - idle * steady.ms) / steady.delivered,
    delivered: steady.delivered,
  };
  console.log(
    `  ${kind}: together after ${(joinedMs / 1_000).toFixed(1)} s; copies a node: ${fresh.copies.toFixed(2)} of the first ${FIRST} messages, ` +
      `${told.copies.toFixed(2)} later; ${steady.delivered} of ${(NODES - 1) * MESSAGES} delivered; idle ${(1_000 * idle).toFixed(0)} ms of CPU a second in all`,
  );
  await Promise.all([server, ...actors].map((actor) => actor.end()));
  return told;
}

/** What was counted when nothing comes any more, or has not come to an end. */
async function settled(actors: readonly Actor[]) {
  const givenUpAt = performance.now() + SETTLED_WITHIN_MS;
  let before = await figuresOf(actors);
  for (;;) {
    await pause(2_000);
    const after = await figuresOf(actors);
    if (after.delivered === before.delivered || performance.now() > givenUpAt) return after;
    before = after;
  }
}

/** What nodes cost that say nothing, in milliseconds of CPU for each millisecond. */
async function idleCpu(actors: readonly Actor[]): Promise<number> {
  const before = await figuresOf(actors);
  await pause(5_000);
  return ((await figuresOf(actors)).cpuMs - before.cpuMs) / 5_000;
}
