import { siteOf } from '../bounds/site.js';
import { peerIdToKey, verifySignature, type PeerId } from '../identity.js';
import { parseUnl } from '../unl.js';
import type { DhtLimits } from './limits.js';
import { encodeAnswer, STATUS } from './messages.js';
import type { Asked, DhtNode } from './node.js';
import { decodeJoin, encodeMembers, membershipOf, type NamedMember } from './topic-messages.js';
import { TopicShelf } from './topic-shelf.js';

/** What a topic keeper needs. */
interface TopicKeeperConfig {
  readonly node: Pick<DhtNode, 'id'>;
  readonly limits: DhtLimits;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/** Stands for the host when this node's own members are counted. */
const OWN = 'own';

const REFUSED = encodeAnswer({ status: STATUS.refused, receipt: undefined });

/** The members of topics that a node of the DHT keeps for others. */
export class TopicKeeper {
  readonly #config: TopicKeeperConfig;
  readonly #shelf: TopicShelf;

  constructor(config: TopicKeeperConfig) {
    this.#config = config;
    this.#shelf = new TopicShelf(config.limits, config.now);
  }

  /** Answers a JOIN, of a caller whose address its token has proven: keeps it, and names others. */
  onJoin({ from, value, token }: Pick<Asked, 'from' | 'value' | 'token'>): Buffer {
    const [id, join] = [this.#config.node.id(), decodeJoin(value)];
    if (token === undefined || id === undefined || join === undefined) return REFUSED;
    const { topic, near, signature, unl } = join;
    const peerId = peerIdIn(unl);
    const key = peerId === undefined ? undefined : peerIdToKey(peerId);
    if (peerId === undefined || key === undefined) return REFUSED;
    if (!verifySignature(peerId, membershipOf(token, id, from, topic, unl), signature)) return REFUSED;
    const member = {
      topic: topic.toString('hex'),
      key,
      unl,
      seenAt: from.address,
      host: siteOf(from.address),
    };
    if (!this.#shelf.add(member)) return REFUSED;
    return encodeMembers(this.#shelf.near(member.topic, near).filter((other) => !other.key.equals(key)));
  }

  /** Keeps a member of this node's own process, as if it had joined from elsewhere. */
  join(topic: Buffer, key: Buffer, unl: Buffer, seenAt: string | undefined): void {
    this.#shelf.add({ topic: topic.toString('hex'), key, unl, seenAt, host: OWN });
  }

  /** Forgets a member of this node's own process. */
  leave(topic: Buffer, key: Buffer): void {
    this.#shelf.delete(topic.toString('hex'), key);
  }

  /** Some members of a topic. */
  near(topic: Buffer, near: Buffer): readonly NamedMember[] {
    return this.#shelf.near(topic.toString('hex'), near);
  }
}

/** Whose locator it is: one of version 3, with a key. */
function peerIdIn(unl: Buffer): PeerId | undefined {
  try {
    const read = parseUnl(unl.toString('base64url'));
    return read.version === 3 ? read.peerId : undefined;
  } catch {
    return undefined;
  }
}
