import { carryFiles, FILES_LOAD } from './files.js';
import { labRun } from './lab-run.js';
import { needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

/** Dead links are noticed, and direct paths tried again, after pauses that suit users and not a spec. */
const LIMIT_MS = 400_000;

describe('A folder that is sent between two NATs', () => {
  const run = labRun();

  it(
    'arrives whole while its path moves, the cable is out, and the receiver and then the sender are killed',
    async () => {
      leftToCi();
      needsLab();
      const { ok, story } = await carryFiles(run(), FILES_LOAD);
      expect(ok).withContext(story).toBeTrue();
    },
    LIMIT_MS,
  );
});
