import { filter, firstValueFrom, throwError, timeout } from 'rxjs';
import type { RedisStore } from '../../../servers/store/redis-store.js';
import { REDIS_LIMIT_MS } from '../../support/redis.js';

/** Before a spec is over, so that what did not come is named. */
const GIVEN_UP_MS = REDIS_LIMIT_MS / 2;

/** Resolves when a store can be used, or cannot. */
export async function becomes(store: RedisStore, isWritable: boolean): Promise<void> {
  const late = () => throwError(() => new Error(`Expected the store to be ${isWritable ? '' : 'not '}writable`));
  const is$ = store.state$.pipe(filter((state) => state.isWritable === isWritable));
  await firstValueFrom(is$.pipe(timeout({ first: GIVEN_UP_MS, with: late })));
}

/** Resolves when something holds that no event tells of. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const givenUpAt = performance.now() + GIVEN_UP_MS;
  while (!(await holds())) {
    if (performance.now() > givenUpAt) throw new Error(`Expected this to hold sooner: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
