import { from, lastValueFrom, mergeMap } from 'rxjs';

/** Does something for each item, so many at once; resolves when all is done. */
export async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  action: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  await lastValueFrom(from(items).pipe(mergeMap(action, atOnce)), { defaultValue: undefined });
}
