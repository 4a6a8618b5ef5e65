import { StoreError } from '../../../lib/errors.js';
import { Channels } from '../channels.js';
import type { Watch } from '../../watch.js';
import type { ChannelListener, Soon } from '../store.js';
import { Confirmations } from './confirmations.js';
import type { RedisConnection } from './connection.js';
import {
  CONFIRMATIONS_AT_ONCE,
  formatConfirmations,
  formatEnvelope,
  MESSAGE_MAX_LENGTH,
  parseConfirmations,
  parseEnvelope,
  type Confirmation,
} from './envelope.js';

/**
 * Messages between processes. Each process subscribes to the channels on which somebody listens there, and to one of its own, on
 * which the others confirm what they got from it: what Redis has handed to a process that is killed was not delivered.
 *
 * Listeners in this process get a message at once, without Redis.
 */
export class RedisChannels {
  readonly #local = new Channels();
  readonly #confirmations: Confirmations;
  /** What is to be confirmed, by process, once the lines that it has led to were handed to the system. */
  #unconfirmed = new Map<string, Confirmation[]>();

  /** @param ownId by which the other processes know this one: 22 base64url characters that nobody can guess. */
  constructor(
    readonly connection: RedisConnection,
    readonly ownId: string,
    readonly watch: Watch,
  ) {
    this.#confirmations = new Confirmations(connection.scheduler);
    connection.onMessage((channel, text) => {
      if (channel === replyChannelOf(ownId)) {
        for (const confirmation of parseConfirmations(text)) this.#confirmations.confirm(confirmation);
      } else this.#receive(channel, text);
    });
  }

  /** Begins to listen to the other processes. */
  open(): Promise<void> {
    return this.connection.subscribe(replyChannelOf(this.ownId));
  }

  close(): void {
    this.#confirmations.close();
  }

  publish(channel: string, message: string): Soon<number> {
    if (message.length > MESSAGE_MAX_LENGTH) throw new StoreError('A message is too long for the store');
    const here = this.#local.publish(channel, message);
    if (here === 0) return this.#publishElsewhere(channel, message);
    // Somebody has it: whether others get it, too, changes nothing for its sender.
    this.connection
      .publish(channel, formatEnvelope({ from: this.ownId, id: undefined, message }))
      .catch(() => undefined);
    return here;
  }

  listen(channel: string, listener: ChannelListener): Soon<void> {
    this.#local.listen(channel, listener);
    return this.connection.subscribe(channel);
  }

  leave(channel: string, listener: ChannelListener): void {
    this.#local.leave(channel, listener);
    if (!this.#local.has(channel)) this.connection.unsubscribe(channel);
  }

  async #publishElsewhere(channel: string, message: string): Promise<number> {
    const { id, listeners } = this.#confirmations.expect();
    try {
      const receivers = await this.connection.publish(channel, formatEnvelope({ from: this.ownId, id, message }));
      this.#confirmations.sent(id, receivers);
    } catch (error) {
      this.#confirmations.forget(id);
      throw error;
    }
    return listeners;
  }

  #receive(channel: string, text: string): void {
    const envelope = parseEnvelope(text);
    if (envelope === undefined) {
      this.watch.count('storeStrays', 'notice');
      return;
    }
    const { from, id, message } = envelope;
    const isOwn = from === this.ownId;
    // Own listeners got it when it was published.
    const listeners = isOwn ? 0 : this.#handOver(channel, message);
    if (id === undefined) return;
    if (isOwn) this.#confirmations.confirm({ id, listeners });
    else this.#confirmLater(from, { id, listeners });
  }

  #handOver(channel: string, message: string): number {
    try {
      return this.#local.publish(channel, message);
    } catch {
      // Something that cannot be said to a client, which no process of ours has sent.
      return 0;
    }
  }

  /** Lines that were said in one go are handed to the system before: a process that is killed after that has delivered them. */
  #confirmLater(process: string, confirmation: Confirmation): void {
    if (this.#unconfirmed.size === 0) {
      setImmediate(() => {
        const all = this.#unconfirmed;
        this.#unconfirmed = new Map();
        for (const [to, confirmations] of all) this.#confirmNow(to, confirmations);
      });
    }
    const confirmations = this.#unconfirmed.get(process);
    if (confirmations === undefined) this.#unconfirmed.set(process, [confirmation]);
    else confirmations.push(confirmation);
  }

  #confirmNow(to: string, confirmations: readonly Confirmation[]): void {
    for (let start = 0; start < confirmations.length; start += CONFIRMATIONS_AT_ONCE) {
      const some = confirmations.slice(start, start + CONFIRMATIONS_AT_ONCE);
      // Who misses it answers ABSENT.
      this.connection.publish(replyChannelOf(to), formatConfirmations(some)).catch(() => undefined);
    }
  }
}

function replyChannelOf(process: string): string {
  return `confirmed:${process}`;
}
