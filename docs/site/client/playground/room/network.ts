import {
  createGossip,
  type Gossip,
  type GossipInput,
  type GossipMessage,
  type GossipOutput,
} from '../../../../../lib/rooms/gossip.js';

// A made-up network for the library's room: members at places of a map, and messages that take as long as the way is far.

/** A place on the map, from 0 to 1 each way. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface MemberState {
  readonly id: string;
  readonly place: Place;
  readonly gossip: Gossip;
  /** Whether it is still there. */
  isThere: boolean;
  /** Hops of the message that was published last; `undefined` until it is there. */
  hops: number | undefined;
}

/** A message on its way. */
export interface Flight {
  readonly from: MemberState;
  readonly to: MemberState;
  readonly type: GossipMessage['type'];
  readonly leavesMs: number;
  readonly arrivesMs: number;
}

/** What has become of the message that was published last. */
export interface Spread {
  readonly id: string;
  readonly startMs: number;
  readonly members: number;
  reached: number;
  lastMs: number;
  hops: number;
  /** Times that it was sent in full. */
  copies: number;
  announced: number;
}

/** The shortest and the longest way, in milliseconds. */
const [NEAR_MS, FAR_MS] = [15, 110] as const;
/** To open a channel: a dial, TLS, and hello. */
const OPEN_TRIPS = 4;
/** A dial to somebody who is gone, in milliseconds. */
const FAILED_MS = 800;
/** Until a neighbour that is gone is missed, in milliseconds. */
const MISSED_MS = 600;
/** Members that a newcomer is told of by discovery. */
const FOUND = 6;

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Network {
  now = 0;
  readonly members = new Map<string, MemberState>();
  readonly flights = new Set<Flight>();
  spread: Spread | undefined;
  readonly #open = new Set<string>();
  readonly #branches = new Set<string>();
  readonly #queue: Due[] = [];
  readonly #random: () => number;
  #order = 0;
  #published = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get present(): readonly MemberState[] {
    return [...this.members.values()].filter(({ isThere }) => isThere);
  }

  /** Pairs that are neighbours, each once, and whether messages are pushed between them. */
  get ways(): readonly { readonly one: MemberState; readonly other: MemberState; readonly isBranch: boolean }[] {
    return this.present.flatMap((one) =>
      one.gossip.neighbours.flatMap(({ id }) => {
        const other = this.members.get(id);
        if (other?.isThere !== true || one.id >= id) return [];
        return [{ one, other, isBranch: this.#branches.has(pairOf(one.id, id)) }];
      }),
    );
  }

  /** Somebody comes, and is told of a few others. */
  join(place: Place): MemberState {
    const id = `m${this.members.size + 1}`;
    const others = shuffled(this.present, this.#random).slice(0, FOUND);
    const gossip = createGossip({ self: { id, unl: id, dialable: true }, random: this.#random });
    const member: MemberState = { id, place, gossip, isThere: true, hops: undefined };
    this.members.set(id, member);
    const members = others.map((other) => ({ id: other.id, unl: other.id, dialable: true }));
    this.#tell(member, { type: 'found', members });
    return member;
  }

  /** Somebody is gone from one moment to the next, without a word. */
  lose(member: MemberState): void {
    member.isThere = false;
    for (const other of this.present) {
      const pair = pairOf(member.id, other.id);
      if (this.#open.delete(pair))
        this.#after(MISSED_MS, () => {
          this.#tell(other, { type: 'closed', id: member.id });
        });
    }
  }

  publish(author: MemberState): void {
    const id = `message ${++this.#published}`;
    const members = this.present;
    for (const member of members) member.hops = undefined;
    author.hops = 0;
    this.spread = {
      id,
      startMs: this.now,
      members: members.length,
      reached: 1,
      lastMs: this.now,
      hops: 0,
      copies: 0,
      announced: 0,
    };
    this.#tell(author, { type: 'publish', message: { id, bytes: new Uint8Array(100), isKept: false } });
  }

  /** Lets time go by, up to a moment. */
  runUntil(ms: number): void {
    for (let next = this.#queue.at(-1); next !== undefined && next.atMs <= ms; next = this.#queue.at(-1)) {
      this.#queue.pop();
      this.now = next.atMs;
      next.run();
    }
    this.now = Math.max(this.now, ms);
  }

  #after(ms: number, run: () => void): void {
    const due = { atMs: this.now + ms, order: this.#order++, run };
    // The latest first, so that the next is at the end.
    let [low, high] = [0, this.#queue.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#queue[middle];
      if (other !== undefined && (other.atMs > due.atMs || (other.atMs === due.atMs && other.order > due.order)))
        low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, due);
  }

  #tell(member: MemberState, input: GossipInput): void {
    if (!member.isThere) return;
    for (const output of member.gossip.handle(input, this.now)) this.#carryOut(member, output);
    const { wakeAt } = member.gossip;
    if (wakeAt === undefined) return;
    this.#after(Math.max(1, wakeAt - this.now), () => {
      const due = member.gossip.wakeAt;
      if (due !== undefined && due <= this.now) this.#tell(member, { type: 'wake' });
    });
  }

  #carryOut(member: MemberState, output: GossipOutput): void {
    switch (output.type) {
      case 'dial':
        this.#dial(member, output.member.id);
        return;
      case 'send':
        this.#send(member, output.to, output.message);
        return;
      case 'close':
        if (this.#open.delete(pairOf(member.id, output.id)))
          this.#later(member, output.id, { type: 'closed', id: member.id });
        return;
      case 'check':
        this.#after(0, () => {
          this.#tell(member, { type: 'checked', id: output.message.id, from: output.from, verdict: 'accept' });
        });
        return;
      case 'deliver':
        this.#delivered(member, output.message.id, output.hops);
        return;
      case 'up':
        this.#branches.delete(pairOf(member.id, output.id));
        return;
      case 'down':
        return;
    }
  }

  #dial(member: MemberState, id: string): void {
    const other = this.members.get(id);
    if (other?.isThere !== true) {
      this.#after(FAILED_MS, () => {
        this.#tell(member, { type: 'failed', id });
      });
      return;
    }
    this.#after(OPEN_TRIPS * tripMs(member, other), () => {
      if (!member.isThere || !other.isThere) {
        this.#tell(member, { type: 'failed', id });
        return;
      }
      const isNew = !this.#open.has(pairOf(member.id, id));
      this.#open.add(pairOf(member.id, id));
      this.#tell(member, { type: 'opened', member: { id, unl: id, dialable: true } });
      if (isNew) this.#tell(other, { type: 'opened', member: { id: member.id, unl: member.id, dialable: true } });
    });
  }

  #send(from: MemberState, id: string, message: GossipMessage): void {
    const to = this.members.get(id);
    if (to === undefined || !this.#open.has(pairOf(from.id, id))) return;
    const { spread } = this;
    if (spread !== undefined && message.type === 'gossip' && message.message.id === spread.id) spread.copies += 1;
    if (spread !== undefined && message.type === 'announce') spread.announced += 1;
    if (message.type === 'prune') this.#branches.delete(pairOf(from.id, id));
    if (message.type === 'gossip' || (message.type === 'graft' && message.isBranch))
      this.#branches.add(pairOf(from.id, id));
    const flight = { from, to, type: message.type, leavesMs: this.now, arrivesMs: this.now + tripMs(from, to) };
    this.flights.add(flight);
    this.#after(tripMs(from, to), () => {
      this.flights.delete(flight);
      if (this.#open.has(pairOf(from.id, id))) this.#tell(to, { type: 'received', from: from.id, message });
    });
  }

  #later(from: MemberState, id: string, input: GossipInput): void {
    const to = this.members.get(id);
    if (to !== undefined)
      this.#after(tripMs(from, to), () => {
        this.#tell(to, input);
      });
  }

  #delivered(member: MemberState, id: string, hops: number): void {
    const { spread } = this;
    if (spread?.id !== id) return;
    member.hops = hops;
    spread.reached += 1;
    spread.lastMs = this.now;
    spread.hops = Math.max(spread.hops, hops);
  }
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

function tripMs({ place: a }: MemberState, { place: b }: MemberState): number {
  return NEAR_MS + (FAR_MS - NEAR_MS) * Math.min(1, Math.hypot(a.x - b.x, a.y - b.y));
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
