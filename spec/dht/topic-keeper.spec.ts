import { DEFAULT_DHT_LIMITS } from '../../lib/dht/limits.js';
import { decodeAnswer, STATUS } from '../../lib/dht/messages.js';
import { TopicKeeper } from '../../lib/dht/topic-keeper.js';
import { decodeMembers, encodeJoin, membershipOf } from '../../lib/dht/topic-messages.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { formatUnl } from '../../lib/unl.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';

const TOPIC = Buffer.alloc(32, 1);
const TOKEN = Buffer.alloc(32, 2);
const ID = Buffer.alloc(32, 3);
const FROM = { address: '198.51.100.7', port: 4000 };

const unlBytes = ({ peerId }: Identity) => Buffer.from(formatUnl(unlOf({ peerId })), 'base64url');

describe('A node of the DHT that keeps members of topics', () => {
  const alice = createIdentity();

  function keeperOf(id: Buffer | undefined = ID) {
    const keeper = new TopicKeeper({ node: { id: () => id }, limits: DEFAULT_DHT_LIMITS, now: () => 0 });
    const join = (value: Buffer, from = FROM, token: Buffer | undefined = TOKEN) =>
      decodeAnswer(keeper.onJoin({ from, value, token }))?.status;
    const named = () => [...keeper.near(TOPIC, ID)].map(({ seenAt, unl }) => ({ seenAt, unl }));
    return { keeper, join, named };
  }

  function joinOf(
    signer: Identity,
    unl = unlBytes(signer),
    { token = TOKEN, id = ID, from = FROM, topic = TOPIC, signed = unl } = {},
  ): Buffer {
    return encodeJoin({
      topic: TOPIC,
      near: ID,
      signature: signer.sign(membershipOf(token, id, from, topic, signed)),
      unl,
    });
  }

  it('names a member that has signed for it, and where it is seen', () => {
    const { join, named } = keeperOf();
    expect(join(joinOf(alice))).toBe(STATUS.ok);
    expect(named()).toEqual([{ seenAt: FROM.address, unl: unlBytes(alice) }]);
  });

  it('answers a member with the others, and not with itself', () => {
    const { keeper } = keeperOf();
    const bob = createIdentity();
    const answerTo = (signer: Identity) =>
      decodeMembers(keeper.onJoin({ from: FROM, value: joinOf(signer), token: TOKEN }));
    expect(answerTo(alice)).toEqual([]);
    expect(answerTo(bob)).toEqual([{ seenAt: FROM.address, unl: unlBytes(alice) }]);
    expect(answerTo(alice)).toEqual([{ seenAt: FROM.address, unl: unlBytes(bob) }]);
  });

  it('takes no forged ones', () => {
    const { keeper, join, named } = keeperOf();
    const eve = createIdentity();
    const other = Buffer.alloc(32, 9);
    const forged = [
      joinOf(eve, unlBytes(alice)),
      joinOf(alice, unlBytes(alice), { token: other }),
      joinOf(alice, unlBytes(alice), { id: other }),
      joinOf(alice, unlBytes(alice), { from: { ...FROM, port: 4001 } }),
      joinOf(alice, unlBytes(alice), { topic: other }),
      joinOf(alice, unlBytes(alice), { signed: unlBytes(eve) }),
      joinOf(alice, Buffer.from(formatUnl(unlOfVersion2()), 'base64')),
      joinOf(alice, Buffer.alloc(40, 7)),
      encodeJoin({ topic: TOPIC, near: ID, signature: Buffer.alloc(64), unl: unlBytes(alice) }),
      Buffer.alloc(0),
      Buffer.alloc(2_000),
    ];
    expect(forged.map((value) => join(value))).toEqual(forged.map(() => STATUS.refused));
    // The same from elsewhere, without a token, or at a node that is no part of the DHT.
    expect(join(joinOf(alice), { ...FROM, address: '198.51.100.8' })).toBe(STATUS.refused);
    expect(decodeAnswer(keeper.onJoin({ from: FROM, value: joinOf(alice), token: undefined }))?.status).toBe(
      STATUS.refused,
    );
    expect(named()).toEqual([]);
  });

  it('keeps members of its own process, until they leave', () => {
    const { keeper, named } = keeperOf();
    keeper.join(TOPIC, Buffer.alloc(32, 5), unlBytes(alice), undefined);
    expect(named()).toEqual([{ seenAt: undefined, unl: unlBytes(alice) }]);
    keeper.leave(TOPIC, Buffer.alloc(32, 5));
    expect(named()).toEqual([]);
  });
});
