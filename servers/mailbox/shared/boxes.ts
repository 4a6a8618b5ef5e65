import { siteOf } from '../../../lib/bounds/site.js';
import { REFUSALS, type RefusalCode } from '../../../lib/signalling/carriers/mailbox-messages.js';
import type { RedisConnection } from '../../store/redis/connection.js';
import { notAsked } from '../../store/redis/failure.js';
import type { Script } from '../../store/redis/script.js';
import { slotOf } from '../../store/redis/slots.js';
import type { BoxLimits } from '../boxes.js';
import { formatKept, parseKept, sizeOf, type Kept } from '../kept.js';
import type { Watch } from '../../watch.js';
import type { MessageBoxes } from '../message-boxes.js';
import { ACKNOWLEDGE, BOX_KEYS, EXPIRED_AT_ONCE, LIST, PUT, SWEEP } from './box-scripts.js';

/** What {@link SharedBoxes} need. */
interface SharedBoxesConfig {
  readonly connection: RedisConnection;
  /** What the boxes of all processes together bear. */
  readonly limits: BoxLimits;
  /** How many places the boxes are in; each bears its share. */
  readonly places: number;
  /** The time of day, in milliseconds since the epoch. */
  readonly now: () => number;
  readonly watch: Watch;
  /** Told of a receiver that waits here when a message for it has come to any process. */
  readonly arrived: (to: string) => void;
}

/**
 * The boxes of all receivers in Redis, which several processes share: messages stay in the order of arrival until they are acknowledged or
 * expire, whichever process is asked. A box is in one place, with the limits of senders and sites there: one script sees them all.
 */
export class SharedBoxes implements MessageBoxes {
  readonly #forgets: readonly (() => void)[];
  /** Who waits here. */
  readonly #waiting = new Set<string>();

  constructor(readonly config: SharedBoxesConfig) {
    const { connection, arrived } = config;
    this.#forgets = [
      connection.onMessage((channel) => {
        if (channel.startsWith(CHANNEL)) arrived(channel.slice(CHANNEL.length));
      }),
      connection.onRestored(() => {
        void this.#lookAgain();
      }),
    ];
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws StoreError when the store cannot be used. */
  async put(message: Kept): Promise<RefusalCode | undefined> {
    const { to, from, id, seenAt, receipt, expires } = message;
    const { limits, places, connection } = this.config;
    const answer = await this.#run(this.#placeOf(to), PUT, [
      to,
      from,
      siteOf(seenAt),
      sizeOf(message.message),
      id,
      receipt,
      formatKept(message),
      expires,
      limits.messagesPerSender,
      limits.bytesPerSender,
      limits.messagesPerHost,
      limits.bytesPerHost,
      limits.messagesPerRecipient,
      limits.bytesPerRecipient,
      Math.ceil(limits.messages / places),
      Math.ceil(limits.bytes / places),
    ]);
    if (answer !== 'kept') {
      if (isRefusal(answer)) return answer;
      throw notAsked('a message to keep');
    }
    // Who misses it finds the message when it takes the next time.
    connection.publish(channelOf(to), '').catch(() => undefined);
    return undefined;
  }

  /** @throws StoreError when the store cannot be used. */
  async list(
    owner: string,
    without: ReadonlySet<string>,
    most: { readonly messages: number; readonly bytes: number },
  ): Promise<readonly Kept[]> {
    const { messages, strays } = await this.#listed(owner, without, most);
    if (strays.length === 0) return messages;
    // What is no message of ours goes: it would take the place of those behind it again and again.
    for (let left = strays.length; left > 0; left--) this.config.watch.count('storeStrays', 'entry');
    await this.acknowledge(owner, strays);
    return messages.length > 0 ? messages : (await this.#listed(owner, without, most)).messages;
  }

  /** @throws StoreError when the store cannot be used. */
  async acknowledge(owner: string, receipts: readonly string[]): Promise<void> {
    if (receipts.length > 0) await this.#run(this.#placeOf(owner), ACKNOWLEDGE, [owner, ...receipts]);
  }

  async sweep(): Promise<void> {
    for (let place = 0; place < this.config.places; place++) {
      while ((await this.#run(`mailbox:${place}`, SWEEP, [])) === EXPIRED_AT_ONCE);
    }
  }

  listen(owner: string): Promise<void> {
    this.#waiting.add(owner);
    return this.config.connection.subscribe(channelOf(owner));
  }

  leave(owner: string): void {
    this.#waiting.delete(owner);
    this.config.connection.unsubscribe(channelOf(owner));
  }

  close(): void {
    for (const forget of this.#forgets) forget();
  }

  /** What is there for a receiver, and the receipts of what cannot be read. */
  async #listed(
    owner: string,
    without: ReadonlySet<string>,
    most: { readonly messages: number; readonly bytes: number },
  ) {
    const answer = await this.#run(this.#placeOf(owner), LIST, [owner, most.messages, most.bytes, ...without]);
    if (!Array.isArray(answer)) throw notAsked('a list of messages');
    const entries: readonly unknown[] = answer;
    const [messages, strays]: [Kept[], string[]] = [[], []];
    for (const entry of entries) {
      const [receipt, text] = Array.isArray(entry) ? entry.map(String) : [];
      if (receipt === undefined || text === undefined) throw notAsked('a list of messages');
      const kept = parseKept(text);
      if (kept?.to === owner && kept.receipt === receipt) messages.push(kept);
      else strays.push(receipt);
    }
    return { messages, strays };
  }

  /** While the store was gone, messages may have come for those who wait here. */
  async #lookAgain(): Promise<void> {
    for (const owner of [...this.#waiting]) {
      const messages = await this.list(owner, new Set(), { messages: 1, bytes: 1 }).catch(() => []);
      if (messages.length > 0 && this.#waiting.has(owner)) this.config.arrived(owner);
    }
  }

  #run(place: string, script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { connection, now } = this.config;
    return connection.run(place, script, BOX_KEYS, [now(), ...args]);
  }

  #placeOf(owner: string): string {
    return `mailbox:${slotOf(owner) % this.config.places}`;
  }
}

const CHANNEL = 'mailbox:';

/** On which a receiver that waits hears of messages. */
export function channelOf(owner: string): string {
  return CHANNEL + owner;
}

function isRefusal(answer: unknown): answer is RefusalCode {
  return typeof answer === 'string' && answer in REFUSALS;
}
