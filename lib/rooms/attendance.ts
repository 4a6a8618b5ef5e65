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
const SHOW_MS = { newcomers: 500, others: 5_000 };

/** Members that have gone without a word are looked for this often, in milliseconds. */
const EXPIRE_MS = 5_000;

/** So much a neighbour may show of who is there: each record costs the check of a signature. */
const SHOWN = { perSecond: 20, burst: 2_048, maxSites: 1_000 };

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
  readonly #mayShow: (neighbour: PeerId, cost?: number) => boolean;
  readonly #expiring = new Subscription();
  #saying = new Subscription();
  /** By the members of whom they are. */
  #news = new Map<PeerId, News>();
  #showing: { readonly at: number; readonly timer: Subscription } | undefined;
  /** What this node has last said of its being there. */
  #ownRecord: Buffer | undefined;

  constructor(config: AttendanceConfig) {
    const { own, most, runtime } = config;
    this.#config = config;
    this.#presence = new Presence({ own, most, now: runtime.timeOfDay });
    this.#mayShow = siteBuckets({ ...SHOWN, now: () => runtime.scheduler.now() });
    this.#members.next([]);
    this.#expireLater();
  }

  /** Who is there, at once and whenever that changes. */
  get members$(): Observable<readonly RoomMember[]> {
    return this.#members.value$;
  }

  /** A neighbour has come: it is shown who is there. */
  onNeighbour(id: PeerId): void {
    if (this.#ownRecord === undefined) this.#say();
    const { show } = this.#config;
    show(id, [...this.#presence.records(), ...(this.#ownRecord === undefined ? [] : [this.#ownRecord])]);
  }

  close(): void {
    this.#saying.unsubscribe();
    this.#showing?.timer.unsubscribe();
    this.#expiring.unsubscribe();
    this.#members.complete();
  }

  /** A member has said something, which has come by a neighbour of a site. */
  onMessage(signed: SignedMessage, site: string): void {
    const hasChanged = signed.kind === KIND.leave ? this.#presence.left(signed) : this.#presence.heard(signed, site);
    if (hasChanged) this.#tell();
  }

  /**
   * A neighbour shows who is there. What is news is checked, kept, and shown to the other neighbours.
   *
   * @param site where the neighbour is.
   * @returns whether the neighbour has kept to the rules.
   */
  onShown(from: PeerId, site: string, records: readonly Buffer[]): boolean {
    if (!this.#mayShow(from, records.length)) return true;
    let hasChanged = false;
    for (const bytes of records) {
      const signed = readMessage(bytes);
      const news = this.#news.get(signed.author);
      if (news?.bytes.equals(bytes) === true) news.shownBy.add(from);
      if (!this.#presence.isNews(signed, site)) continue;
      if (!this.#config.isGenuine(signed, bytes)) return false;
      const isNewcomer = this.#presence.here(signed, bytes, site);
      hasChanged ||= isNewcomer;
      this.#showLater(signed.author, { bytes, shownBy: new Set([from]) }, isNewcomer);
    }
    if (hasChanged) this.#tell();
    return true;
  }

  #tell(): void {
    this.#members.next(this.#presence.members);
  }

  #say(): void {
    const { own, sign, runtime } = this.#config;
    const { periodMs } = this.#presence;
    const isNewcomer = this.#ownRecord === undefined;
    this.#ownRecord = sign(herePayload(periodMs));
    this.#showLater(own, { bytes: this.#ownRecord, shownBy: new Set() }, isNewcomer);
    const { scheduler, random } = runtime;
    const again = () => {
      this.#say();
    };
    // Where it has turned out to be a large room, many came at once, and would all say it at once again: it is believed for two and a half periods.
    const inTurn = () => {
      if (this.#presence.periodMs < 2 * periodMs) again();
      else this.#saying = scheduler.schedule(again, periodMs * random());
    };
    this.#saying = scheduler.schedule(inTurn, periodMs * (0.75 + random() / 4));
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
