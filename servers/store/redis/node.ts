import type { Redis } from 'ioredis';
import { Subscription, type SchedulerLike } from 'rxjs';
import type { ServerAddress } from '../../../lib/endpoint.js';
import { formatServer } from '../../../lib/endpoint.js';
import { reasonOf, StoreError } from '../../../lib/errors.js';
import type { Dial } from './clients.js';
import { isLate, redisCodeOf } from './failure.js';
import { NodeChannels, type ChannelVerbs } from './node-channels.js';
import type { Script } from './script.js';

/** Requests that may wait for the answer of one node. More are refused at once: it does not keep up. */
const MAX_PENDING = 20_000;

/** A node that has not answered in time is asked for a sign of life this often, in milliseconds. */
const PROBE_MS = 100;

/** What {@link RedisNode} needs. */
interface RedisNodeConfig {
  readonly address: ServerAddress;
  readonly dial: Dial;
  readonly scheduler: SchedulerLike;
  readonly verbs: ChannelVerbs;
  /** It can be used, or cannot any more. Whether for more than before. */
  readonly changed: (node: RedisNode, isBetter: boolean) => void;
  /** A message has come on a channel. */
  readonly heard: (name: string, message: string) => void;
  /** It has refused a subscription, or ended one: another node may have the slot. */
  readonly moved: () => void;
}

/**
 * One Redis, or one node of a cluster: a connection for requests, and one for subscriptions. Both are dialled again for as long as it
 * is not closed.
 */
export class RedisNode {
  readonly channels: NodeChannels;
  readonly #commands: Redis;
  readonly #timers = new Subscription();
  #pending = 0;
  /** It has not answered in time, and gets no more requests until it has answered one. */
  #isSilent = false;
  #isClosed = false;
  #reason = 'it is not connected yet';
  #wasReady = false;

  constructor(readonly config: RedisNodeConfig) {
    const { address, dial, verbs, heard, moved, scheduler } = config;
    this.#commands = dial(address, 'requests');
    this.channels = new NodeChannels({
      redis: dial(address, 'channels'),
      verbs,
      scheduler,
      heard,
      moved,
      changed: () => {
        this.#look();
      },
    });
    this.#commands.on('ready', () => {
      this.#isSilent = false;
      // What was lost can be written again while channels are subscribed to.
      if (this.isWhole === this.#wasReady) this.config.changed(this, true);
      else this.#look();
    });
    this.#commands.on('error', (error) => {
      this.#reason = reasonOf(error);
    });
    this.#commands.on('close', () => {
      this.#look();
    });
  }

  /** Its address, in words. */
  get name(): string {
    return formatServer(this.config.address);
  }

  /** Whether it takes requests. */
  get isReady(): boolean {
    return this.#commands.status === 'ready' && !this.#isSilent;
  }

  /** Whether it takes requests, and all channels that are listened on are subscribed to. */
  get isWhole(): boolean {
    return this.isReady && this.channels.isWhole;
  }

  /** Why it cannot be used. */
  get reason(): string {
    return `${this.name}: ${this.#isSilent ? 'it does not answer in time' : this.#reason}`;
  }

  /** Dials it. Resolves when it was reached, or was not. */
  async open(): Promise<void> {
    await Promise.allSettled([this.#commands.connect(), this.channels.open()]);
  }

  close(): void {
    this.#isClosed = true;
    this.#timers.unsubscribe();
    this.#commands.disconnect();
    this.channels.close();
  }

  /** Runs a script. */
  async run({ sha, text }: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const all = [...keys, ...args];
    try {
      return await this.ask((redis) => redis.evalsha(sha, keys.length, ...all));
    } catch (error) {
      if (redisCodeOf(error) !== 'NOSCRIPT') throw error;
      return this.ask((redis) => redis.eval(text, keys.length, ...all));
    }
  }

  /**
   * Asks it for something.
   *
   * @throws StoreError when it is not there, or does not keep up; or what the client throws.
   */
  async ask<T>(request: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.isReady) throw new StoreError(`The store cannot be reached (${this.reason})`);
    if (this.#pending >= MAX_PENDING) throw new StoreError(`The store at ${this.name} does not keep up`);
    this.#pending++;
    try {
      return await request(this.#commands);
    } catch (error) {
      if (isLate(error)) this.#fallSilent();
      throw error;
    } finally {
      this.#pending--;
    }
  }

  #fallSilent(): void {
    if (this.#isSilent || this.#isClosed) return;
    this.#isSilent = true;
    this.#look();
    this.#probe();
  }

  /** Answers come in the order of the requests: with that to the probe all before it have come, too. */
  #probe(): void {
    const again = () => {
      if (this.#isClosed || !this.#isSilent) return;
      this.#timers.add(
        this.config.scheduler.schedule(() => {
          this.#probe();
        }, PROBE_MS),
      );
    };
    this.#commands.ping().then(() => {
      this.#isSilent = false;
      this.#look();
    }, again);
  }

  #look(): void {
    if (this.#isClosed || this.isWhole === this.#wasReady) return;
    this.#wasReady = this.isWhole;
    this.config.changed(this, this.isWhole);
  }
}
