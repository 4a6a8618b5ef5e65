import { Admission } from '../bounds/admission.js';
import { ByAge } from '../bounds/by-age.js';
import { ofManySites } from '../bounds/of-many-sites.js';

/** A member of a topic, as a node keeps it. */
export interface TopicMember {
  /** In hex digits. */
  readonly topic: string;
  /** The key that it has proven. */
  readonly key: Buffer;
  /** Its locator, as bytes. */
  readonly unl: Buffer;
  /** Where the node saw it. */
  readonly seenAt: string | undefined;
  /** The host that it is counted for. */
  readonly host: string;
}

/** How much a {@link TopicShelf} holds. */
interface TopicLimits {
  readonly members: number;
  readonly membersPerHost: number;
  readonly membersPerTopic: number;
}

/** A member is kept for this long; it joins again every 100 s. */
const MEMBER_MS = 300_000;

/** No more members are named at once than this. */
const MAX_NAMED = 16;

interface Kept extends TopicMember {
  readonly expires: number;
}

/** Many small shelves, one for each topic. Hosts share the room, of all and of each, so that one host cannot fill it. */
export class TopicShelf {
  readonly #topics = new Map<string, { readonly members: Map<string, Kept>; readonly room: Admission<Kept> }>();
  readonly #room: Admission<Kept>;
  readonly #ages = new ByAge<string, Kept>();

  /** @param now the time, in milliseconds. */
  constructor(
    readonly limits: TopicLimits,
    readonly now: () => number,
  ) {
    this.#room = new Admission({ most: limits.members, mostOfSite: limits.membersPerHost });
  }

  /** How many members there are, of all topics. */
  get size(): number {
    return this.#ages.size;
  }

  /** Keeps a member, in the place of what was kept of the same key and topic. Returns whether there is room. */
  add(member: TopicMember): boolean {
    this.#forgetExpired();
    const { topic, key, host } = member;
    const name = key.toString('hex');
    const before = this.#topics.get(topic)?.members.get(name);
    if (before !== undefined) this.#forget(before);
    const room = this.#topics.get(topic)?.room ?? new Admission<Kept>({ most: this.limits.membersPerTopic });
    if (!room.hasRoomFor(host) || !this.#room.hasRoomFor(host)) return false;
    const kept: Kept = { ...member, expires: this.now() + MEMBER_MS };
    for (const shared of [room, this.#room]) {
      const { gaveWay } = shared.admit(host, kept);
      if (gaveWay !== undefined) this.#forget(gaveWay);
    }
    // The shelf may have gone with the last that was on it.
    const shelf = this.#topics.get(topic) ?? { members: new Map<string, Kept>(), room };
    this.#topics.set(topic, shelf);
    shelf.members.set(name, kept);
    this.#ages.add(nameOf(kept), kept);
    return true;
  }

  /** Takes a member off. */
  delete(topic: string, key: Buffer): void {
    const kept = this.#topics.get(topic)?.members.get(key.toString('hex'));
    if (kept !== undefined) this.#forget(kept);
  }

  /** Some members of a topic: of as many hosts as there can be, and of those of a host the ones whose keys are nearest. */
  near(topic: string, near: Buffer): TopicMember[] {
    this.#forgetExpired();
    const byDistance = [...(this.#topics.get(topic)?.members.values() ?? [])]
      .map((member) => ({ member, distance: Buffer.from(member.key.map((byte, at) => byte ^ (near[at] ?? 0))) }))
      .sort((a, b) => Buffer.compare(a.distance, b.distance))
      .map(({ member }) => member);
    return ofManySites(byDistance, ({ host }) => host, MAX_NAMED);
  }

  #forgetExpired(): void {
    const now = this.now();
    for (let oldest = this.#ages.oldest; oldest !== undefined; oldest = this.#ages.oldest) {
      if (oldest.value.expires > now) return;
      this.#forget(oldest.value);
    }
  }

  #forget(kept: Kept): void {
    const shelf = this.#topics.get(kept.topic);
    const name = kept.key.toString('hex');
    this.#room.leave(kept.host, kept);
    shelf?.room.leave(kept.host, kept);
    if (shelf?.members.get(name) !== kept) return;
    shelf.members.delete(name);
    this.#ages.delete(nameOf(kept));
    if (shelf.members.size === 0) this.#topics.delete(kept.topic);
  }
}

function nameOf({ topic, key }: TopicMember): string {
  return `${topic} ${key.toString('hex')}`;
}
