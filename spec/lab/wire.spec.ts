import { labRun } from './lab-run.js';
import { type PathConfig, DEFAULT_PATH } from './path.js';
import { addressOf, planPair } from './plan.js';
import { Probe, type Dialled } from './probe-client.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

const PORT = 7001;

/** Long enough that a SYN that came back would have, short enough that the kernel has not sent another. */
const SILENCE_MS = 700;

/** Nothing was lost: a SYN that is sent again goes a second later. On a busy machine the wire itself is late by less than that. */
const LATE_MS = 1_000;

describe('The wire', () => {
  const run = labRun();

  const over = <T>(path: Partial<PathConfig>, use: (topology: Topology) => Promise<T>): Promise<T> =>
    run().with(planPair(['public', 'public']), { ...DEFAULT_PATH, ...path }, use);

  const dial = async (topology: Topology, times: number): Promise<Dialled[]> => {
    const [a, b] = [new Probe(topology, 'a'), new Probe(topology, 'b')];
    await b.listen(PORT);
    const to = { address: addressOf(topology.plan, 'b', 4), port: PORT };
    return Promise.all(Array.from({ length: times }, () => a.dial(0, to, SILENCE_MS)));
  };

  for (const delay of fewOf([0, 5, 50], [5])) {
    it(
      `takes four times ${delay} ms there and back`,
      async () => {
        needsLab();
        const dialled = await over({ delay }, (topology) => dial(topology, 5));
        const fastest = Math.min(...dialled.map((each) => (each.outcome === 'open' ? each.ms : Infinity)));
        expect(fastest).toBeGreaterThanOrEqual(4 * delay);
        expect(fastest).toBeLessThan(4 * delay + LATE_MS);
      },
      LAB_LIMIT_MS,
    );
  }

  it(
    'carries nothing when it loses all',
    async () => {
      needsLab();
      expect(await over({ loss: 1 }, (topology) => dial(topology, 1))).toEqual([{ outcome: 'silent' }]);
    },
    LAB_LIMIT_MS,
  );

  it(
    'loses some when it is to lose some',
    async () => {
      needsLab();
      // A connect needs two packets over two lines each: at 20 % it gets through in 41 of 100 cases.
      const dialled = await over({ loss: 0.2, delay: 1 }, (topology) => dial(topology, 24));
      const outcomes = new Set(dialled.map(({ outcome }) => outcome));
      expect(outcomes).toEqual(new Set<Dialled['outcome']>(['open', 'silent']));
    },
    LAB_LIMIT_MS,
  );

  it(
    'is as slow as its bandwidth',
    async () => {
      needsLab();
      const [seconds, megabit] = [0.5, 4];
      const bytes = (seconds * megabit * 1e6) / 8;
      const took = await over({ bandwidth: megabit, delay: 1 }, async (topology) => {
        const receive = `require('net').createServer((s) => { let n = 0; s.on('data', (d) => { if ((n += d.length) >= ${bytes}) console.log('all', Date.now()); }) }).listen(${PORT}, () => console.log('ready'))`;
        const receiver = topology.run('b', [process.execPath, '-e', receive]);
        await receiver.line((text) => text === 'ready');
        const send = `const s = require('net').connect(${PORT}, '${addressOf(topology.plan, 'b', 4)}', () => { console.log('go', Date.now()); s.write(Buffer.alloc(${bytes})) })`;
        const sender = topology.run('a', [process.execPath, '-e', send]);
        // By the clock of the two programs: this one may be late in reading what they say.
        const timeIn = ({ text }: { readonly text: string }) => Number(text.split(' ')[1]);
        const begun = timeIn(await sender.line((text) => text.startsWith('go')));
        const ended = timeIn(await receiver.line((text) => text.startsWith('all')));
        return (ended - begun) / 1000;
      });
      expect(took).toBeGreaterThan(0.95 * seconds);
      expect(took)
        .withContext('also on a busy machine')
        .toBeLessThan(20 * seconds);
    },
    LAB_LIMIT_MS,
  );
});
