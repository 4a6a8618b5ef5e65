import type { GossipMessage } from '../../../lib/rooms/gossip.js';
import type { Member } from '../../../lib/rooms/machine.js';
import { MAX_MEMBERS, NONCES } from '../../../lib/rooms/overlay/messages.js';
import type { Carried, Gossip } from '../../../lib/rooms/broadcast/messages.js';
import type { Network } from './network.js';
import type { SimulatedNode } from './node.js';

/** What a hostile member does. It keeps its views as honest ones do, so that it is among them, but for what is said here. */
export interface Hostility {
  readonly name: string;
  /** Between two of its attacks, in milliseconds. */
  readonly everyMs: number;
  /** Whether its machine hears of a message. */
  takes(network: Network, node: SimulatedNode, from: string, message: GossipMessage): boolean;
  /** Whether it sends what its machine wants to say. */
  sends(message: GossipMessage): boolean;
  readonly harm: (network: Network, node: SimulatedNode) => void;
}

const OF_BROADCAST = new Set<GossipMessage['type']>(['gossip', 'announce', 'graft', 'prune', 'history', 'past']);

/** Takes part in the overlay, and neither takes nor passes on a message. */
class Dropping implements Hostility {
  readonly name: string = 'drops everything';
  readonly everyMs: number = 60_000;
  takes(_network: Network, _node: SimulatedNode, _from: string, message: GossipMessage): boolean {
    return !OF_BROADCAST.has(message.type);
  }
  sends(message: GossipMessage): boolean {
    return !OF_BROADCAST.has(message.type);
  }
  readonly harm: Hostility['harm'] = () => {
    // It only leaves undone.
  };
}

/** Names members that do not exist, wherever it can. */
class Lying extends Dropping {
  override readonly name = 'lies in shuffles';
  override readonly everyMs = 1_000;
  override takes(network: Network, node: SimulatedNode, from: string, message: GossipMessage): boolean {
    if (message.type !== 'shuffle') return super.takes(network, node, from, message);
    network.forge(node, from, { type: 'shuffle-answer', nonce: message.nonce, members: invented(network) });
    return false;
  }
  override readonly harm = (network: Network, node: SimulatedNode): void => {
    for (const id of node.links.keys()) {
      const nonce = network.chance.below(NONCES);
      network.forge(node, id, { type: 'shuffle', nonce, ttl: 1 + network.chance.below(3), members: invented(network) });
      for (const member of invented(network)) network.forge(node, id, { type: 'forward-join', member, ttl: 0 });
    }
  };
}

function invented(network: Network): Member[] {
  return Array.from({ length: MAX_MEMBERS }, () => {
    const id = `x${network.chance.below(2 ** 32)}`;
    return { id, unl: id, dialable: true };
  });
}

/** Sends everything again and again. */
class Replaying extends Dropping {
  override readonly name = 'replays';
  override readonly everyMs = 200;
  readonly #heard: Gossip[] = [];
  override takes(_network: Network, _node: SimulatedNode, _from: string, message: GossipMessage): boolean {
    if (message.type === 'gossip' && this.#heard.length < 100) this.#heard.push(message);
    return true;
  }
  override sends(): boolean {
    return true;
  }
  override readonly harm = (network: Network, node: SimulatedNode): void => {
    const message = network.chance.of(this.#heard);
    if (message !== undefined) for (const id of node.links.keys()) network.forge(node, id, { ...message });
  };
}

/** Sends forged messages, and much of everything else. */
class Flooding extends Dropping {
  override readonly name = 'floods';
  override readonly everyMs = 500;
  override readonly harm = (network: Network, node: SimulatedNode): void => {
    for (const id of node.links.keys()) {
      for (let i = 0; i < 5; i++) {
        network.forge(node, id, { type: 'gossip', message: forged(network), round: 1 });
        network.forge(node, id, { type: 'shuffle', nonce: i, ttl: 6, members: invented(network) });
        for (const member of invented(network)) network.forge(node, id, { type: 'forward-join', member, ttl: 6 });
      }
    }
  };
}

function forged(network: Network): Carried {
  return { id: `y${network.chance.below(2 ** 32)}`, bytes: NOTHING, isKept: true };
}

const NOTHING = new Uint8Array(32);

/** Announces what there is, as if it had come by the shortest way, and what there is not, and delivers nothing. */
class Announcing extends Dropping {
  override readonly name = 'announces and never delivers';
  override readonly everyMs = 1_000;
  readonly #announced = new Set<string>();
  override takes(network: Network, node: SimulatedNode, from: string, message: GossipMessage): boolean {
    if (message.type === 'gossip') this.#announce(network, node, message.message.id);
    if (message.type === 'announce') for (const { id } of message.announced) this.#announce(network, node, id);
    return super.takes(network, node, from, message);
  }
  override readonly harm = (network: Network, node: SimulatedNode): void => {
    this.#announce(network, node, `z${network.chance.below(2 ** 32)}`);
  };
  #announce(network: Network, node: SimulatedNode, messageId: string): void {
    // Two of them would tell each other for ever.
    if (this.#announced.has(messageId)) return;
    this.#announced.add(messageId);
    for (const id of node.links.keys())
      network.forge(node, id, { type: 'announce', announced: [{ id: messageId, round: 1, length: 1_024 }] });
  }
}

const KINDS: readonly [() => Hostility, ...(() => Hostility)[]] = [
  () => new Dropping(),
  () => new Lying(),
  () => new Replaying(),
  () => new Flooding(),
  () => new Announcing(),
];

/** One of each kind in its turn. */
export function hostility(index: number): Hostility {
  return (KINDS[index % KINDS.length] ?? KINDS[0])();
}
