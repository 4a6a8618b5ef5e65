import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Actor } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { ratioOf } from './ratio.js';
import { BYTES, figuresOf, joinAll, nodesOf, serverOf } from './room-nodes.js';

/** Nodes in all. `ROOM_NODES` sets another number. */
const NODES = Number(process.env['ROOM_NODES'] ?? 300);
/** As many leave in the minute as a tenth, in order, or since their process is killed; and as many come. */
const [LEAVING, KILLED] = [Math.ceil(NODES / 20), Math.ceil(NODES / 20)];
/** Nodes in a process that is killed. */
const KILLED_AT_ONCE = 3;
/** Processes of those who stay. */
const PROCESSES = Math.min(6, availableParallelism());
/** One message a second, for a minute. */
const [MESSAGES, PAUSE_MS] = [60, 1_000];
/** The last message is waited for so long, in milliseconds. */
const SETTLE_MS = 5_000;
/** A room that is not whole by then never will be, in milliseconds. */
const JOINED_WITHIN_MS = 110_000;

/** A room whose members come and go, half of them by SIGKILL. */
export const roomsChurn: Benchmark = {
  name: 'rooms-churn',
  about: `a room of ${NODES} nodes found by one rendezvous server; in a minute ${LEAVING} leave, ${KILLED} are killed (SIGKILL, ${KILLED_AT_ONCE} at a time) and as many come, while one says ${MESSAGES} messages of ${BYTES} bytes: what reaches those who stay`,
  roles: { server: serverOf, nodes: nodesOf },
  measure: async function* (start) {
    const { where = '' } = await start('server', 'room').ask('listen');
    let made = 0;
    const make = async (count: number) => {
      const actor = start('nodes', 'room');
      await actor.ask('make', { where, first: made, count });
      made += count;
      return actor;
    };
    const stayingCount = NODES - LEAVING - KILLED;
    const staying = await inTurn(PROCESSES, (index) =>
      make(Math.floor((stayingCount * (index + 1)) / PROCESSES) - Math.floor((stayingCount * index) / PROCESSES)),
    );
    const killed = await inTurn(Math.ceil(KILLED / KILLED_AT_ONCE), (index) =>
      make(Math.min(KILLED_AT_ONCE, KILLED - index * KILLED_AT_ONCE)),
    );
    const leaving = await make(LEAVING);
    const first = [...staying, ...killed, leaving];
    await joinAll(first, NODES, JOINED_WITHIN_MS);
    const coming = await make(LEAVING + KILLED);
    const before = await figuresOf(staying);
    const changes = spread([
      [LEAVING, () => leaving.ask('leaveOne')],
      [killed.length, (index) => killed[index]?.kill()],
      [LEAVING + KILLED, () => coming.ask('joinOne')],
    ]);
    for (let message = 0; message < MESSAGES; message++) {
      await staying[0]?.ask('say');
      for (const change of changes[message] ?? []) await change();
      await pause(PAUSE_MS);
    }
    await pause(SETTLE_MS);
    const after = await figuresOf(staying);
    yield ratioOf({
      what: 'delivered : nodes that stay, while a tenth comes and goes',
      ours: [after.delivered - before.delivered],
      other: [(stayingCount - 1) * MESSAGES],
      show: String,
      target: { atLeast: 0.999 },
    });
    yield ratioOf({
      what: 'copies of a message a node : one, while a tenth comes and goes',
      ours: [(after.received - before.received) / (after.firsts - before.firsts)],
      other: [1],
      show: (copies) => copies.toFixed(2),
    });
  },
};

/** One after the other: each is a process that starts. */
async function inTurn(count: number, make: (index: number) => Promise<Actor>): Promise<readonly Actor[]> {
  const actors: Actor[] = [];
  for (let index = 0; index < count; index++) actors.push(await make(index));
  return actors;
}

type Change = () => unknown;

/** What happens at each message: everything so often, evenly over all of them. */
function spread(
  all: readonly (readonly [times: number, change: (index: number) => unknown])[],
): readonly (readonly Change[])[] {
  const changes = Array.from({ length: MESSAGES }, (): Change[] => []);
  for (const [times, change] of all)
    for (let index = 0; index < times; index++)
      changes[Math.floor(((index + 0.5) * MESSAGES) / times)]?.push(() => change(index));
  return changes;
}
