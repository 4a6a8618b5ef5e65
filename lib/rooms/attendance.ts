import { Subscription, type Observable } from 'rxjs';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { PeerId } from '../identity.js';
import { Latest } from '../operators/latest.js';
import { KIND, readMessage, type SignedMessage } from './author/message.js';
import type { RoomNet } from './host.js';
import type { RoomMember } from './interface.js';
import { herePayload, Presence } from './presence.js';

/**
 * What this node has heard of new members waits so long for more until it is shown to the neighbours, in milliseconds, and what is known of others:
 * at random, the half of it at least.
 */
const SHOW_MS = { newcomers: 500, others: 3_000 };

/** Members that have gone without a word are looked for this often, in milliseconds. */
const EXPIRE_MS = 5_000;

/** So many messages with records a neighbour may send: to read one of 64 costs half a millisecond. */
const SHOWN = { perSecond: 20, burst: 128, maxSites: 1_000 };

/** So many records that are news the neighbours of a site may show: each costs the check of a signature. In a room of a thousand there are two a second. */
const CHECKED = { perSecond: 80, burst: 2_048, maxSites: 1_000 };

/** What knowing who is there needs. */
interface AttendanceConfig {
  /** This node. */
  readonly own: PeerId;
  /** How many members are known at most. */
  readonly most: number;
  readonly runtime: RoomNet['runtime'];
  /** Whether a message was signed by its author for this room. */
  readonly isGenuine: (signed: SignedMessage, bytes: Buffer) => boolean;
  /** Signs that this node is there. */
  readonly sign: (payload: Buffer) => Buffer;
  readonly neighbours: () => Iterable<PeerId>;
  /** Shows a neighbour who is there. */
  readonly show: (to: PeerId, records: readonly Buffer[]) => void;
}

/** A record that is to be shown. */
interface News {
  readonly bytes: Buffer;
  /** The neighbours that have shown it. */
  readonly shownBy: Set<PeerId>;
}

/**
 * Shows now and then that this node is in the room, keeps what others show, and passes it on from neighbour to neighbour, much at a time: where many
 * come at once, each record by itself would cost more than to connect.
 */
export class Attendance {
  readonly #config: AttendanceConfig;
  readonly #presence: Presence;
  readonly #members = new Latest<readonly RoomMember[]>();
  readonly #mayShow: (neighbour: PeerId) => boolean;
  readonly #mayHaveChecked: (site: string) => boolean;
  readonly #expiring = new Subscription();
  #saying = new Subscription();
  /** By the members of whom they are. */
  #news = new Map<PeerId, News>();
  #showing: { readonly at: number; readonly timer: Subscription } | undefined;
  /** What this node has last said of its being there, and the time of day by which it says so again. */
  #own: { readonly record: Buffer; readonly againAt: number } | undefined;

  constructor(config: AttendanceConfig) {
    const { own, most, runtime } = config;
    this.#config = config;
    this.#presence = new Presence({ own, most, now: runtime.timeOfDay, random: runtime.random });
    const now = () => runtime.scheduler.now();
    this.#mayShow = siteBuckets({ now, ...SHOWN });
    this.#mayHaveChecked = siteBuckets({ now, ...CHECKED });
    this.#members.next([]);
    this.#expireLater();
  }

  /** Who is there, at once and whenever that changes. */
  get members$(): Observable<readonly RoomMember[]> {
    return this.#members.value$;
  }

  /** A neighbour has come: it is shown who is there. */
  onNeighbour(id: PeerId): void {
    const { show, runtime } = this.#config;
    // A machine that has slept may be forgotten by now: its timers have slept as well.
    const own = this.#own === undefined || this.#own.againAt < runtime.timeOfDay() ? this.#say() : this.#own.record;
    show(id, [...this.#presence.records(), own]);
  }

  close(): void {
    this.#saying.unsubscribe();
    this.#showing?.timer.unsubscribe();
    this.#expiring.unsubscribe();
    this.#members.complete();
  }

  /** A member has said something, which has come by a neighbour of a site. */
  onMessage(signed: SignedMessage, site: string): void {
    const isLeaving = signed.kind === KIND.leave;
    if (isLeaving) this.#news.delete(signed.author);
    if (isLeaving ? this.#presence.left(signed) : this.#presence.heard(signed, site)) this.#tell();
  }

  /**
   * A neighbour shows who is there. What is news is checked, kept, and shown to the other neighbours.
   *
   * @param site where the neighbour is.
   * @returns whether the neighbour has kept to the rules.
   */
  onShown(from: PeerId, site: string, records: readonly Buffer[]): boolean {
    if (!this.#mayShow(from)) return true;
    let [isFair, hasChanged] = [true, false];
    for (const bytes of records) {
      const signed = readMessage(bytes);
      const news = this.#news.get(signed.author);
      if (news?.bytes.equals(bytes) === true) news.shownBy.add(from);
      if (!this.#presence.isNews(signed, site)) continue;
      if (!this.#mayHaveChecked(site)) break;
      isFair = this.#config.isGenuine(signed, bytes);
      if (!isFair) break;
      const isNewcomer = this.#presence.here(signed, bytes, site);
      hasChanged ||= isNewcomer;
      this.#showLater(signed.author, { bytes, shownBy: new Set([from]) }, isNewcomer);
    }
    if (hasChanged) this.#tell();
    return isFair;
  }

  #tell(): void {
    this.#members.next(this.#presence.members);
  }

  /** Returns what this node has said. */
  #say(): Buffer {
    const { own, sign, runtime } = this.#config;
    const { scheduler, random, timeOfDay } = runtime;
    const { periodMs } = this.#presence;
    const record = sign(herePayload(periodMs));
    this.#showLater(own, { bytes: record, shownBy: new Set() }, this.#own === undefined);
    this.#own = { record, againAt: timeOfDay() + 1.5 * periodMs };
    this.#saying.unsubscribe();
    const again = () => {
      this.#say();
    };
    // Where it has turned out to be a large room, many came at once, and would all say it at once again. A record is believed for two and a half periods,
    // of which the way through the room takes some, too.
    const inTurn = () => {
      if (this.#presence.periodMs < 2 * periodMs) again();
      else this.#saying = scheduler.schedule(again, (periodMs * random()) / 2);
    };
    this.#saying = scheduler.schedule(inTurn, periodMs * (0.75 + random() / 4));
    return record;
  }

  #showLater(author: PeerId, news: News, isNewcomer: boolean): void {
    this.#news.set(author, news);
    const { scheduler, random } = this.#config.runtime;
    const waitMs = ((isNewcomer ? SHOW_MS.newcomers : SHOW_MS.others) * (1 + random())) / 2;
    const at = scheduler.now() + waitMs;
    if (this.#showing !== undefined && this.#showing.at <= at) return;
    this.#showing?.timer.unsubscribe();
    const show = () => {
      this.#showing = undefined;
      this.#show();
    };
    this.#showing = { at, timer: scheduler.schedule(show, waitMs) };
  }

  #show(): void {
    const news = [...this.#news.values()];
    this.#news = new Map();
    const { neighbours, show } = this.#config;
    for (const id of neighbours()) {
      const records = news.filter(({ shownBy }) => !shownBy.has(id)).map(({ bytes }) => bytes);
      if (records.length > 0) show(id, records);
    }
  }

  #expireLater(): void {
    const again = () => {
      if (this.#presence.expire()) this.#tell();
      this.#expireLater();
    };
    this.#expiring.add(this.#config.runtime.scheduler.schedule(again, EXPIRE_MS));
  }
}
