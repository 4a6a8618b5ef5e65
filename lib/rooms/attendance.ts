import { Subscription, type Observable } from 'rxjs';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { PeerId } from '../identity.js';
import { Latest } from '../operators/latest.js';
import { KIND, readMessage, type SignedMessage } from './author/message.js';
import type { RoomNet } from './host.js';
import type { RoomMember } from './interface.js';
import { herePayload, Presence } from './presence.js';

/** A member that comes to have a neighbour says that it is there within this time, in milliseconds … */
const FIRST_HERE_MS = 1_000;

/**
 * … and for each other that it knows of it may take so much longer: where many come at once, they find their neighbours first. That each hears
 * of all others costs more than to connect.
 */
const EACH_HERE_MS = 150;

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
  /** Says that this node is there. Returns what was said. */
  readonly say: (payload: Buffer) => Buffer | undefined;
  /** Shows neighbours who is there, but for the one that has shown it. */
  readonly show: (records: readonly Buffer[], except: PeerId) => void;
}

/** Says now and then that this node is in the room, and keeps what others say. */
export class Attendance {
  readonly #config: AttendanceConfig;
  readonly #presence: Presence;
  readonly #members = new Latest<readonly RoomMember[]>();
  readonly #mayShow: (neighbour: PeerId, cost?: number) => boolean;
  readonly #expiring = new Subscription();
  #saying = new Subscription();
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

  /**
   * This node has come to have a neighbour.
   *
   * @param others of how many others it knows.
   */
  begin(others: number): void {
    this.#sayIn(this.#config.runtime.random() * (FIRST_HERE_MS + others * EACH_HERE_MS));
  }

  close(): void {
    this.#saying.unsubscribe();
    this.#expiring.unsubscribe();
    this.#members.complete();
  }

  /** What members have last said of their being there, to be shown to a neighbour. */
  records(): readonly Buffer[] {
    return [...this.#presence.records(), ...(this.#ownRecord === undefined ? [] : [this.#ownRecord])];
  }

  /** A member has said something, which has come by a neighbour of a site. */
  onMessage(signed: SignedMessage, bytes: Buffer, site: string): void {
    if (this.#note(signed, bytes, site)) this.#tell();
  }

  /**
   * A neighbour shows who is there. What is news is checked, kept, and shown to the other neighbours: where two parts of a room meet, each side
   * hears of the other so.
   *
   * @param site where the neighbour is.
   * @returns whether the neighbour has kept to the rules.
   */
  onShown(from: PeerId, site: string, records: readonly Buffer[]): boolean {
    if (!this.#mayShow(from, records.length)) return true;
    let hasChanged = false;
    const news: Buffer[] = [];
    for (const bytes of records) {
      const signed = readMessage(bytes);
      if (!this.#presence.isNews(signed, site)) continue;
      if (!this.#config.isGenuine(signed, bytes)) return false;
      hasChanged = this.#presence.here(signed, bytes, site) || hasChanged;
      news.push(bytes);
    }
    if (news.length > 0) this.#config.show(news, from);
    if (hasChanged) this.#tell();
    return true;
  }

  #note(signed: SignedMessage, bytes: Buffer, site: string): boolean {
    if (signed.kind === KIND.leave) return this.#presence.left(signed);
    return signed.kind === KIND.here ? this.#presence.here(signed, bytes, site) : this.#presence.heard(signed, site);
  }

  #tell(): void {
    this.#members.next(this.#presence.members);
  }

  #sayIn(ms: number): void {
    this.#saying.unsubscribe();
    const { scheduler, random } = this.#config.runtime;
    this.#saying = scheduler.schedule(() => {
      const { periodMs } = this.#presence;
      this.#ownRecord = this.#config.say(herePayload(periodMs)) ?? this.#ownRecord;
      this.#sayIn(periodMs * (0.75 + random() / 4));
    }, ms);
  }

  #expireLater(): void {
    const again = () => {
      if (this.#presence.expire()) this.#tell();
      this.#expireLater();
    };
    this.#expiring.add(this.#config.runtime.scheduler.schedule(again, EXPIRE_MS));
  }
}
