import { labRun } from './lab-run.js';
import { NETWORKS, SHARED_NETWORKS } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planShared } from './plan.js';
import { Probe } from './probe-client.js';
import { LAB_LIMIT_MS, needsLab } from './support.js';

const [PORT, OTHER_PORT, HOST_PORT] = [7001, 7002, 40000];

/** Long enough that a SYN that came back would have, short enough that the kernel has not sent another. */
const SILENCE_MS = 700;

describe('A router that lets anyone use a mapping', () => {
  const run = labRun();

  it(
    'leads an external port to the host that it was last mapped for',
    async () => {
      needsLab();
      const [router] = NETWORKS.fullcone.routers;
      await run().with(planShared({ ...SHARED_NETWORKS['same-lan'], router }), DEFAULT_PATH, async (topology) => {
        const [a, b] = [new Probe(topology, 'a'), new Probe(topology, 'b')];
        const [s1, s2] = [new Probe(topology, 's1'), new Probe(topology, 's2')];
        await Promise.all([s1.listen(PORT), s2.listen(PORT)]);
        const at = (server: 's1' | 's2') => ({ address: addressOf(topology.plan, server, 4), port: PORT });

        // Towards different servers both may have the same external port.
        const first = await a.dial(HOST_PORT, at('s1'), SILENCE_MS);
        const second = await b.dial(HOST_PORT, at('s2'), SILENCE_MS);
        expect(first.outcome).toBe('open');
        expect(second).toEqual(jasmine.objectContaining({ outcome: 'open' }));
        if (first.outcome !== 'open' || second.outcome !== 'open') return;
        expect(second.seen).toEqual(first.seen);

        await b.listen(HOST_PORT);
        expect((await s1.dial(0, second.seen, SILENCE_MS)).outcome).toBe('open');
        // Once more by the first host, whose port refuses: it does not listen.
        await a.dial(HOST_PORT, { ...at('s1'), port: OTHER_PORT }, SILENCE_MS);
        expect((await s2.dial(0, second.seen, SILENCE_MS)).outcome).toBe('reset');
      });
    },
    LAB_LIMIT_MS,
  );
});
