import { Observable } from 'rxjs';
import type { Store, Table } from './store.js';

/** What a memory store needs. */
export interface MemoryStoreConfig {
  /** Entries in each table at most. */
  readonly maxEntries: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

interface Entry {
  readonly value: string;
  readonly expires: number;
}

/**
 * A store in this process's memory, the default. What has expired is never returned, and is swept out when a table is
 * full.
 *
 * @example
 * const store = memoryStore({ maxEntries: 10_000, now: Date.now, random: Math.random });
 */
export function memoryStore({ maxEntries, now, random }: MemoryStoreConfig): Store {
  const tables = new Map<Table, Map<string, Entry>>();
  const channels = new Map<string, Set<(message: string) => void>>();

  const tableOf = (name: Table) => {
    const table = tables.get(name) ?? new Map<string, Entry>();
    tables.set(name, table);
    return table;
  };
  const isLive = (entry: Entry | undefined): entry is Entry => entry !== undefined && entry.expires > now();
  const sweep = (table: Map<string, Entry>) => {
    for (const [key, entry] of table) if (!isLive(entry)) table.delete(key);
  };

  return {
    put(name, key, value, ttlMs) {
      const table = tableOf(name);
      if (table.size >= maxEntries && !table.has(key)) sweep(table);
      if (table.size >= maxEntries && !table.has(key)) return Promise.resolve(false);
      table.set(key, { value, expires: now() + ttlMs });
      return Promise.resolve(true);
    },
    get(name, key) {
      const entry = tableOf(name).get(key);
      return Promise.resolve(isLive(entry) ? entry.value : undefined);
    },
    delete(name, key) {
      tableOf(name).delete(key);
      return Promise.resolve();
    },
    sample(name, count) {
      const keys = [...tableOf(name).keys()];
      const chosen: [string, string][] = [];
      // Fisher–Yates, as far as it is needed.
      for (let left = keys.length; left > 0 && chosen.length < count; left--) {
        const index = Math.floor(random() * left);
        const key = keys[index] ?? '';
        keys[index] = keys[left - 1] ?? '';
        const entry = tableOf(name).get(key);
        if (isLive(entry)) chosen.push([key, entry.value]);
      }
      return Promise.resolve(chosen);
    },
    list(name, prefix) {
      const entries = [...tableOf(name)].filter(([key, entry]) => key.startsWith(prefix) && isLive(entry));
      return Promise.resolve(entries.map(([key, { value }]) => [key, value] as const));
    },
    publish(channel, message) {
      const listeners = [...(channels.get(channel) ?? [])];
      for (const listener of listeners) listener(message);
      return Promise.resolve(listeners.length);
    },
    messages$: (channel) =>
      new Observable((subscriber) => {
        const listener = (message: string) => {
          subscriber.next(message);
        };
        const listeners = channels.get(channel) ?? new Set();
        channels.set(channel, listeners.add(listener));
        return () => {
          listeners.delete(listener);
          if (listeners.size === 0) channels.delete(channel);
        };
      }),
  };
}
