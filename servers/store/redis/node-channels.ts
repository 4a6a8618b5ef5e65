import type { Redis } from 'ioredis';
import { Subscription, type SchedulerLike } from 'rxjs';
import { isLate } from './failure.js';

/** How channels are subscribed to: those of a cluster are sharded, as its keys are. */
export interface ChannelVerbs {
  readonly subscribe: (redis: Redis, names: readonly string[]) => Promise<unknown>;
  readonly unsubscribe: (redis: Redis, names: readonly string[]) => Promise<unknown>;
  /** The event by which the client tells of a message. */
  readonly event: 'message' | 'smessage';
  /** Names with the same one are of one hash slot, so that one command may name them all. */
  readonly tagOf: (name: string) => string;
}

/** What {@link NodeChannels} needs. */
interface NodeChannelsConfig {
  readonly redis: Redis;
  readonly verbs: ChannelVerbs;
  readonly scheduler: SchedulerLike;
  readonly heard: (name: string, message: string) => void;
  readonly moved: () => void;
  /** Whether all that are wanted are subscribed to may have changed. */
  readonly changed: () => void;
}

/** How many channels one command names: an answer to each comes back. */
const AT_ONCE = 256;

/** What was refused is asked for again after this time, in milliseconds. */
const AGAIN_MS = 200;

/**
 * The connection is looked at this often, in milliseconds: between messages nothing is said on it, so that one that is lost without a word,
 * as when a firewall has forgotten it, would never show.
 */
const LOOK_MS = 5_000;

/** The channels of one node that this process listens on, by one connection. After it was lost, all of them are subscribed to again. */
export class NodeChannels {
  /** Those that are to be subscribed to. */
  readonly #wanted = new Set<string>();
  /** Those for which that was asked on this connection. */
  readonly #asked = new Set<string>();
  /** Those of which one does not go with the other. */
  readonly #changed = new Set<string>();
  readonly #timers = new Subscription();
  /** Ends when what has changed now was asked for, and answered. */
  #next: Promise<void> | undefined;
  /** On this connection, all that are wanted were subscribed to once. */
  #isComplete = false;

  constructor(readonly config: NodeChannelsConfig) {
    const { redis, verbs, heard, moved, changed } = config;
    redis.on(verbs.event, heard);
    redis.on('moved', moved);
    redis.on('ready', () => {
      this.#isComplete = false;
      this.#asked.clear();
      for (const name of this.#wanted) this.#changed.add(name);
      void this.#flush();
    });
    redis.on('close', () => {
      this.#isComplete = false;
      this.#asked.clear();
      changed();
    });
    this.#lookLater();
  }

  /** Those that are listened on. */
  get names(): Iterable<string> {
    return this.#wanted;
  }

  /** Whether a channel is listened on. */
  has(name: string): boolean {
    return this.#wanted.has(name);
  }

  /** Whether all that were listened on when it connected are subscribed to, and since then each that came. */
  get isWhole(): boolean {
    return this.#isReady && this.#isComplete;
  }

  get #isReady(): boolean {
    return this.config.redis.status === 'ready';
  }

  open(): Promise<void> {
    return this.config.redis.connect();
  }

  close(): void {
    this.#timers.unsubscribe();
    this.config.redis.disconnect();
  }

  /** Resolves when what is published from now on will be heard; or, when the node is not there, at once. */
  add(name: string): Promise<void> {
    this.#wanted.add(name);
    return this.#change(name);
  }

  delete(name: string): void {
    this.#wanted.delete(name);
    void this.#change(name);
  }

  #change(name: string): Promise<void> {
    this.#changed.add(name);
    if (!this.#isReady) return Promise.resolve();
    // What changes in one go is asked for together.
    this.#next ??= Promise.resolve().then(() => this.#flush());
    return this.#next;
  }

  async #flush(): Promise<void> {
    this.#next = undefined;
    const { redis, verbs } = this.config;
    const [add, remove] = [new Map<string, string[]>(), new Map<string, string[]>()];
    for (const name of this.#changed) {
      const isWanted = this.#wanted.has(name);
      if (isWanted === this.#asked.has(name)) continue;
      const into = isWanted ? add : remove;
      const tag = verbs.tagOf(name);
      const names = into.get(tag);
      if (names === undefined) into.set(tag, [name]);
      else names.push(name);
      if (isWanted) this.#asked.add(name);
      else this.#asked.delete(name);
    }
    this.#changed.clear();
    const asked = [
      ...piecesOf(remove).map((names) => this.#ask(names, verbs.unsubscribe(redis, names))),
      ...piecesOf(add).map((names) => this.#ask(names, verbs.subscribe(redis, names))),
    ];
    await Promise.all(asked);
    if (!this.#isReady || this.#changed.size > 0 || this.#isComplete) return;
    this.#isComplete = true;
    this.config.changed();
  }

  async #ask(names: readonly string[], answer: Promise<unknown>): Promise<void> {
    try {
      await answer;
    } catch (error) {
      if (isLate(error)) this.#dialAgain();
      else for (const name of names) this.#again(name);
    }
  }

  #lookLater(): void {
    const { redis, scheduler } = this.config;
    this.#timers.add(
      scheduler.schedule(() => {
        this.#lookLater();
        if (!this.#isReady) return;
        redis.ping().catch((error: unknown) => {
          if (isLate(error)) this.#dialAgain();
        });
      }, LOOK_MS),
    );
  }

  /** What was asked last has got no answer for so long that the connection counts as lost. */
  #dialAgain(): void {
    if (this.#isReady && !this.#timers.closed) this.config.redis.disconnect(true);
  }

  /** A connection that is lost is not to be asked again: the next one is asked for everything. */
  #again(name: string): void {
    if (!this.#isReady) return;
    this.#asked.delete(name);
    if (!this.#wanted.has(name)) return;
    if (this.#changed.size === 0) {
      this.config.moved();
      this.#timers.add(
        this.config.scheduler.schedule(() => {
          if (this.#isReady) void this.#flush();
        }, AGAIN_MS),
      );
    }
    this.#changed.add(name);
  }
}

function piecesOf(byTag: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  return [...byTag.values()].flatMap((names) =>
    Array.from({ length: Math.ceil(names.length / AT_ONCE) }, (_, index) =>
      names.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
    ),
  );
}
