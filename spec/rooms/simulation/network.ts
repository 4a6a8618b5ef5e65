import { Chance } from '../../fuzz/chance.js';
import {
  createGossip,
  type GossipConfig,
  type GossipInput,
  type GossipMessage,
  type GossipOutput,
} from '../../../lib/rooms/gossip.js';
import type { Member } from '../../../lib/rooms/machine.js';
import { EventQueue } from './event-queue.js';
import type { Hostility } from './hostile.js';
import { Spread } from './spread.js';
import { SimulatedLink, SimulatedNode } from './node.js';

/** The access lines of the lab: 20 ms one way, 80 ms there and back between two nodes. Here they differ. */
const ACCESS_MS = { least: 10, most: 30 };
/** A packet may take longer by up to so many milliseconds. */
const JITTER_MS = 3;
/** Round trips until a room's channel is open: TCP, TLS 1.3, and both say hello. */
const DIAL_ROUND_TRIPS = 3;
/** A dial of a node that is not there fails after so long, in milliseconds: nothing answers. */
const DEAD_DIAL_MS = 5_000;
/** That a neighbour without power is gone is noticed after so long, in milliseconds. */
export const SILENCE_MS = 10_000;
/** Neighbours that a node looks for. */
export const ACTIVE_VIEW = 5;
/** Members that discovery finds: as many as a rendezvous server's sample has. */
const FOUND = 16;

type Event =
  | {
      readonly type: 'arrive';
      readonly link: SimulatedLink;
      readonly to: SimulatedNode;
      readonly message: GossipMessage;
    }
  | { readonly type: 'closed'; readonly link: SimulatedLink; readonly to: SimulatedNode }
  | { readonly type: 'dialled'; readonly by: SimulatedNode; readonly id: string }
  | { readonly type: 'wake'; readonly node: SimulatedNode }
  | { readonly type: 'harm'; readonly node: SimulatedNode }
  | { readonly type: 'do'; readonly action: () => void };

export interface NetworkConfig {
  readonly seed: number;
  /** The share of nodes that others can dial, from 0 to 1. Two that cannot be dialled connect as often as the lab's random NATs do not stop them. */
  readonly dialable?: number | undefined;
  /** How long a packet is on the way between a node and the internet, in milliseconds. Default: 10 to 30. */
  readonly accessMs?: { readonly least: number; readonly most: number } | undefined;
  /** Whether discovery finds the first node alone, and no others. */
  readonly byFirst?: boolean | undefined;
  readonly options?: GossipConfig['options'];
}

/** Two nodes that cannot be dialled connect by a punch or a relay, but now and then neither works in time. */
const PUNCHED = 0.9;

/** A room of any size in virtual time: the machines are those of the library, and all else is simulated here. */
export class Network {
  readonly chance: Chance;
  readonly nodes: SimulatedNode[] = [];
  readonly spreads = new Map<string, Spread>();
  /** Dials of nodes that do not exist, because somebody said that they do. */
  dialsInVain = 0;
  /** All that was sent, by its type. */
  readonly sent = new Map<string, number>();
  events = 0;
  readonly #byId = new Map<string, SimulatedNode>();
  readonly #queue = new EventQueue<Event>();
  #published = 0;

  constructor(readonly config: NetworkConfig) {
    this.chance = new Chance(config.seed);
  }

  /** Milliseconds of virtual time. */
  get now(): number {
    return this.#queue.now;
  }

  get alive(): readonly SimulatedNode[] {
    return this.nodes.filter(({ isAlive }) => isAlive);
  }

  /** Lets virtual time go on. */
  run(ms: number): void {
    const until = this.now + ms;
    for (let event = this.#queue.take(until); event !== undefined; event = this.#queue.take(until)) {
      this.events++;
      this.#happen(event);
    }
  }

  /** Does something after so many milliseconds. */
  after(ms: number, action: () => void): void {
    this.#queue.add(this.now + ms, { type: 'do', action });
  }

  /** A node joins: discovery tells it of some of those who are there. */
  join(hostility?: Hostility): SimulatedNode {
    const id = `n${this.nodes.length}`;
    const member = { id, unl: id, dialable: this.chance.next() < (this.config.dialable ?? 1) };
    const random = this.chance.next;
    const gossip = createGossip({ self: member, random, options: this.config.options });
    const { least, most } = this.config.accessMs ?? ACCESS_MS;
    const accessMs = least + this.chance.next() * (most - least);
    const node = new SimulatedNode(member, gossip, accessMs);
    node.hostility = hostility;
    node.joinedAt = this.now;
    const members =
      this.config.byFirst === true ? this.nodes.slice(0, 1).map(({ member }) => member) : this.sample(FOUND);
    this.nodes.push(node);
    this.#byId.set(id, node);
    this.feed(node, { type: 'found', members });
    if (hostility !== undefined) this.#queue.add(this.now + hostility.everyMs, { type: 'harm', node });
    return node;
  }

  /** Members that are there, at random. */
  sample(most: number): Member[] {
    const members = new Set<Member>();
    for (let tries = 0; tries < 4 * most && members.size < most; tries++) {
      const node = this.chance.of(this.nodes);
      if (node?.isAlive === true) members.add(node.member);
    }
    return [...members];
  }

  leave(node: SimulatedNode): void {
    this.feed(node, { type: 'leave' });
    node.isAlive = false;
    node.links.clear();
  }

  /** A node is gone at once: its process was killed, which its neighbours hear of, or it has lost its power, which they do not. */
  kill(node: SimulatedNode, isSilent: boolean): void {
    node.isAlive = false;
    for (const link of node.links.values()) {
      const to = link.other(node);
      link.isOpen = false;
      const delay = isSilent ? SILENCE_MS : this.#delayBetween(node, to);
      this.#queue.add(link.arrivalAt(to, this.now + delay), { type: 'closed', link, to });
    }
    node.links.clear();
  }

  /** A node says something. */
  publish(node: SimulatedNode, bytes: Uint8Array): Spread {
    const id = `m${this.#published++}`;
    const audience = this.nodes.filter((other) => other.isAlive && other.hostility === undefined && other !== node);
    const spread = new Spread(id, this.now, audience.length);
    this.spreads.set(id, spread);
    this.feed(node, { type: 'publish', message: { id, bytes, isKept: true } });
    return spread;
  }

  feed(node: SimulatedNode, input: GossipInput): void {
    this.#perform(node, node.gossip.handle(input, this.now));
  }

  /** Sends what no machine has said. */
  forge(node: SimulatedNode, to: string, message: GossipMessage): void {
    const link = node.links.get(to);
    if (link?.isOpen === true) this.#sendOver(link, node, message);
  }

  #happen(event: Event): void {
    switch (event.type) {
      case 'arrive': {
        const { link, to, message } = event;
        // What was on its way to a node that has closed the channel is lost; what its end had sent before is not.
        if (!to.isAlive || to.links.get(link.other(to).member.id) !== link) return;
        const from = link.other(to).member.id;
        if (message.type === 'gossip') this.spreads.get(message.message.id)?.copied();
        if (to.hostility?.takes(this, to, from, message) === false) return;
        this.feed(to, { type: 'received', from, message });
        break;
      }
      case 'closed': {
        const { link, to } = event;
        const from = link.other(to).member.id;
        if (!to.isAlive || to.links.get(from) !== link) return;
        to.links.delete(from);
        this.feed(to, { type: 'closed', id: from });
        break;
      }
      case 'dialled':
        this.#dialled(event.by, event.id);
        break;
      case 'wake': {
        const { node } = event;
        if (!node.isAlive || node.wakeAt > this.now) return;
        node.wakeAt = Infinity;
        this.feed(node, { type: 'wake' });
        break;
      }
      case 'harm': {
        const { node } = event;
        if (!node.isAlive || node.hostility === undefined) return;
        node.hostility.harm(this, node);
        this.#queue.add(this.now + node.hostility.everyMs, event);
        break;
      }
      case 'do':
        event.action();
        break;
    }
  }

  #perform(node: SimulatedNode, outputs: readonly GossipOutput[]): void {
    for (const output of outputs) {
      switch (output.type) {
        case 'send': {
          if (node.hostility?.sends(output.message) === false) break;
          const link = node.links.get(output.to);
          if (link?.isOpen === true) this.#sendOver(link, node, output.message);
          break;
        }
        case 'dial':
          this.#dial(node, output.member.id);
          break;
        case 'close':
          this.#close(node, output.id);
          break;
        case 'check':
          this.feed(node, {
            type: 'checked',
            id: output.message.id,
            from: output.from,
            verdict: this.spreads.has(output.message.id) ? 'accept' : 'reject',
          });
          break;
        case 'deliver':
          if (node.hostility !== undefined) break;
          node.delivered++;
          this.spreads.get(output.message.id)?.delivered(node.joinedAt, output.hops, this.now);
          break;
        case 'up':
          node.degree++;
          break;
        case 'down':
          if (node.degree-- >= ACTIVE_VIEW) node.wholeAt = this.now;
          break;
      }
    }
    const { wakeAt } = node.gossip;
    if (wakeAt === undefined || wakeAt >= node.wakeAt) return;
    node.wakeAt = wakeAt;
    this.#queue.add(wakeAt, { type: 'wake', node });
  }

  #sendOver(link: SimulatedLink, from: SimulatedNode, message: GossipMessage): void {
    this.sent.set(message.type, (this.sent.get(message.type) ?? 0) + 1);
    const to = link.other(from);
    const at = this.now + this.#delayBetween(from, to) + this.chance.next() * JITTER_MS;
    this.#queue.add(link.arrivalAt(to, at), { type: 'arrive', link, to, message });
  }

  #dial(by: SimulatedNode, id: string): void {
    const to = this.#byId.get(id);
    if (to === undefined) this.dialsInVain++;
    const ms = to?.isAlive === true ? 2 * DIAL_ROUND_TRIPS * this.#delayBetween(by, to) : DEAD_DIAL_MS;
    this.#queue.add(this.now + ms, { type: 'dialled', by, id });
  }

  #dialled(by: SimulatedNode, id: string): void {
    const to = this.#byId.get(id);
    // The other may have dialled meanwhile.
    if (!by.isAlive || by.links.has(id)) return;
    const isReached = by.member.dialable || to?.member.dialable === true || this.chance.next() < PUNCHED;
    if (to?.isAlive !== true || to.links.has(by.member.id) || !isReached) {
      this.feed(by, { type: 'failed', id });
      return;
    }
    const link = new SimulatedLink(by, to);
    by.links.set(id, link);
    to.links.set(by.member.id, link);
    this.feed(to, { type: 'opened', member: by.member });
    this.feed(by, { type: 'opened', member: to.member });
  }

  #close(node: SimulatedNode, id: string): void {
    const link = node.links.get(id);
    if (link === undefined) return;
    node.links.delete(id);
    if (!link.isOpen) return;
    link.isOpen = false;
    const to = link.other(node);
    this.#queue.add(link.arrivalAt(to, this.now + this.#delayBetween(node, to)), { type: 'closed', link, to });
  }

  #delayBetween(a: SimulatedNode, b: SimulatedNode): number {
    return a.accessMs + b.accessMs;
  }
}
