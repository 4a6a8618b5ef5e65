import { numberOf, textOf, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { footprint, perOne } from './footprint.js';
import { nodeOf, type Wire } from './nodes.js';
import { ratioOf } from './ratio.js';
import { inParallel } from './parallel.js';

const CONNECTIONS = 1_200;

/** Opened and closed before the first measurement, so that code and tables are there already. */
const WARM_UP_CONNECTIONS = 50;

/** Below the 64 handshakes that our listener takes at once from one address. */
const AT_ONCE = 16;

/** Memory hardly differs from round to round. */
const ROUNDS = 3;

/** What an open connection that idles costs the process that holds it, be it the side that accepted or that dialled. */
export const memory: Benchmark = {
  name: 'memory',
  about: `what one process grows by for each of ${CONNECTIONS} open connections to as many nodes in another process, idle after a line each way, after garbage collection and with what is free given back, against bare TLS 1.3 sockets; ${ROUNDS} rounds`,
  roles: { holder: holderOf, crowd: crowdOf },
  measure: async function* (start) {
    for (const side of ['accepting', 'dialling'] as const) {
      const [ours, other]: [Values[], Values[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await growth('rxp2p', side, start));
        other.push(await growth('tls', side, start));
      }
      for (const [figure, words] of [
        ['rss', 'resident set'],
        ['heap', 'heap + external'],
      ] as const) {
        yield ratioOf({
          what: `${words} a connection, ${side} : TLS 1.3`,
          ours: ours.map((values) => numberOf(values, figure)),
          other: other.map((values) => numberOf(values, figure)),
          show: (bytes) => `${(bytes / 1024).toFixed(1)} KiB`,
          ...(side === 'accepting' && figure === 'rss' && { target: { atMost: 1.3 } }),
        });
      }
    }
  },
};

async function growth(kind: string, side: 'accepting' | 'dialling', start: Start): Promise<Values> {
  const [holder, crowd] = [start('holder', kind), start('crowd', kind)];
  const [listener, dialler] = side === 'accepting' ? [holder, crowd] : [crowd, holder];
  const connect = async (count: number) => {
    await dialler.ask('connect', await listener.ask('listen', { count }));
  };
  await connect(WARM_UP_CONNECTIONS);
  await crowd.ask('close');
  const before = await holder.ask('measure');
  await connect(CONNECTIONS);
  const after = await holder.ask('measure');
  await Promise.all([holder.end(), crowd.end()]);
  return perOne(before, after, CONNECTIONS);
}

/** A line each way before it idles: a socket that never carried anything has no buffers yet, and is no use either. */
function greet(wire: Wire): Wire {
  wire.idle();
  wire.send('hello');
  return wire;
}

/** One node with many connections: the one that is measured. */
function holderOf(kind: string): ReturnType<Role> {
  const node = nodeOf(kind);
  const held = new Set<Wire>();
  const hold = (wire: Wire) => {
    held.add(greet(wire));
  };
  let where: Promise<string> | undefined;
  return {
    listen: async ({ count }) => {
      where ??= node.listen(hold);
      return {
        where: Array<string>(Number(count))
          .fill(await where)
          .join(' '),
      };
    },
    connect: async (values) => {
      await inParallel(textOf(values, 'where').split(' '), AT_ONCE, async (one) => {
        hold(await node.connect(one));
      });
      return {};
    },
    measure: async () => ({ ...(await footprint()), held: held.size }),
  };
}

/** As many nodes as connections, each with a key of its own. */
function crowdOf(kind: string): ReturnType<Role> {
  const held = new Set<Wire>();
  const hold = (wire: Wire) => {
    held.add(greet(wire));
  };
  return {
    listen: async ({ count }) => {
      const nodes = Array.from({ length: Number(count) }, () => nodeOf(kind));
      const where = await Promise.all(nodes.map((node) => node.listen(hold)));
      return { where: where.join(' ') };
    },
    connect: async (values) => {
      await inParallel(textOf(values, 'where').split(' '), AT_ONCE, async (one) => {
        hold(await nodeOf(kind).connect(one));
      });
      return {};
    },
    close: async () => {
      await Promise.all([...held].map((wire) => wire.close()));
      return {};
    },
  };
}
