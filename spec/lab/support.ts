/** For specs that build real networks. */
import { missingPrerequisites } from './prerequisites.js';

export const canRunLab = (): boolean => missingPrerequisites().length === 0;

/** Says aloud why a spec can't run here; where everything is required, that is a failure. */
export const needsLab = (): void => {
  const missing = missingPrerequisites();
  if (missing.length === 0) return;
  const why = `the NAT lab needs ${missing.join('; ')}`;
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
};

/** Whether what a few networks show is shown in all: in CI. Elsewhere these few stand for the others, so that all the specs end within minutes. */
const IS_FULL = process.env['RXP2P_LAB'] === 'full';

/** What a spec goes through: all where everything is shown, otherwise those that stand for all. */
export const fewOf = <const T>(all: readonly T[], few: readonly T[]): readonly T[] => (IS_FULL ? all : few);

/** For specs that build networks with real delays, on machines that may be busy. */
export const LAB_LIMIT_MS = 120_000;
