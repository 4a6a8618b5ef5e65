import { digestOf, type Part } from './messages.js';

/** Parcels of one host that may be incomplete at once; of more, the oldest is given up. */
const MAX_INCOMPLETE = 16;

/** Hosts whose incomplete parcels are kept; they are this node's neighbours. */
const MAX_HOSTS = 64;

/**
 * Joins parts to parcels. Parts of different hosts are kept apart: a host that pushes wrong parts spoils only its own copy.
 */
export class Assembly {
  readonly #hosts = new Map<string, Map<string, Map<number, Buffer>>>();

  /** Adds a part. Returns the parcel when it is complete and has the right digest. */
  add({ digest, index, count, bytes }: Part, host: string): Buffer | undefined {
    if (count === 1) return digestOf(bytes).equals(digest) ? bytes : undefined;
    const parcels = renew(this.#hosts, host, MAX_HOSTS, () => new Map<string, Map<number, Buffer>>());
    // The count belongs to the key: who changes it begins another parcel.
    const key = `${digest.toString('base64')} ${count}`;
    const parts = renew(parcels, key, MAX_INCOMPLETE, () => new Map<number, Buffer>());
    parts.set(index, bytes);
    if (parts.size < count) return undefined;
    parcels.delete(key);
    const whole = Buffer.concat(Array.from({ length: count }, (_, at) => parts.get(at) ?? Buffer.alloc(0)));
    return digestOf(whole).equals(digest) ? whole : undefined;
  }
}

/** Gets or creates the entry of a key and moves it to the end. When the map has too many entries, the oldest is removed. */
function renew<T>(map: Map<string, T>, key: string, most: number, make: () => T): T {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
  return value;
}
