import { Admission } from '../../lib/bounds/admission.js';
import { ByAge } from '../../lib/bounds/by-age.js';
import { Channels } from './channels.js';
import { Sampled } from './sampled.js';
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

/**
 * A store in this process's memory, the default. No request costs more than what it returns, however full the tables are;
 * what has expired is never returned, and is forgotten once.
 *
 * @param config how much it keeps, and its time and chance.
 *
 * @example
 * const store = memoryStore({ maxEntries: 10_000, now: Date.now, random: Math.random });
 */
export function memoryStore(config: MemoryStoreConfig): Store {
  const tables = new Map<Table, MemoryTable>();
  const channels = new Channels();

  const tableOf = (name: Table) => {
    const table = tables.get(name) ?? new MemoryTable(config);
    tables.set(name, table);
    return table;
  };

  return {
    put: (name, key, value, ttlMs, site) => tableOf(name).put(key, value, ttlMs, site),
    get: (name, key) => tableOf(name).get(key),
    delete: (name, key) => {
      tableOf(name).delete(key);
    },
    sample: (name, count, group) => tableOf(name).sample(count, group),
    list: (name, group) => tableOf(name).list(group),
    publish: (channel, message) => channels.publish(channel, message),
    listen: (channel, listener) => {
      channels.listen(channel, listener);
    },
    leave: (channel, listener) => {
      channels.leave(channel, listener);
    },
  };
}

interface Entry {
  readonly value: string;
  /** The site that it is counted by. */
  readonly site: string;
  /** For how long it was to be kept, in milliseconds. */
  readonly ttlMs: number;
  readonly expires: number;
}

/** The keys of a group. Only some groups are sampled: what that takes is kept from the first time on. */
interface Group {
  readonly keys: Set<string>;
  sampled?: Sampled<string>;
}

class MemoryTable {
  readonly #entries = new Map<string, Entry>();
  readonly #keys: Sampled<string>;
  readonly #groups = new Map<string, Group>();
  /** Expiry times, grouped by lifetime: within a group, what was put first expires first. */
  readonly #expiries = new Map<number, ByAge<string, number>>();
  /** The keys, by the sites whose entries they are. */
  readonly #room: Admission<string>;
  /** Nothing expires before. */
  #nextExpiry = Infinity;

  constructor(readonly config: MemoryStoreConfig) {
    this.#keys = new Sampled(config.random);
    this.#room = new Admission({ most: config.maxEntries });
  }

  put(key: string, value: string, ttlMs: number, site = ''): boolean {
    this.#forgetExpired();
    const before = this.#entries.get(key);
    if (before?.site !== site && !this.#admit(key, site, before)) return false;
    const expires = this.config.now() + ttlMs;
    this.#entries.set(key, { value, site, ttlMs, expires });
    this.#keys.add(key);
    if (before !== undefined) this.#expiries.get(before.ttlMs)?.delete(key);
    const order = this.#expiries.get(ttlMs) ?? new ByAge<string, number>();
    order.add(key, expires);
    this.#expiries.set(ttlMs, order);
    this.#nextExpiry = Math.min(this.#nextExpiry, expires);
    const group = this.#groups.get(groupOf(key)) ?? { keys: new Set() };
    this.#groups.set(groupOf(key), group);
    group.keys.add(key);
    group.sampled?.add(key);
    return true;
  }

  get(key: string): string | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expires > this.config.now() ? entry.value : undefined;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#room.leave(entry.site, key);
    this.#expiries.get(entry.ttlMs)?.delete(key);
    this.#keys.delete(key);
    const group = this.#groups.get(groupOf(key));
    group?.keys.delete(key);
    group?.sampled?.delete(key);
    if (group?.keys.size === 0) this.#groups.delete(groupOf(key));
  }

  sample(count: number, group?: string): [key: string, value: string][] {
    this.#forgetExpired();
    const chosen: [string, string][] = [];
    const keys = group === undefined ? this.#keys : this.#sampledOf(group);
    if (count <= 0 || keys === undefined) return chosen;
    for (const key of keys.inRandomOrder()) {
      const value = this.get(key);
      if (value !== undefined) chosen.push([key, value]);
      if (chosen.length >= count) break;
    }
    return chosen;
  }

  list(group: string): [key: string, value: string][] {
    this.#forgetExpired();
    return [...(this.#groups.get(group)?.keys ?? [])].flatMap((key): [string, string][] => {
      const value = this.get(key);
      return value === undefined ? [] : [[key, value]];
    });
  }

  /** The keys of a group, to be sampled. */
  #sampledOf(name: string): Sampled<string> | undefined {
    const group = this.#groups.get(name);
    if (group === undefined || group.sampled !== undefined) return group?.sampled;
    group.sampled = new Sampled(this.config.random);
    for (const key of group.keys) group.sampled.add(key);
    return group.sampled;
  }

  /** Counts an entry for its site; one that has come from another site counts no longer for that. Tells whether there is room. */
  #admit(key: string, site: string, before: Entry | undefined): boolean {
    if (before !== undefined) this.#room.leave(before.site, key);
    const { isIn, gaveWay } = this.#room.admit(site, key);
    if (gaveWay !== undefined) this.delete(gaveWay);
    return isIn;
  }

  /** Each entry is visited once, after it has expired; live entries are not visited. */
  #forgetExpired(): void {
    const now = this.config.now();
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Infinity;
    for (const [ttlMs, order] of this.#expiries) {
      for (let oldest = order.oldest; oldest !== undefined; oldest = order.oldest) {
        if (oldest.value > now) {
          this.#nextExpiry = Math.min(this.#nextExpiry, oldest.value);
          break;
        }
        this.delete(oldest.key);
      }
      if (order.size === 0) this.#expiries.delete(ttlMs);
    }
  }
}

function groupOf(key: string): string {
  return key.split(' ', 1)[0] ?? '';
}
