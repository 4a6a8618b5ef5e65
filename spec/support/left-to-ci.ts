/**
 * For specs that take seconds of CPU time to show in whole programs, or a hundred times over, what shorter ones show in part: CI runs
 * them. Without them `npm cit` ends within four minutes on two cores.
 */
export function leftToCi(): void {
  if (!isEverythingRun) notApplicable('they take long; `RXP2P_REQUIRE_ALL=1 npm test` runs them, as CI does');
}

/** Whether no spec may be left out, as in CI. */
const isEverythingRun = process.env['RXP2P_REQUIRE_ALL'] === '1';

/** How often something random is tried: in CI as often as it takes, elsewhere often enough to find what is plainly wrong. */
export const timesOf = (inCi: number, elsewhere: number): number => (isEverythingRun ? inCi : elsewhere);
