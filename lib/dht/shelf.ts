import { Admission } from '../bounds/admission.js';
import type { Part } from './messages.js';

/** A part that waits for its receiver. */
export interface Kept {
  /** The receiver's mailbox, in hex digits. */
  readonly to: string;
  readonly part: Part;
  /** The host that it is counted for. */
  readonly host: string;
}

/** How much a {@link Shelf} holds. */
interface ShelfLimits {
  readonly parts: number;
  readonly partsPerHost: number;
  readonly partsPerReceiver: number;
}

/** Waiting parts, by receiver, each only once. Hosts share the room, so that one host cannot fill it. */
export class Shelf<T extends Kept> {
  readonly #boxes = new Map<string, Map<string, T>>();
  readonly #room: Admission<T>;

  /** @param onEvict is told of whatever gives way to something else. */
  constructor(
    readonly limits: ShelfLimits,
    readonly onEvict: (kept: T) => void,
  ) {
    this.#room = new Admission({ most: limits.parts, mostOfSite: limits.partsPerHost });
  }

  /** The same part, where it waits already. */
  get({ to, part }: Kept): T | undefined {
    return this.#boxes.get(to)?.get(keyOf(part));
  }

  /** What waits for a receiver, in the order in which it came. */
  of(to: string): T[] {
    return [...(this.#boxes.get(to)?.values() ?? [])];
  }

  /** Takes a part that does not wait yet. Returns whether there is room. */
  add(kept: T): boolean {
    const { partsPerReceiver } = this.limits;
    if (!this.#room.hasRoomFor(kept.host)) return false;
    const box = this.#boxes.get(kept.to) ?? new Map<string, T>();
    if (box.size >= partsPerReceiver) {
      const evicted = oldestOfGreediest([...box.values(), kept]);
      if (evicted === undefined || evicted === kept) return false;
      this.delete(evicted);
      this.onEvict(evicted);
    }
    const { gaveWay } = this.#room.admit(kept.host, kept);
    if (gaveWay !== undefined) {
      this.delete(gaveWay);
      this.onEvict(gaveWay);
    }
    // The box may have gone with the last that was in it.
    const now = this.#boxes.get(kept.to) ?? box;
    this.#boxes.set(kept.to, now.set(keyOf(kept.part), kept));
    return true;
  }

  /** Forgets a part. */
  delete(kept: T): void {
    const box = this.#boxes.get(kept.to);
    if (box?.get(keyOf(kept.part)) !== kept) return;
    box.delete(keyOf(kept.part));
    if (box.size === 0) this.#boxes.delete(kept.to);
    this.#room.leave(kept.host, kept);
  }
}

/** The oldest part of the host that has sent most. */
function oldestOfGreediest<T extends Kept>(all: readonly T[]): T | undefined {
  const counts = new Map<string, number>();
  for (const { host } of all) counts.set(host, (counts.get(host) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return all.find(({ host }) => counts.get(host) === most);
}

function keyOf({ digest, index }: Part): string {
  return `${digest.toString('base64')} ${index}`;
}
