import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { createIdentity } from '../../lib/index.js';
import { numberOf, textOf, type Actor, type Role } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { turnHostile } from './hostile-members.js';
import { ratioOf } from './ratio.js';
import { BYTES, figuresOf, joinAll, nodesOf, ROOM, serverOf, startNodes } from './room-nodes.js';

/** Nodes in all. `ROOM_NODES` sets another number. */
const NODES = Number(process.env['ROOM_NODES'] ?? 120);
const HOSTILE = Math.ceil(NODES / 10);
const HONEST = NODES - HOSTILE;
/** Processes of the honest ones. */
const PROCESSES = Math.min(6, availableParallelism());
/** One message a second: what has bounds may be filled up to them first, and what is sent later is counted. */
const [FIRST, MESSAGES, PAUSE_MS] = [60, 60, 1_000];
/** The last message is waited for so long, in milliseconds. */
const SETTLE_MS = 10_000;
/** A room that is not whole by then never will be, in milliseconds. */
const JOINED_WITHIN_MS = 110_000;
/** Members who do not exist, whom all hostile ones name. */
const INVENTED = 64;
/** Where they say that those live: nobody else is there. */
const BYSTANDER = '127.0.9.9';

/** A room of which a tenth is hostile. */
export const roomsHostile: Benchmark = {
  name: 'rooms-hostile',
  about: `a room of ${NODES} nodes found by one rendezvous server, of which ${HOSTILE} are hostile: drop everything, name members that do not exist, replay, flood, announce and never deliver; an honest one says ${FIRST} messages of ${BYTES} bytes and then ${MESSAGES}: what reaches the honest ones`,
  roles: { server: serverOf, nodes: nodesOf, hostile: hostileOf, bystander: bystanderOf },
  measure: async function* (start) {
    const { where = '' } = await start('server', 'room').ask('listen');
    const bystander = start('bystander', '');
    const { port = 0 } = await bystander.ask('listen');
    const honest = await startNodes(start, 'room', where, { nodes: HONEST, processes: PROCESSES });
    const hostile = start('hostile', 'room');
    const invented = Array.from({ length: INVENTED }, () => createIdentity().peerId).join(' ');
    await hostile.ask('make', { where, first: HONEST, count: HOSTILE, address: BYSTANDER, port, invented });
    const joinedMs = await joinAll([...honest, hostile], NODES, JOINED_WITHIN_MS);
    console.log(`  together after ${(joinedMs / 1_000).toFixed(1)} s`);
    await say(honest, FIRST);
    const filled = await heapOf(honest);
    const [since, before] = [performance.now(), await figuresOf(honest)];
    await say(honest, MESSAGES);
    const [ms, after] = [performance.now() - since, await figuresOf(honest)];
    const later = await heapOf(honest);
    yield ratioOf({
      what: 'delivered : honest nodes, while a tenth is hostile',
      ours: [after.delivered - before.delivered],
      other: [(HONEST - 1) * MESSAGES],
      show: String,
      target: { atLeast: 0.99 },
    });
    yield ratioOf({
      what: 'memory of an honest node : a minute before',
      ours: [later / HONEST],
      other: [filled / HONEST],
      show: (bytes) => `${(bytes / 1_024).toFixed(0)} KiB`,
      target: { atMost: 1.1 },
    });
    yield ratioOf({
      what: 'connections to somebody whom hostile members have named : one',
      ours: [numberOf(await bystander.ask('met'), 'met')],
      other: [1],
      show: String,
      target: { atMost: 0 },
    });
    yield ratioOf({
      what: 'CPU time of an honest node : time, while a tenth is hostile',
      ours: [(after.cpuMs - before.cpuMs) / HONEST],
      other: [ms],
      show: (time) => `${time.toFixed(0)} ms`,
    });
    yield ratioOf({
      what: 'copies of a message a node : one, while a tenth is hostile',
      ours: [(after.received - before.received) / (after.firsts - before.firsts)],
      other: [1],
      show: (copies) => copies.toFixed(2),
    });
  },
};

async function say([first]: readonly Actor[], messages: number): Promise<void> {
  for (let left = messages; left > 0; left--) {
    await first?.ask('say');
    await pause(PAUSE_MS);
  }
  await pause(SETTLE_MS);
}

/** What all processes hold, without garbage, in bytes. */
async function heapOf(actors: readonly Actor[]): Promise<number> {
  const all = await Promise.all(actors.map((actor) => actor.ask('footprint')));
  return all.reduce((sum, values) => sum + numberOf(values, 'heap'), 0);
}

/** Nodes that are hostile from the beginning. */
function hostileOf(kind: string): ReturnType<Role> {
  const nodes = nodesOf(kind);
  return {
    ...nodes,
    make: (values) => {
      turnHostile({
        room: ROOM,
        bystander: { address: textOf(values, 'address'), port: numberOf(values, 'port') },
        invented: textOf(values, 'invented').split(' '),
      });
      return nodes['make']?.(values) ?? {};
    },
  };
}

/** Somebody who has nothing to do with the room, and counts who connects. */
function bystanderOf(): ReturnType<Role> {
  let met = 0;
  const server = createServer((socket) => {
    met++;
    socket.destroy();
  });
  return {
    listen: () =>
      new Promise((resolve) => {
        server.listen(0, BYSTANDER, () => {
          const address = server.address();
          resolve({ port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
        });
      }),
    met: () => ({ met }),
  };
}
