import { BehaviorSubject, distinctUntilChanged, type Observable, type SchedulerLike } from 'rxjs';
import type { StorageState } from '../state.js';
import type { Dial } from './clients.js';
import { notAsked } from './failure.js';
import type { ChannelVerbs } from './node-channels.js';
import { RedisNodes } from './nodes.js';
import type { Found } from './probe.js';
import type { Script } from './script.js';
import { slotOf } from './slots.js';

/**
 * A cluster's channels are of so many hash slots: few enough that one command subscribes to several, and far more than there are nodes, so
 * that each gets its share.
 */
const LANES = 4_096;

/** What {@link RedisConnection} needs. */
interface RedisConnectionConfig {
  readonly dial: Dial;
  readonly found: Found;
  /** All keys and channels begin with it. */
  readonly prefix: string;
  readonly scheduler: SchedulerLike;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

/**
 * A Redis, or a cluster, as stores use it: scripts on keys of one place, and messages on channels. A place is a hash slot of its
 * own, so that a script may change several keys of it together.
 */
export class RedisConnection {
  readonly scheduler: SchedulerLike;
  readonly isCluster: boolean;
  readonly #nodes: RedisNodes;
  readonly #state = new BehaviorSubject<StorageState>({ isWritable: true });
  readonly #messageListeners = new Set<(channel: string, text: string) => void>();
  readonly #restoredListeners = new Set<() => void>();

  constructor(readonly config: RedisConnectionConfig) {
    const { dial, found, scheduler, random } = config;
    this.scheduler = scheduler;
    this.isCluster = found.ranges !== undefined;
    const tagOfChannel = (name: string) => name.slice(config.prefix.length + 1, name.indexOf('}'));
    this.#nodes = new RedisNodes({
      dial,
      scheduler,
      random,
      verbs: this.isCluster ? { ...SHARDED, tagOf: tagOfChannel } : PLAIN,
      tagOfChannel,
      heard: (name, text) => {
        const channel = name.slice(name.indexOf(':', config.prefix.length) + 1);
        for (const listener of this.#messageListeners) listener(channel, text);
      },
      changed: (isBetter) => {
        this.#look();
        if (isBetter) for (const listener of this.#restoredListeners) listener();
      },
    });
  }

  /** Whether all of it can be used: at once, and whenever that changes. */
  get state$(): Observable<StorageState> {
    return this.#state.pipe(distinctUntilChanged((one, other) => one.isWritable === other.isWritable));
  }

  /** Where it is, in words. */
  get name(): string {
    const [{ host, port }] = this.config.found.nodes;
    return `${host}:${port}`;
  }

  /** Connects. Resolves when it has, or could not. */
  async open(): Promise<void> {
    const { ranges, nodes } = this.config.found;
    await (ranges === undefined ? this.#nodes.openAlone(nodes[0]) : this.#nodes.openCluster(ranges));
    this.#look();
  }

  close(): void {
    this.#nodes.close();
    this.#state.complete();
  }

  /**
   * Runs a script on keys of one place.
   *
   * @param place the name of the place.
   * @param keys their names in the place.
   * @throws StoreError when it cannot be run, or has failed.
   */
  run(place: string, script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const names = keys.map((key) => `${this.config.prefix}{${place}}:${key}`);
    return this.#nodes.ask(place, (node) => node.run(script, names, args));
  }

  /**
   * Publishes a message; resolves to how many processes have got it.
   *
   * @throws StoreError when it cannot be published.
   */
  async publish(channel: string, text: string): Promise<number> {
    const [place, name] = this.#placeOf(channel);
    const receivers = await this.#nodes.ask(place, (node) =>
      node.ask((redis): Promise<unknown> => (this.isCluster ? redis.spublish(name, text) : redis.publish(name, text))),
    );
    if (typeof receivers !== 'number' || !Number.isInteger(receivers) || receivers < 0) throw notAsked('a message');
    return receivers;
  }

  /**
   * How many processes listen on a channel.
   *
   * @throws StoreError when that cannot be asked.
   */
  async listenersOn(channel: string): Promise<number> {
    const [place, name] = this.#placeOf(channel);
    const verb = this.isCluster ? 'shardnumsub' : 'numsub';
    const answer = await this.#nodes.ask(place, (node) => node.ask((redis) => redis.call('pubsub', verb, name)));
    const listeners: unknown = Array.isArray(answer) ? answer[1] : undefined;
    if (typeof listeners !== 'number') throw notAsked('who listens');
    return listeners;
  }

  /** Subscribes to a channel. Resolves when messages on it will come; if the store is gone, at once: they come when it is there again. */
  subscribe(channel: string): Promise<void> {
    return this.#nodes.listen(this.#placeOf(channel)[1]);
  }

  unsubscribe(channel: string): void {
    this.#nodes.leave(this.#placeOf(channel)[1]);
  }

  /** Calls a listener with each message, until the function that is returned is called. */
  onMessage(listener: (channel: string, text: string) => void): () => void {
    this.#messageListeners.add(listener);
    return () => this.#messageListeners.delete(listener);
  }

  /** Calls a listener whenever the store, or a part of it, is there again. It may have lost what it had. */
  onRestored(listener: () => void): () => void {
    this.#restoredListeners.add(listener);
    return () => this.#restoredListeners.delete(listener);
  }

  /** The place that a channel belongs to, and its name. */
  #placeOf(channel: string): [place: string, name: string] {
    const place = this.isCluster ? `c${slotOf(channel) % LANES}` : 'c';
    return [place, `${this.config.prefix}{${place}}:${channel}`];
  }

  #look(): void {
    const reason = this.#nodes.trouble;
    this.#state.next(reason === undefined ? { isWritable: true } : { isWritable: false, reason });
  }
}

const PLAIN: ChannelVerbs = {
  subscribe: (redis, names) => redis.subscribe(...names),
  unsubscribe: (redis, names) => redis.unsubscribe(...names),
  event: 'message',
  tagOf: () => '',
};

/** A cluster hands a message on a channel of this kind to one node instead of all. */
const SHARDED: Omit<ChannelVerbs, 'tagOf'> = {
  subscribe: (redis, names) => redis.ssubscribe(...names),
  unsubscribe: (redis, names) => redis.sunsubscribe(...names),
  event: 'smessage',
};
