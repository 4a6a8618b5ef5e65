import { Run } from './run.js';
import { canRunLab } from './support.js';

/**
 * One run of the lab for the specs of a suite: opened before the first, closed after the last, where this machine can build networks.
 *
 * @returns gives the run, from within a spec.
 */
export function labRun(): () => Run {
  let run: Run | undefined;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(() => run?.close());

  return () => {
    if (run === undefined) throw new Error('The lab is not open: a spec that uses it calls needsLab() first');
    return run;
  };
}
