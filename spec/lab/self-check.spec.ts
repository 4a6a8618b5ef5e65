import { lastValueFrom, toArray } from 'rxjs';
import { ALL_NETWORKS } from './arguments.js';
import { NETWORKS, SHARED_NETWORKS } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { planNetwork, planPair } from './plan.js';
import { Run } from './run.js';
import { check$, checkNetwork, checkShared, type Finding, type Report } from './self-check.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';

/** Each check mostly waits for packets that never come, so many fit side by side. */
const PARALLEL = 6;

const wrong = (findings: readonly Finding[]): string[] => findings.filter(({ ok }) => !ok).map(({ what }) => what);

describe('The lab’s self-check', () => {
  let run: Run;
  let reports: readonly Report[];

  beforeAll(async () => {
    if (!canRunLab()) return;
    run = await Run.open();
    reports = await lastValueFrom(check$(run, ALL_NETWORKS, PARALLEL).pipe(toArray()), { defaultValue: [] });
  }, LAB_LIMIT_MS);

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  for (const name of ALL_NETWORKS) {
    it(`finds that ${name} is what it says`, () => {
      needsLab();
      const findings = reports.find(({ network }) => network === name)?.findings ?? [];
      expect(findings.length).toBeGreaterThan(0);
      for (const { what, expected, seen, ok } of findings) {
        expect(ok).withContext(`${what}: expected ${expected}, saw ${seen}`).toBeTrue();
      }
    });
  }

  it(
    'finds out a network that is not what it says',
    async () => {
      needsLab();
      const [asPreserving, asUpnp, asHairpin] = await Promise.all([
        run.with(planNetwork('random'), DEFAULT_PATH, (topology) => checkNetwork(topology, NETWORKS.preserving)),
        run.with(planNetwork('upnp-off'), DEFAULT_PATH, (topology) => checkNetwork(topology, NETWORKS['upnp-igd2'])),
        run.with(planPair(['same-cgnat']), DEFAULT_PATH, (topology) => checkShared(topology, SHARED_NETWORKS.hairpin)),
      ]);
      expect(wrong(asPreserving)).toEqual(['IPv4 mapping', 'IPv4 ports']);
      expect(wrong(asUpnp)).toEqual(['upnp', 'nat-pmp', 'pcp']);
      expect(wrong(asHairpin)).toEqual(['SYN to the external endpoint of the other']);
    },
    LAB_LIMIT_MS,
  );
});
