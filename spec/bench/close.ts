import { setTimeout as pause } from 'node:timers/promises';
import { numberOf, textOf, type Role, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { nodeOf, type Wire } from './nodes.js';
import { inParallel } from './parallel.js';
import { quantile, ratioOf } from './ratio.js';

/** Connections that are closed in a round, one after the other. */
const CONNECTIONS = 40;

/** After this time nothing is under way any more, not even what is said late, such as acknowledgements. */
const IDLE_MS = 600;

const ROUNDS = 7;

/** Not counted: code is compiled while it runs. */
const WARM_UP_ROUNDS = 2;

/** How long it takes to end a connection in order. */
export const close: Benchmark = {
  name: 'close',
  about: `from close() of a connection that has been idle for ${IDLE_MS} ms to closed$, against end() and the close of a bare TLS 1.3 socket, and against a line there and back over the same connection before; ${ROUNDS} rounds of ${CONNECTIONS} connections between two processes each; the median of each round`,
  roles: { accepting, closing },
  measure: async function* (start) {
    const [ours, other] = [await pairOf('rxp2p', start), await pairOf('tls', start)];
    for (let round = 0; round < WARM_UP_ROUNDS; round++) for (const closeAll of [ours, other]) await closeAll();
    const rounds = [];
    while (rounds.length < ROUNDS) rounds.push({ ours: await ours(), other: await other() });
    const took = rounds.map((round) => round.ours.close);
    const show = (ms: number) => `${ms.toFixed(2)} ms`;
    yield ratioOf({
      what: 'time to close : TLS 1.3',
      ours: took,
      other: rounds.map((round) => round.other.close),
      show,
    });
    yield ratioOf({
      what: 'time to close : a line there and back',
      ours: took,
      other: rounds.map((round) => round.ours.roundTrip),
      show,
    });
  },
};

/** Two processes of a kind; resolves to what closes a round of connections between them, and how long one took. */
async function pairOf(kind: string, start: Start) {
  const [there, here] = [start('accepting', kind), start('closing', kind)];
  const where = await there.ask('listen');
  return async () => {
    await here.ask('connect', where);
    await pause(IDLE_MS);
    const roundTrip = numberOf(await here.ask('echo'), 'ms');
    await pause(IDLE_MS);
    return { roundTrip, close: numberOf(await here.ask('close'), 'ms') };
  };
}

function accepting(kind: string): ReturnType<Role> {
  return {
    listen: async () => ({
      where: await nodeOf(kind).listen((wire) => {
        wire.onLine((text) => {
          wire.send(text);
        });
      }),
    }),
  };
}

function closing(kind: string): ReturnType<Role> {
  let wires: Wire[] = [];
  let onEcho: (() => void) | undefined;
  return {
    connect: async (values) => {
      wires = [];
      const nodes = Array.from({ length: CONNECTIONS }, () => nodeOf(kind));
      await inParallel(nodes, 1, async (node) => {
        const wire = await node.connect(textOf(values, 'where'));
        wire.onLine(() => onEcho?.());
        wires.push(wire);
      });
      return {};
    },
    echo: () =>
      medianOf(
        wires,
        (wire) =>
          new Promise<void>((resolve) => {
            onEcho = resolve;
            wire.send('a line there and back');
          }),
      ),
    close: () => medianOf(wires, (wire) => wire.close()),
  };
}

/** Does something with each connection, one after the other; resolves to the median time, in milliseconds. */
async function medianOf(wires: readonly Wire[], action: (wire: Wire) => Promise<void>) {
  const times: number[] = [];
  for (const wire of wires) {
    const begun = performance.now();
    await action(wire);
    times.push(performance.now() - begun);
  }
  return { ms: quantile(times, 0.5) };
}
