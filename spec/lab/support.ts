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

/** For specs that build networks with real delays, on machines that may be busy. */
export const LAB_LIMIT_MS = 120_000;
