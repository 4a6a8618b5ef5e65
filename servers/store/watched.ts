import { unwatched, type StoreRequest, type Watch } from '../watch.js';
import type { Soon, Store } from './store.js';

/**
 * A store that tells how long its answers take, and of those that fail. What it gives at once is not told of.
 *
 * @param now the time, in milliseconds.
 */
export function watchedStore(store: Store, watch: Watch, now: () => number): Store {
  if (watch === unwatched) return store;
  const later = async <T>(request: StoreRequest, answer: Promise<T>): Promise<T> => {
    const since = now();
    try {
      return await answer;
    } catch (error) {
      watch.count('storeFailures', request);
      throw error;
    } finally {
      watch.took(`store ${request}`, now() - since);
    }
  };
  const timed = <T>(request: StoreRequest, answer: Soon<T>): Soon<T> =>
    answer instanceof Promise ? later(request, answer) : answer;
  return {
    put: (...args) => timed('put', store.put(...args)),
    get: (...args) => timed('get', store.get(...args)),
    delete: (...args) => timed('delete', store.delete(...args)),
    sample: (...args) => timed('sample', store.sample(...args)),
    list: (...args) => timed('list', store.list(...args)),
    publish: (...args) => timed('publish', store.publish(...args)),
    listen: (...args) => store.listen(...args),
    leave: (...args) => {
      store.leave(...args);
    },
  };
}
