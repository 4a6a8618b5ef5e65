import { writeFileSync } from 'node:fs';
import { lastValueFrom, toArray } from 'rxjs';
import { temporaryFolder } from '../support/folder.js';
import { matrix$, raisePriority, type MatrixConfig } from './matrix.js';
import type { PairResult } from './measurement.js';
import { NETWORKS } from './networks.js';
import { DEFAULT_PATH, roundTripTime } from './path.js';
import { planNetwork, type Pair } from './plan.js';
import { Run } from './run.js';
import { RXP2P } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';

const DIALLED = { technique: 'direct', direct: true };

describe('The matrix', () => {
  const file = temporaryFolder();
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  const measure = (pairs: readonly Pair[], config: Partial<MatrixConfig> = {}): Promise<PairResult[]> => {
    const defaults = { path: DEFAULT_PATH, repeat: 1, parallel: 2, timeout: 10, settle: 3, rxp2p: RXP2P };
    return lastValueFrom(matrix$(run, { ...defaults, ...config, pairs }).pipe(toArray()), { defaultValue: [] });
  };

  it(
    'connects to a public host by dialing it, and takes the time that the path takes',
    async () => {
      needsLab();
      const pairs: Pair[] = [['public', 'public'], ['random', 'public'], ['ipv6-firewall', 'public']]; // prettier-ignore
      for (const { pair, trials } of await measure(pairs, { repeat: 2 })) {
        expect(trials.length).toBe(2);
        for (const trial of trials) {
          expect(trial)
            .withContext(pair.join(' → '))
            .toEqual(jasmine.objectContaining({ ok: true, first: DIALLED, last: DIALLED, movedMs: null }));
          // A TCP handshake and a line: nothing can be faster.
          if (trial.ok) expect(trial.ms).toBeGreaterThan(1.5 * roundTripTime(DEFAULT_PATH));
          if (trial.ok) expect(trial.ms).toBeLessThan(20 * roundTripTime(DEFAULT_PATH));
        }
      }
    },
    LAB_LIMIT_MS,
  );

  it(
    'reports a trial that could not begin as failed, with the reason',
    async () => {
      needsLab();
      const rxp2p = file('rxp2p.mjs');
      const speechless = `if (process.argv[2] === 'listen') throw new Error('no words'); else await import('${RXP2P}');`;
      writeFileSync(rxp2p, speechless);
      const [result] = await measure([['public', 'public']], { rxp2p });
      const [trial] = result?.trials ?? [];
      expect(trial?.ok).toBeFalse();
      expect(trial?.ok === false && trial.reason).toMatch(/the trial could not begin: .*no words/s);
    },
    LAB_LIMIT_MS,
  );

  it(
    'does not mind a dialer that ends as soon as its time begins',
    async () => {
      needsLab();
      await run.with(planNetwork(NETWORKS.public), DEFAULT_PATH, async (topology) => {
        const dialer = topology.run('a', ['sh', '-c', `echo '{"event":"connecting"}' >&2`]);
        await dialer.exited;
        await expectAsync(raisePriority(dialer)).toBeResolved();
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    'fails when its servers do not start',
    async () => {
      needsLab();
      await expectAsync(measure([['public', 'public']], { rxp2p: '/nowhere/rxp2p.js' })).toBeRejectedWithError(
        /Cannot find module '\/nowhere\/rxp2p\.js'/,
      );
    },
    LAB_LIMIT_MS,
  );
});
