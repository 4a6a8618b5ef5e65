import { lastValueFrom, take, toArray } from 'rxjs';
import { sideBySide$ } from './side-by-side.js';

describe('Work side by side', () => {
  /** Items end when they are told to. */
  const start = (items: readonly string[], parallel: number) => {
    const running = new Map<string, (failure?: Error) => void>();
    const work = (item: string) =>
      new Promise<string>((resolve, reject) => {
        running.set(item, (failure) => {
          running.delete(item);
          if (failure === undefined) resolve(item);
          else reject(failure);
        });
      });
    const results$ = sideBySide$(items, { parallel, needs: (item) => item.split('-'), work });
    const end = async (item: string, failure?: Error) => {
      running.get(item)?.(failure);
      await Promise.resolve(); // for the work's own reaction to its end
    };
    return { results$, end, running: () => [...running.keys()] };
  };

  it('is never on two items that need the same, and skips none', async () => {
    const { results$, end, running } = start(['a-x', 'a-y', 'b-x', 'b-y'], 4);
    const results = lastValueFrom(results$.pipe(toArray()));
    expect(running()).toEqual(['a-x', 'b-y']);
    await end('b-y');
    expect(running()).withContext('a and x are in use').toEqual(['a-x']);
    await end('a-x');
    expect(running()).toEqual(['a-y', 'b-x']);
    await end('a-y');
    await end('b-x');
    expect(await results).toEqual(['b-y', 'a-x', 'a-y', 'b-x']);
  });

  it('is on no more items than asked for', async () => {
    const { results$, end, running } = start(['a', 'b', 'c'], 2);
    const results = lastValueFrom(results$.pipe(toArray()));
    expect(running()).toEqual(['a', 'b']);
    await end('a');
    expect(running()).toEqual(['b', 'c']);
    await end('b');
    await end('c');
    expect(await results).toEqual(['a', 'b', 'c']);
  });

  it('is the same item twice, one after the other', async () => {
    const { results$, end, running } = start(['a', 'a'], 2);
    const results = lastValueFrom(results$.pipe(toArray()));
    expect(running()).toEqual(['a']);
    await end('a');
    await end('a');
    expect(await results).toEqual(['a', 'a']);
  });

  it('ends with nothing to do', async () => {
    expect(await lastValueFrom(start([], 2).results$.pipe(toArray()))).toEqual([]);
  });

  it('ends with the first failure', async () => {
    const { results$, end } = start(['a', 'b'], 1);
    const results = lastValueFrom(results$);
    await end('a', new Error('no'));
    await expectAsync(results).toBeRejectedWithError('no');
  });

  it('begins nothing more when nobody listens any longer', async () => {
    const { results$, end, running } = start(['a', 'b'], 1);
    const first = lastValueFrom(results$.pipe(take(1)));
    await end('a');
    expect(await first).toBe('a');
    expect(running()).toEqual([]);
  });
});
