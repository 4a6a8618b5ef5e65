import { lastValueFrom, toArray } from 'rxjs';
import { Run } from './run.js';
import { sideBySide$ } from './side-by-side.js';
import { canRunLab, needsLab } from './support.js';
import { isTrouble, transfer, TROUBLES, type Load } from './transfer.js';

/** Less than `npm run lab -- transfer` carries: where a program of the lab's is the wire, it takes all its time to carry that. */
const LOAD: Load = { bytes: 4_000_000, bandwidth: 8 };

/** They wait more than they work, each in a network of its own. */
const PARALLEL = 6;

/** Dead links are found dead after pauses that suit users and not a spec. */
const TRANSFERS_LIMIT_MS = 600_000;

describe('A large transfer by `rxp2p connect`', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  it(
    'arrives byte for byte when a cable, an address, a router or the servers fail in the middle, and come back',
    async () => {
      needsLab();
      const names = Object.keys(TROUBLES).filter(isTrouble);
      const work = async (name: (typeof names)[number]) => ({ name, ...(await transfer(run, name, LOAD)) });
      const transfers = await lastValueFrom(
        sideBySide$(names, { parallel: PARALLEL, needs: () => [], work }).pipe(toArray()),
      );
      expect(transfers.length).toBe(names.length);
      for (const { name, ok, end, story } of transfers) {
        expect(ok).withContext(`${name} (${TROUBLES[name].about}): ${end}\n${story}`).toBeTrue();
      }
    },
    TRANSFERS_LIMIT_MS,
  );
});
