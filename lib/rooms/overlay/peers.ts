import type { PeerId } from '../../identity.js';
import type { Member, Random } from '../machine.js';
import type { Peer, PeerState } from './peer.js';

/** The peers with whom this node has to do, and among them the active view: its neighbours. */
export class Peers {
  readonly #all = new Map<PeerId, Peer>();
  readonly #active: Peer[] = [];

  constructor(readonly random: Random) {}

  /** The neighbours. */
  get active(): readonly Peer[] {
    return this.#active;
  }

  get hasOthers(): boolean {
    return this.#all.size > this.#active.length;
  }

  get(id: PeerId): Peer | undefined {
    return this.#all.get(id);
  }

  has(id: PeerId): boolean {
    return this.#all.has(id);
  }

  add(peer: Peer): void {
    this.#all.set(peer.member.id, peer);
  }

  /** A peer becomes a neighbour. */
  activate(peer: Peer, now: number): void {
    peer.become('active', now);
    this.#active.push(peer);
  }

  /** Forgets a peer. Returns whether it was a neighbour. */
  delete(peer: Peer): boolean {
    this.#all.delete(peer.member.id);
    if (peer.state !== 'active') return false;
    const place = this.#active.indexOf(peer);
    const last = this.#active.pop();
    if (last !== undefined && last !== peer) this.#active[place] = last;
    return true;
  }

  clear(): void {
    this.#all.clear();
    this.#active.length = 0;
  }

  /** Those in this state, the oldest first. */
  all(state: PeerState): readonly Peer[] {
    return [...this.#all.values()].filter((peer) => peer.state === state);
  }

  count(state: PeerState): number {
    let count = 0;
    for (const peer of this.#all.values()) if (peer.state === state) count++;
    return count;
  }

  /** A neighbour at random, but for one, and for the member that a walk is about. */
  any(without?: Peer, id?: PeerId): Peer | undefined {
    const { length } = this.#active;
    const from = Math.floor(this.random() * length);
    for (let step = 0; step < length; step++) {
      const peer = this.#active[(from + step) % length];
      if (peer !== undefined && peer !== without && peer.member.id !== id) return peer;
    }
    return undefined;
  }

  /** Adds neighbours at random to a list, until it has so many. */
  sampleInto(members: Member[], length: number, without: PeerId): void {
    const count = this.#active.length;
    const from = Math.floor(this.random() * count);
    for (let step = 0; step < count && members.length < length; step++) {
      const member = this.#active[(from + step) % count]?.member;
      if (member !== undefined && member.id !== without) members.push(member);
    }
  }

  [Symbol.iterator](): IterableIterator<Peer> {
    return this.#all.values();
  }
}
