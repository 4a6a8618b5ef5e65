import { numberOf, textOf, type Role, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { nodeOf, type BenchNode } from './nodes.js';
import { quantile, ratioOf } from './ratio.js';

/** Not counted: code is compiled while it runs. */
const WARM_UP_CONNECTS = 300;

/** Connects of each kind in a round, one after the other, ours and the alternative in turns. */
const CONNECTS = 200;

const ROUNDS = 7;

/** From `connect$` to the first line that the other side receives. */
export const connect: Benchmark = {
  name: 'connect',
  about: `from connect$ to the first line received by the other process, against a bare TCP + TLS 1.3 connect with the same certificates; ${ROUNDS} rounds of ${CONNECTS} connects each, one after the other, in turns; the median of each round`,
  roles: { accepting, dialling },
  measure: async (start) => {
    const where = await start('accepting', '').ask('listen');
    const dialler = start('dialling', '');
    await dialler.ask('connect', { ...where, times: WARM_UP_CONNECTS });
    const rounds: Values[] = [];
    while (rounds.length < ROUNDS) rounds.push(await dialler.ask('connect', { ...where, times: CONNECTS }));
    return [
      ratioOf({
        what: 'time to connect : TLS 1.3',
        ours: rounds.map((round) => numberOf(round, 'rxp2p')),
        other: rounds.map((round) => numberOf(round, 'tls')),
        show: (ms) => `${ms.toFixed(2)} ms`,
        target: { atMost: 2 },
      }),
    ];
  },
};

/** Tells when each connection's first line came, on the clock that all processes of a machine share. */
function accepting(): ReturnType<Role> {
  const listen = (node: BenchNode) =>
    node.listen((wire) => {
      wire.onLine(() => {
        wire.send(String(process.hrtime.bigint()));
      });
    });
  return {
    listen: async () => ({ rxp2p: await listen(nodeOf('rxp2p')), tls: await listen(nodeOf('tls')) }),
  };
}

function dialling(): ReturnType<Role> {
  const [rxp2p, tls] = [nodeOf('rxp2p'), nodeOf('tls')];
  return {
    connect: async (values) => {
      const [ours, others]: [number[], number[]] = [[], []];
      for (let left = numberOf(values, 'times'); left > 0; left--) {
        ours.push(await timeOf(rxp2p, textOf(values, 'rxp2p')));
        others.push(await timeOf(tls, textOf(values, 'tls')));
      }
      return { rxp2p: quantile(ours, 0.5), tls: quantile(others, 0.5) };
    },
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
