import { setTimeout as pause } from 'node:timers/promises';

/** Less than the time that specs of servers have, in milliseconds, so that what did not come is named. */
export const GIVEN_UP_MS = 30_000;

/**
 * Resolves when something holds that no event tells of.
 *
 * @param what in words, for the error that names it when it does not come.
 */
export async function until(holds: () => boolean | Promise<boolean>, what = String(holds)): Promise<void> {
  const givenUpAt = performance.now() + GIVEN_UP_MS;
  while (!(await holds())) {
    if (performance.now() > givenUpAt) throw new Error(`Expected within ${GIVEN_UP_MS} ms: ${what}`);
    await pause(5);
  }
}
