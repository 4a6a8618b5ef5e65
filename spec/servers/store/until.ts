import { filter, firstValueFrom } from 'rxjs';
import type { RedisStore } from '../../../servers/store/redis-store.js';

/** Resolves when a store can be used, or cannot. */
export async function becomes(store: RedisStore, isWritable: boolean): Promise<void> {
  await firstValueFrom(store.state$.pipe(filter((state) => state.isWritable === isWritable)));
}

/** Resolves when something holds that no event tells of. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
