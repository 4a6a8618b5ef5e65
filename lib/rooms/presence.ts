import { Admission } from '../bounds/admission.js';
import { ByAge } from '../bounds/by-age.js';
import type { PeerId } from '../identity.js';
import { MAX_AGE_MS } from './author/authors.js';
import type { SignedMessage } from './author/message.js';
import type { RoomMember } from './interface.js';
import { MAX_PRESENCE } from './wire/messages.js';

/** A small room hears of each member this often, in milliseconds. */
const LEAST_PERIOD_MS = 30_000;

/** In a large one the members together say that they are there so often, in milliseconds: each costs every member the check of a signature. */
const BETWEEN_MS = 500;

/** However large, each member says so this often, in milliseconds: every member believes the others for that, however many it knows itself. */
const MOST_PERIOD_MS = 500_000;

/** A member that has been silent for so many of its periods is gone: it has missed two. */
const PERIODS = 2.5;

/** What a member says sooner than after this share of its period is not passed on: all members would check and show it for nothing. */
const SOONEST = 0.25;

/** So many members that have left are remembered, so that what they said before does not bring them back; and as many of those that nobody knew. */
const MOST_GONE = 256;

/** What a node keeps of a member. */
interface Known {
  readonly since: number;
  /** The site of the neighbour by which it was heard first. */
  readonly site: string;
  heardAt: number;
  /** When the last that was heard of it was written, by its clock: what is old may be shown again by a liar. */
  saidAt: number;
  /** For how long it is believed to be there, after each message, in milliseconds. */
  keepMs: number;
  /** What it has last said of its being there, as it has signed it, to be shown to newcomers. */
  record: { readonly signed: SignedMessage; readonly bytes: Buffer; readonly since: number } | undefined;
}

/** What {@link Presence} needs. */
interface PresenceConfig {
  /** This node, which is left out. */
  readonly own: PeerId;
  /** How many members are known at most; of more, the newest are left out of the site whose neighbours have shown most. */
  readonly most: number;
  /** The time of day, in milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The payload of a message by which a member says that it is there. */
export function herePayload(periodMs: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(Math.ceil(Math.min(MOST_PERIOD_MS, periodMs) / 1_000));
  return payload;
}

/**
 * Who is in a room, as far as this node has heard. Keys cost nothing: a member that makes up others fills the share of the site of the neighbour by
 * which this node hears them, however many neighbours there are of that site. It takes no place of members that were heard before, or by neighbours
 * of other sites.
 */
export class Presence {
  readonly #config: PresenceConfig;
  readonly #known = new Map<PeerId, Known>();
  readonly #places: Admission<PeerId>;
  /** The last messages of members that have left, … */
  readonly #gone = new ByAge<PeerId, SignedMessage>();
  /** … and of those that were not known, of whom anybody can make up as many as he likes. */
  readonly #goneStrangers = new ByAge<PeerId, SignedMessage>();

  constructor(config: PresenceConfig) {
    this.#config = config;
    this.#places = new Admission({ most: config.most });
  }

  /** How long a member waits until it says again that it is there, in milliseconds. */
  get periodMs(): number {
    return Math.min(Math.max(LEAST_PERIOD_MS, this.#known.size * BETWEEN_MS), MOST_PERIOD_MS);
  }

  /** Those who are there. */
  get members(): readonly RoomMember[] {
    return [...this.#known].map(([peerId, { since, heardAt }]) => ({ peerId, since, heardAt }));
  }

  /** A member has said anything, which has come by a neighbour of a site. Returns whether it is a new one. */
  heard(signed: SignedMessage, site: string): boolean {
    const { own, now } = this.#config;
    const peerId = signed.author;
    const known = this.#known.get(peerId);
    const at = now();
    if (known !== undefined) {
      known.heardAt = at;
      known.saidAt = Math.max(known.saidAt, signed.at);
      return false;
    }
    if (peerId === own || !this.#isAfterLeaving(signed) || !this.#admits(peerId, site)) return false;
    this.#gone.delete(peerId);
    this.#goneStrangers.delete(peerId);
    const keepMs = PERIODS * this.periodMs;
    this.#known.set(peerId, { since: at, site, heardAt: at, saidAt: signed.at, keepMs, record: undefined });
    return true;
  }

  /** Whether a message is no old one of a member that has left. */
  #isAfterLeaving(signed: SignedMessage): boolean {
    return isLater(signed, this.#gone.get(signed.author)) && isLater(signed, this.#goneStrangers.get(signed.author));
  }

  #admits(peerId: PeerId, site: string): boolean {
    const { isIn, gaveWay } = this.#places.admit(site, peerId);
    if (gaveWay !== undefined) this.#known.delete(gaveWay);
    return isIn;
  }

  /** A member has said that it is there. Returns whether it is a new one. The record is one that others may be shown. */
  here(signed: SignedMessage, bytes: Buffer, site: string): boolean {
    const isNew = this.heard(signed, site);
    const entry = this.#known.get(signed.author);
    if (entry === undefined || !isLater(signed, entry.record?.signed)) return isNew;
    entry.record = { signed, bytes, since: this.#config.now() };
    entry.keepMs = PERIODS * periodOf(signed);
    return isNew;
  }

  /**
   * Whether a record that a neighbour of a site shows is worth the check of its signature: it says more than what is known, is not old, does not come
   * too soon, and there is a place for it. What would not be kept stays news for ever: neighbours whose places are all taken would check it and show it to
   * each other without end.
   */
  isNews(signed: SignedMessage, site: string): boolean {
    const { author, at } = signed;
    const now = this.#config.now();
    if (author === this.#config.own || lastsUntil(at, PERIODS * periodOf(signed)) < now || at > now + MAX_AGE_MS)
      return false;
    const known = this.#known.get(author);
    if (known === undefined) return this.#places.hasRoomFor(site) && this.#isAfterLeaving(signed);
    const { record } = known;
    if (record === undefined) return true;
    return isLater(signed, record.signed) && record.since + SOONEST * periodOf(record.signed) <= now;
  }

  /** A member has left. Returns whether it was there. */
  left(signed: SignedMessage): boolean {
    const known = this.#known.get(signed.author);
    if (!isLater(signed, known?.record?.signed) || !this.#isAfterLeaving(signed)) return false;
    const gone = known === undefined && !this.#gone.has(signed.author) ? this.#goneStrangers : this.#gone;
    gone.add(signed.author, signed);
    gone.keep(MOST_GONE);
    return this.#forget(signed.author);
  }

  /** Leaves out those that have been silent for too long. Returns whether there were any. */
  expire(): boolean {
    const now = this.#config.now();
    const gone = [...this.#known].filter(
      ([, { heardAt, saidAt, keepMs }]) => heardAt + keepMs < now || lastsUntil(saidAt, keepMs) < now,
    );
    for (const [peerId] of gone) this.#forget(peerId);
    return gone.length > 0;
  }

  #forget(peerId: PeerId): boolean {
    const known = this.#known.get(peerId);
    if (known === undefined) return false;
    this.#places.leave(known.site, peerId);
    return this.#known.delete(peerId);
  }

  /** What members have last said of their being there, to be shown to a newcomer: a few messages' full, chance chooses whose. */
  records(most = 4 * MAX_PRESENCE): readonly Buffer[] {
    const all = [...this.#known].flatMap(([, { record }]) => (record === undefined ? [] : [record.bytes]));
    const from = Math.floor(this.#config.random() * all.length);
    return [...all.slice(from), ...all.slice(0, from)].slice(0, most);
  }
}

/** Until when somebody is believed to be there by what it has said at a time of its own clock, which may be slow: however late, or again, it is shown. */
function lastsUntil(at: number, keepMs: number): number {
  return at + keepMs + MAX_AGE_MS;
}

/** After how long a member says again that it is there, as it says, in milliseconds. */
function periodOf({ payload }: SignedMessage): number {
  const seconds = payload.length < 2 ? 0 : payload.readUInt16BE(0);
  return Math.max(LEAST_PERIOD_MS, Math.min(MOST_PERIOD_MS, seconds * 1_000));
}

/** Whether a message was signed after another. Records of who is there have no numbers: a member that has left is back with its next stream only. */
function isLater(signed: SignedMessage, known: SignedMessage | undefined): boolean {
  if (known === undefined || signed.stream > known.stream) return true;
  if (signed.stream < known.stream) return false;
  return signed.number > known.number || (signed.number === known.number && signed.at > known.at);
}
