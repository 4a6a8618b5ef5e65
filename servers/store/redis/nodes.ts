import { Subscription, type SchedulerLike } from 'rxjs';
import { formatServer, type ServerAddress } from '../../../lib/endpoint.js';
import { StoreError } from '../../../lib/errors.js';
import type { Dial } from './clients.js';
import { isElsewhere, storeFailure } from './failure.js';
import type { ChannelVerbs } from './node-channels.js';
import { RedisNode } from './node.js';
import { parseSlots, slotOf, SLOTS, type SlotRange } from './slots.js';

/** Who has which slots is asked at most this often, in milliseconds, and half as often again by chance. */
const LOOK_MS = 200;

/** What {@link RedisNodes} needs. */
export interface RedisNodesConfig {
  readonly dial: Dial;
  readonly scheduler: SchedulerLike;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly verbs: ChannelVerbs;
  /** The tag of each channel that is listened on. */
  readonly tagOfChannel: (name: string) => string;
  readonly heard: (name: string, message: string) => void;
  /** A node can be used, or cannot any more; or other nodes have the slots. Whether more can be used than before. */
  readonly changed: (isBetter: boolean) => void;
}

/** All nodes of a Redis: one, which has all slots, or those of a cluster, of which each has some. */
export class RedisNodes {
  readonly #nodes = new Map<string, RedisNode>();
  /** The node that has a slot. */
  #owners: readonly (RedisNode | undefined)[] = [];
  readonly #timers = new Subscription();
  #looking: Promise<void> | undefined;
  #isToLook = false;
  #isClosed = false;

  constructor(readonly config: RedisNodesConfig) {}

  /** One Redis that is no part of a cluster. */
  async openAlone(address: ServerAddress): Promise<void> {
    const node = this.#nodeAt(address);
    this.#owners = Array.from({ length: SLOTS }, () => node);
    await node.open();
  }

  /** The nodes of a cluster. */
  async openCluster(ranges: readonly SlotRange[]): Promise<void> {
    this.#setRanges(ranges);
    await Promise.all([...this.#nodes.values()].map((node) => node.open()));
  }

  close(): void {
    this.#isClosed = true;
    this.#timers.unsubscribe();
    for (const node of this.#nodes.values()) node.close();
  }

  /** Why some of it cannot be used; `undefined` when all can. */
  get trouble(): string | undefined {
    const nodes = [...this.#nodes.values()];
    const troubled = nodes.filter((node) => !node.isWhole).map(({ reason }) => reason);
    if (troubled.length > 0) return troubled.join('; ');
    return this.#owners.includes(undefined) ? 'no node of the cluster has some of the slots' : undefined;
  }

  /** Whether the node that has the slot of a tag takes requests. */
  isReady(tag: string): boolean {
    return this.#ownerOf(tag)?.isReady === true;
  }

  /** The node that has the slot of a tag, in words. */
  nameOf(tag: string): string {
    return this.#ownerOf(tag)?.name ?? 'an unknown address';
  }

  /**
   * Asks the node that has the slot of a tag.
   *
   * @throws StoreError when it cannot be asked, or has refused.
   */
  async ask<T>(tag: string, request: (node: RedisNode) => Promise<T>): Promise<T> {
    try {
      return await request(this.#expectOwner(tag));
    } catch (error) {
      if (!isElsewhere(error)) throw storeFailure(this.nameOf(tag), error);
    }
    await this.look();
    try {
      return await request(this.#expectOwner(tag));
    } catch (error) {
      throw storeFailure(this.nameOf(tag), error);
    }
  }

  /** Subscribes to a channel at the node that has its slot. */
  listen(name: string): Promise<void> {
    return this.#ownerOf(this.config.tagOfChannel(name))?.channels.add(name) ?? Promise.resolve();
  }

  /** Subscribes to a channel no longer. */
  leave(name: string): void {
    for (const node of this.#nodes.values()) if (node.channels.has(name)) node.channels.delete(name);
  }

  /** Looks again who has which slots. Those who want to know at the same time look once. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    for (const node of [...this.#nodes.values()]) {
      const { host } = node.config.address;
      const reply = await node.ask((redis) => redis.call('cluster', 'slots')).catch(() => undefined);
      const ranges = parseSlots(reply, host);
      if (ranges === undefined || ranges.length === 0) continue;
      if (!this.#isClosed) this.#setRanges(ranges);
      break;
    }
    // A cluster takes a while to notice that a node is gone, and to have another take its slots.
    if (this.#owners.some((owner) => owner?.isWhole !== true)) this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#isToLook || this.#isClosed) return;
    this.#isToLook = true;
    this.#timers.add(
      this.config.scheduler.schedule(
        () => {
          this.#isToLook = false;
          void this.look();
        },
        LOOK_MS * (1 + this.config.random() / 2),
      ),
    );
  }

  #ownerOf(tag: string): RedisNode | undefined {
    return this.#owners[slotOf(tag)];
  }

  #expectOwner(tag: string): RedisNode {
    const owner = this.#ownerOf(tag);
    if (owner === undefined) throw new StoreError('The store cannot be reached: no node of the cluster has the slot');
    return owner;
  }

  #nodeAt(address: ServerAddress): RedisNode {
    const key = formatServer(address);
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const { dial, scheduler, verbs, heard, changed } = this.config;
    const node = new RedisNode({
      address,
      dial,
      scheduler,
      verbs,
      heard,
      changed: (of, isBetter) => {
        // Another may have its slots now. Of its two connections either may be lost first, and the other a little later.
        if (!of.isWhole && this.#nodes.size > 1) this.#lookSoon();
        changed(isBetter);
      },
      moved: () => {
        this.#lookSoon();
      },
    });
    this.#nodes.set(key, node);
    return node;
  }

  #setRanges(ranges: readonly SlotRange[]): void {
    const owners: (RedisNode | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
    const before = new Set(this.#nodes.values());
    for (const { first, last, host, port } of ranges) owners.fill(this.#nodeAt({ host, port }), first, last + 1);
    if (this.#owners.length > 0 && owners.every((owner, slot) => owner === this.#owners[slot])) return;
    const isFirst = this.#owners.length === 0;
    this.#owners = owners;
    if (isFirst) return;
    for (const node of this.#nodes.values()) if (!before.has(node)) void node.open();
    const owning = new Set(owners);
    for (const [key, node] of this.#nodes) {
      for (const name of [...node.channels.names]) {
        const owner = this.#ownerOf(this.config.tagOfChannel(name));
        if (owner === node || owner === undefined) continue;
        node.channels.delete(name);
        void owner.channels.add(name);
      }
      if (owning.has(node)) continue;
      this.#nodes.delete(key);
      node.close();
    }
    this.config.changed(true);
  }
}
