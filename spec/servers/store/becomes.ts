import { filter, firstValueFrom, throwError, timeout } from 'rxjs';
import type { RedisStore } from '../../../servers/store/redis-store.js';
import { GIVEN_UP_MS } from '../../support/until.js';

/** Resolves when a store can be used, or cannot. */
export async function becomes(store: RedisStore, isWritable: boolean): Promise<void> {
  const late = () => throwError(() => new Error(`Expected the store to be ${isWritable ? '' : 'not '}writable`));
  const is$ = store.state$.pipe(filter((state) => state.isWritable === isWritable));
  await firstValueFrom(is$.pipe(timeout({ first: GIVEN_UP_MS, with: late })));
}
