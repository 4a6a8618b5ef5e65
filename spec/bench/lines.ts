import { numberOf, textOf, type Role, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { nodeOf, type Kind, type Wire } from './nodes.js';
import { ratioOf } from './ratio.js';

/** 99 characters, and the newline makes 100 bytes. */
const LINE_LENGTH = 99;

/** Different lines, so that nothing can be remembered of a line from the last time. */
const LINES = Array.from({ length: 1_000 }, (_, index) => String(index).padStart(LINE_LENGTH, 'line '));

/** Code is compiled while it runs: what comes in before this is not counted. */
const WARM_UP_MS = 1_000;

const COUNT_MS = 1_500;

const ROUNDS = 5;

const KINDS = ['rxp2p', 'tls', 'wideTls', 'readyTls', 'plain'] as const;

/** 100-byte lines over one connection, from one process to another, one `send` each, received one by one. */
export const lines: Benchmark = {
  name: 'lines',
  about: `100-byte lines over one connection between two processes, one send each, received one by one; the others with split2 and one write a line; counted by the receiver for ${COUNT_MS} ms after ${WARM_UP_MS} ms of warming up; ${ROUNDS} rounds`,
  roles: { receiver, writer },
  measure: async (start) => {
    const rates: Record<Kind, number[]> = { rxp2p: [], tls: [], wideTls: [], readyTls: [], plain: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of KINDS) rates[kind].push(await rateOf(kind, start));
    }
    const show = (rate: number) => `${(rate / 1e6).toFixed(2)} M/s`;
    const ours = rates.rxp2p;
    const target = { atLeast: 1 };
    return [
      ratioOf({ what: 'lines a second : TLS 1.3', ours, other: rates.tls, show, target }),
      ratioOf({ what: 'lines a second : TLS 1.3, 256 KiB buffer', ours, other: rates.wideTls, show, target }),
      ratioOf({ what: 'lines a second : the same, ready-made Buffers', ours, other: rates.readyTls, show }),
      ratioOf({ what: 'lines a second : plain socket', ours, other: rates.plain, show }),
    ];
  },
};

async function rateOf(kind: Kind, start: Start): Promise<number> {
  const [to, from] = [start('receiver', kind), start('writer', kind)];
  await from.ask('write', await to.ask('listen'));
  const rate = numberOf(await to.ask('count'), 'rate');
  await Promise.all([from.end(), to.end()]);
  return rate;
}

function receiver(kind: string): ReturnType<Role> {
  let received = 0;
  const count = ({ length }: string) => {
    if (length !== LINE_LENGTH) throw new Error(`Expected a line of ${LINE_LENGTH} characters, got ${length}`);
    received++;
  };
  return {
    listen: async () => {
      const where = await nodeOf(kind).listen((wire) => {
        wire.onLine(count);
      });
      return { where };
    },
    count: async () => {
      await pause(WARM_UP_MS);
      const [lines, start] = [received, performance.now()];
      await pause(COUNT_MS);
      return { rate: ((received - lines) / (performance.now() - start)) * 1000 };
    },
  };
}

function writer(kind: string): ReturnType<Role> {
  return {
    write: async (values) => {
      const wire = await nodeOf(kind).connect(textOf(values, 'where'));
      wire.onDrain(() => {
        fill(wire);
      });
      // The answer goes first.
      setImmediate(fill, wire);
      return {};
    },
  };
}

/** Writes until it is told to wait. */
function fill(wire: Wire): void {
  for (;;) for (const line of LINES) if (!wire.send(line)) return;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
