import { lastValueFrom, toArray } from 'rxjs';
import { Run } from './run.js';
import { sideBySide$ } from './side-by-side.js';
import { canRunLab, needsLab } from './support.js';
import { isTrouble, transfer, TROUBLES } from './transfer.js';

/** They wait more than they work, each in a network of its own. */
const PARALLEL = 3;

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
      const work = async (name: (typeof names)[number]) => ({ name, ...(await transfer(run, name)) });
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
