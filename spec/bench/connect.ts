import { numberOf, textOf, type Role, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { cpuTime } from './footprint.js';
import { nodeOf, type BenchNode } from './nodes.js';
import { quantile, ratioOf } from './ratio.js';

/** Not counted: code is compiled while it runs. */
const WARM_UP_CONNECTS = 500;

/** Connects of each kind in a round, one after the other. */
const CONNECTS = 100;

const ROUNDS = 7;

/** From `connect$` to the first line that the other side receives. */
export const connect: Benchmark = {
  name: 'connect',
  about: `from connect$ to the first line received by the other process, against a bare TCP + TLS 1.3 connect with the same certificates; ${ROUNDS} rounds of ${CONNECTS} connects each, one after the other, in turns; the median of each round, and the CPU time of both processes for a connection, its end included`,
  roles: { accepting, dialling },
  measure: async function* (start) {
    const [ours, other] = [await pairOf('rxp2p', start), await pairOf('tls', start)];
    for (const connectOften of [ours, other]) await connectOften(WARM_UP_CONNECTS);
    const rounds: Record<'ours' | 'other', Took[]> = { ours: [], other: [] };
    for (let round = 0; round < ROUNDS; round++) {
      rounds.ours.push(await ours(CONNECTS));
      rounds.other.push(await other(CONNECTS));
    }
    const row = (what: string, figure: keyof Took) => ({
      what,
      ours: rounds.ours.map((took) => took[figure]),
      other: rounds.other.map((took) => took[figure]),
      show: (ms: number) => `${ms.toFixed(2)} ms`,
    });
    yield ratioOf({ ...row('time to connect : TLS 1.3', 'ms'), target: { atMost: 1.25 } });
    yield ratioOf(row('CPU time a connection : TLS 1.3', 'cpu'));
  },
};

/** The median time of a connect, and the mean CPU time, in milliseconds. */
interface Took {
  readonly ms: number;
  readonly cpu: number;
}

/** Two processes of a kind: connects so often. */
async function pairOf(kind: string, start: Start) {
  const [there, here] = [start('accepting', kind), start('dialling', kind)];
  const where = await there.ask('listen');
  const cpu = async () => numberOf(await there.ask('cpu'), 'cpu') + numberOf(await here.ask('cpu'), 'cpu');
  return async (times: number): Promise<Took> => {
    const before = await cpu();
    const ms = numberOf(await here.ask('connect', { ...where, times }), 'ms');
    return { ms, cpu: ((await cpu()) - before) / times };
  };
}

/** Tells when each connection's first line came, on the clock that all processes of a machine share. */
function accepting(kind: string): ReturnType<Role> {
  return {
    listen: async () => ({
      where: await nodeOf(kind).listen((wire) => {
        wire.onLine(() => {
          wire.send(String(process.hrtime.bigint()));
        });
      }),
    }),
    cpu: () => ({ cpu: cpuTime() }),
  };
}

function dialling(kind: string): ReturnType<Role> {
  const node = nodeOf(kind);
  return {
    connect: async (values) => {
      const times: number[] = [];
      while (times.length < numberOf(values, 'times')) times.push(await timeOf(node, textOf(values, 'where')));
      return { ms: quantile(times, 0.5) };
    },
    cpu: () => ({ cpu: cpuTime() }),
  };
}

/** In milliseconds. */
async function timeOf(node: BenchNode, where: string): Promise<number> {
  const begun = process.hrtime.bigint();
  const wire = await node.connect(where);
  wire.send('the first line');
  const arrived = await new Promise<string>((resolve) => {
    wire.onLine(resolve);
  });
  await wire.close();
  return Number(BigInt(arrived) - begun) / 1e6;
}
