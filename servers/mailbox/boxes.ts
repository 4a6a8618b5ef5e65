import { ownText } from '../../lib/bounds/own-text.js';
import { siteOf } from '../../lib/bounds/site.js';
import type { RefusalCode } from '../../lib/signalling/carriers/mailbox-messages.js';
import { formatKept, keptIdIn, keptIn, parseKept, receiptIn, sizeOf, type Kept } from './kept.js';
import { keyOf, numberIn, PREFIX, type Box, type Counted, type Entry } from './entry.js';
import { Quota } from './quota.js';
import { Shares } from './shares.js';
import type { Soon } from '../store/store.js';
import type { Watch } from '../watch.js';
import type { MessageBoxes } from './message-boxes.js';
import type { MessageStore } from './store.js';

/** Limits of all boxes together, and of each. */
export interface BoxLimits {
  /** Messages for one receiver. */
  readonly messagesPerRecipient: number;
  /** Bytes for one receiver. */
  readonly bytesPerRecipient: number;
  /** Messages of one sender, for whomever. */
  readonly messagesPerSender: number;
  /** Bytes of one sender. */
  readonly bytesPerSender: number;
  /** Messages from one IPv4 address or IPv6 /48, which may have many keys: far less than one receiver may have. */
  readonly messagesPerHost: number;
  /** Bytes from one IPv4 address or IPv6 /48. */
  readonly bytesPerHost: number;
  /** Messages in all. They are in memory, too. */
  readonly messages: number;
  /** Bytes in all. */
  readonly bytes: number;
}

/** What the boxes need. */
interface BoxesConfig {
  readonly store: MessageStore;
  readonly limits: BoxLimits;
  /** The time of day, in milliseconds since the epoch. */
  readonly now: () => number;
  readonly watch: Watch;
  /** Told of the receiver when a message has come. */
  readonly arrived: (to: string) => void;
}

/** When less than this was deleted, compacting the store is not worth the work. */
const WORTHWHILE_BYTES = 1024 * 1024;

/**
 * The boxes of all receivers. Messages stay in the order of arrival until they are acknowledged or expire. They are held in
 * memory, and are written to a store before they are reported as kept.
 *
 * When a box is full, or all boxes together, a message from a smaller site (an IPv4 address or IPv6 /48) evicts the newest
 * messages of the largest one, once it is stored.
 */
export class Boxes implements MessageBoxes {
  /** By receiver. */
  readonly #boxes = new Map<string, Box>();
  readonly #senders: Quota;
  readonly #hosts: Quota;
  readonly #all: Shares<Entry>;
  /** What a receiver has for whom nothing is here. */
  readonly #nothing: Shares<Entry>;
  readonly #forgets: readonly (() => void)[];
  /** How many messages there have been, … */
  #count = 0;
  /** … and how many there are, or are about to be. */
  #size = 0;
  #bytes = 0;
  #deletedBytes = 0;

  constructor(readonly config: BoxesConfig) {
    const { limits, watch } = config;
    this.#senders = new Quota({ messages: limits.messagesPerSender, bytes: limits.bytesPerSender });
    this.#hosts = new Quota({ messages: limits.messagesPerHost, bytes: limits.bytesPerHost });
    this.#all = new Shares({ messages: limits.messages, bytes: limits.bytes });
    this.#nothing = this.#newShares();
    this.#forgets = [
      watch.gauge('mailboxMessages', () => this.#size),
      watch.gauge('mailboxBytes', () => this.#bytes),
      watch.gauge('mailboxOldestMs', () => this.#oldestMs),
    ];
  }

  /** Its figures are read no more. */
  close(): void {
    for (const forget of this.#forgets) forget();
  }

  /** Loads the messages in the store. Those that have expired are deleted, as are copies, and so is, and is counted, what is no message. */
  async load(): Promise<void> {
    const worthless: string[] = [];
    for await (const [key, value] of this.config.store.entries()) {
      if (!key.startsWith(PREFIX)) continue;
      const number = numberIn(key);
      if (number !== undefined) this.#count = Math.max(this.#count, number);
      const kept = number === undefined ? undefined : parseKept(value);
      if (kept === undefined) this.config.watch.count('storeStrays', 'entry');
      if (kept === undefined || number === undefined || !this.#isNew(kept, value)) {
        worthless.push(key);
        this.#deletedBytes += value.length;
        continue;
      }
      const keptId = keptIdIn(value, kept);
      const entry = this.#enter(kept, { text: value, keptId, ...this.#countedFor(kept), number });
      entry.box.shown.set(entry.receipt, entry);
    }
    this.config.store.holds({ prefix: PREFIX, entries: () => this.#stored() });
    if (worthless.length > 0) await this.config.store.delete(worthless);
  }

  /** A stored message has not expired, and was not stored twice. */
  #isNew(kept: Kept, text: string): boolean {
    const { byId, shown } = this.#boxes.get(kept.to) ?? {};
    const isKnown = byId?.has(keptIdIn(text, kept)) === true || shown?.has(kept.receipt) === true;
    return kept.expires > this.config.now() && !isKnown;
  }

  /**
   * Keeps a message. Resolves when it is stored, or was stored before; otherwise to the refusal.
   */
  put(message: Kept): Soon<RefusalCode | undefined> {
    const text = formatKept(message);
    const keptId = keptIdIn(text, message);
    const known = this.#boxes.get(message.to)?.byId.get(keptId);
    if (known !== undefined && (known.putting !== undefined || known.expires > this.config.now())) return known.putting;
    // One that has expired was not swept yet.
    if (known !== undefined) void this.#delete([known]);
    const from = this.#countedFor(message);
    const refusal = this.#refusalOf(message, from);
    if (refusal !== undefined) return refusal;
    const leaving = this.#makeRoom(message, from.host.who);
    if (typeof leaving === 'string') return leaving;
    const entry = this.#enter(message, { text, keptId, ...from, number: ++this.#count });
    entry.putting = this.#store(entry, leaving);
    return entry.putting;
  }

  /** Stores a message in favour of which others leave. */
  async #store(entry: Entry, leaving: readonly Entry[]): Promise<RefusalCode | undefined> {
    const { text, box, receipt } = entry;
    const { store, arrived } = this.config;
    const inFavourOf = leaving.map(keyOf);
    try {
      await store.put(keyOf(entry), text, inFavourOf);
    } catch {
      this.#stay(leaving);
      this.#forget(entry);
      return 'not-saved';
    } finally {
      entry.putting = undefined;
    }
    for (const other of leaving) this.#forget(other);
    if (entry.leaving !== undefined) {
      // It was evicted meanwhile, or is about to be.
      await this.#delete([entry]);
      return entry.leaving;
    }
    box.shown.set(receipt, entry);
    arrived(box.to);
    return undefined;
  }

  /** The messages for a receiver, without those whose receipts are listed, in the order of arrival. */
  list(owner: string, without: ReadonlySet<string>, most: { messages: number; bytes: number }): readonly Kept[] {
    const listed: Kept[] = [];
    let bytes = 0;
    for (const { text, receipt, expires, size } of this.#boxes.get(owner)?.shown.values() ?? []) {
      if (without.has(receipt) || expires <= this.config.now()) continue;
      bytes += size;
      if (listed.length === most.messages || (bytes > most.bytes && listed.length > 0)) break;
      listed.push(keptIn(text));
    }
    return listed;
  }

  /** Deletes acknowledged messages. Resolves when a crash of this process cannot bring them back. */
  acknowledge(owner: string, receipts: readonly string[]): Promise<void> {
    const box = this.#boxes.get(owner);
    const entries = receipts.map((receipt) => box?.shown.get(receipt)).filter((entry) => entry !== undefined);
    const now = this.config.now();
    for (const { arrived } of entries) this.config.watch.took('mailbox kept', now - arrived);
    return this.#delete(entries);
  }

  /** Deletes expired messages, and compacts the store when that is worth it. */
  async sweep(): Promise<void> {
    const now = this.config.now();
    const expired = [...this.#boxes.values()].flatMap(({ shown }) =>
      [...shown.values()].filter(({ expires }) => expires <= now),
    );
    await this.#delete(expired);
    const isEmpty = this.#boxes.size === 0 && this.#deletedBytes > 0;
    if (!isEmpty && this.#deletedBytes < Math.max(WORTHWHILE_BYTES, this.#bytes)) return;
    this.#deletedBytes = 0;
    await this.config.store.compact();
  }

  /** How long the message that came first of all has been kept, in milliseconds. */
  get #oldestMs(): number {
    const now = this.config.now();
    let oldestMs = 0;
    for (const { byId } of this.#boxes.values()) {
      const [first] = byId.values();
      if (first !== undefined) oldestMs = Math.max(oldestMs, now - first.arrived);
    }
    return oldestMs;
  }

  /** All messages come to this process. */
  listen(): void {
    // Nothing is to be done for that.
  }

  leave(): void {
    // Nor here.
  }

  /** For whom a message is counted. */
  #countedFor({ from, seenAt }: Kept): Counted {
    return { sender: this.#senders.of(from), host: this.#hosts.of(siteOf(seenAt)) };
  }

  #refusalOf({ message }: Kept, { sender, host }: Counted): RefusalCode | undefined {
    const bytes = sizeOf(message);
    if (!this.#senders.hasRoom(sender, bytes)) return 'sender-full';
    return this.#hosts.hasRoom(host, bytes) ? undefined : 'host-full';
  }

  /** Marks the messages to evict for a new one; or returns why it is refused. */
  #makeRoom({ to, message }: Kept, site: string): readonly Entry[] | RefusalCode {
    const incoming = { site, size: sizeOf(message) };
    const ofReceiver = this.#boxes.get(to)?.shares ?? this.#nothing;
    const leaving: Entry[] = [];
    for (const [shares, full] of [
      [ofReceiver, 'recipient-full'],
      [this.#all, 'server-full'],
    ] as const) {
      while (!shares.hasRoomFor(incoming.size)) {
        const newest = shares.givesWayTo(incoming);
        if (newest === undefined) {
          this.#stay(leaving);
          return full;
        }
        this.#unaccount(newest);
        newest.leaving = full;
        leaving.push(newest);
      }
    }
    return leaving;
  }

  /**
   * Cancels evictions. What left last comes back first, so that the order is as before. Where others have come meanwhile, there is more than
   * there may be, until the next one is to be put.
   */
  #stay(leaving: readonly Entry[]): void {
    for (const entry of leaving.toReversed()) {
      if (!this.#isKept(entry)) continue;
      entry.leaving = undefined;
      // More of the same sender may have come meanwhile.
      entry.sender = this.#senders.of(entry.sender.who);
      entry.host = this.#hosts.of(entry.site);
      this.#account(entry);
    }
  }

  #addBox(to: string): Box {
    const box = { to: ownText(to), byId: new Map(), shown: new Map(), shares: this.#newShares() };
    this.#boxes.set(box.to, box);
    return box;
  }

  #newShares(): Shares<Entry> {
    const { messagesPerRecipient: messages, bytesPerRecipient: bytes } = this.config.limits;
    return new Shares({ messages, bytes });
  }

  #isKept(entry: Entry): boolean {
    return entry.box.byId.get(entry.keptId) === entry;
  }

  /** A message is kept, or is about to be. */
  #enter(kept: Kept, stored: Pick<Entry, 'text' | 'keptId' | 'number'> & Counted): Entry {
    const box = this.#boxes.get(kept.to) ?? this.#addBox(kept.to);
    const { text, keptId, sender, host, number } = stored;
    const receipt = receiptIn(text, kept);
    const { arrived, expires } = kept;
    const size = sizeOf(kept.message);
    // To copy the properties of two objects takes longer than all the rest here.
    const entry = {
      box,
      text,
      keptId,
      receipt,
      arrived,
      expires,
      sender,
      host,
      site: host.who,
      size,
      number,
      putting: undefined,
      leaving: undefined,
      isCounted: false,
    };
    box.byId.set(keptId, entry);
    this.#size++;
    this.#account(entry);
    return entry;
  }

  #account(entry: Entry): void {
    const { box, sender, host, size } = entry;
    entry.isCounted = true;
    box.shares.add(entry);
    this.#senders.take(sender, size);
    this.#hosts.take(host, size);
    this.#all.add(entry);
    this.#bytes += size;
  }

  /** What is in the boxes, as the store has it. */
  *#stored(): Iterable<readonly [key: string, value: string]> {
    for (const { shown } of this.#boxes.values()) for (const entry of shown.values()) yield [keyOf(entry), entry.text];
  }

  async #delete(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    for (const entry of entries) this.#forget(entry);
    await this.config.store.delete(entries.map(keyOf));
  }

  #forget(entry: Entry): void {
    if (!this.#isKept(entry)) return;
    const { box, keptId, receipt, size } = entry;
    box.byId.delete(keptId);
    this.#size--;
    if (entry.isCounted) this.#unaccount(entry);
    box.shown.delete(receipt);
    if (box.byId.size === 0) this.#boxes.delete(box.to);
    this.#deletedBytes += size;
    // What has left may be held for a while.
    entry.text = entry.keptId = entry.receipt = '';
  }

  #unaccount(entry: Entry): void {
    const { box, sender, host, size } = entry;
    entry.isCounted = false;
    box.shares.delete(entry);
    this.#senders.release(sender, size);
    this.#hosts.release(host, size);
    this.#all.delete(entry);
    this.#bytes -= size;
  }
}
