import { availableParallelism } from 'node:os';
import type { Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { ratioOf } from './ratio.js';
import { joinAll, nodesOf, serverOf, startNodes, type Kind } from './room-nodes.js';

/** Nodes in all. `ROOM_NODES` sets another number. */
const NODES = Number(process.env['ROOM_NODES'] ?? 100);
/** Processes that they live in. */
const PROCESSES = Math.min(6, availableParallelism());
/** Each way is measured so often. */
const ROUNDS = 3;
/** A room that is not whole by then never will be, in milliseconds. */
const JOINED_WITHIN_MS = 60_000;

/** What finds the members, and within which time they are to be connected, in milliseconds. */
const WAYS: readonly (readonly [kind: Kind, what: string, withinMs: number])[] = [
  ['room', 'one rendezvous server', 5_000],
  ['dht', 'the DHT alone', 10_000],
];

/** A room that many join at once. */
export const roomsJoin: Benchmark = {
  name: 'rooms-join',
  about: `${NODES} nodes in ${PROCESSES} processes join a room at once, by one rendezvous server, and by one node of a DHT that all of them make up: until each can be reached from each, beside the time that they may take; ${ROUNDS} rounds`,
  roles: { server: serverOf, nodes: nodesOf },
  measure: async function* (start) {
    for (const [kind, means, withinMs] of WAYS) {
      const ours: number[] = [];
      for (let round = 0; round < ROUNDS; round++) ours.push(await joinedMs(kind, start));
      yield ratioOf({
        what: `until all are connected by ${means} : time allowed`,
        ours,
        other: ours.map(() => withinMs),
        show: (ms) => `${(ms / 1_000).toFixed(1)} s`,
        target: { atMost: 1 },
      });
    }
  },
};

async function joinedMs(kind: Kind, start: Start): Promise<number> {
  const server = start('server', kind);
  const { where = '' } = await server.ask('listen');
  const actors = await startNodes(start, kind, where, { nodes: NODES, processes: PROCESSES });
  const ms = await joinAll(actors, NODES, JOINED_WITHIN_MS);
  await Promise.all([server, ...actors].map((actor) => actor.end()));
  return ms;
}
