import { createIdentity, type Identity } from '../../../lib/identity.js';
import { Authors, MAX_AGE_MS } from '../../../lib/rooms/author/authors.js';
import { readMessage, streamOf } from '../../../lib/rooms/author/message.js';
import { hereBy, signedBy, topicOf } from '../support.js';

describe('Authors of a room', () => {
  const [alice, bob, carol] = [createIdentity(), createIdentity(), createIdentity()];
  let now = 0;

  beforeEach(() => {
    now = 0;
  });

  const authors = (config: Partial<ConstructorParameters<typeof Authors>[0]> = {}) =>
    new Authors({
      topic: topicOf('chess'),
      most: 10,
      perSecond: 10,
      burst: 100,
      now: () => now,
      timeOfDay: () => now,
      ...config,
    });

  /** Judges a message as a neighbour passes it on. */
  const judge = (by: Authors, bytes: Buffer, from = carol.peerId, isPast = false) =>
    by.judge(readMessage(bytes), bytes, from, isPast);

  it('are heard once for each message', () => {
    const all = authors();
    expect(judge(all, signedBy(alice))).toBe('accept');
    expect(judge(all, signedBy(alice))).toBe('ignore');
    expect(judge(all, signedBy(alice, { number: 2 }))).toBe('accept');
    expect(judge(all, signedBy(bob))).toBe('accept');
  });

  it('are not believed by a signature of another room or of somebody else, which does not use up the number', () => {
    const all = authors();
    const forged = signedBy(alice);
    forged[forged.length - 1] = 0;
    expect(judge(all, forged)).toBe('reject');
    expect(judge(all, signedBy(alice, { topic: topicOf('go') }))).toBe('reject');
    expect(judge(all, signedBy(alice))).toBe('accept');
  });

  it('are held to a rate, by what they have signed and not by what others say in their name', () => {
    const all = authors({ perSecond: 1, burst: 2 });
    const forged = signedBy(alice, { number: 9 });
    forged[forged.length - 1] = 0;
    for (let count = 0; count < 10; count++) expect(judge(all, forged)).toBe('reject');
    expect([1, 2, 3].map((number) => judge(all, signedBy(alice, { number })))).toEqual(['accept', 'accept', 'ignore']);
    expect(judge(all, signedBy(bob))).toBe('accept');
    now += 1_000;
    expect(judge(all, signedBy(alice, { number: 3 }))).toBe('accept');
  });

  it('are remembered up to a number, those who were heard last', () => {
    const all = authors({ most: 2 });
    // Each brings what it says itself.
    const hear = (identity: Identity, number: number) => judge(all, signedBy(identity, { number }), identity.peerId);
    expect([hear(alice, 1), hear(bob, 1), hear(alice, 2), hear(carol, 1)]).toEqual(Array(4).fill('accept'));
    expect(hear(alice, 2)).toBe('ignore');
    // Bob, who was heard the longest ago, has been forgotten.
    now += 1_000;
    expect(hear(bob, 1)).toBe('accept');
  });

  it('are forgotten for new ones no faster than a limit for each neighbour: keys cost nothing', () => {
    const all = authors({ most: 3 });
    const flood = Array.from({ length: 5 }, () => judge(all, signedBy(createIdentity())));
    expect(flood).toEqual(['accept', 'accept', 'accept', 'refuse', 'refuse']);
    expect(judge(all, signedBy(alice), bob.peerId)).toBe('accept');
    const many = authors({ most: 1_000 });
    const verdicts = Array.from({ length: 101 }, () => judge(many, signedBy(createIdentity())));
    expect(verdicts.indexOf('refuse')).toBe(100);
  });

  it('are not heard again with what they said long ago, or in a run before, and it takes nothing of what they may say', () => {
    now = 2 * MAX_AGE_MS;
    const all = authors({ burst: 2 });
    const old = signedBy(alice, { number: 7 });
    expect(judge(all, old)).toBe('ignore');
    const [before, stream] = [streamOf(1_000, Buffer.of(0, 0)), streamOf(2_000, Buffer.of(0, 0))];
    expect(judge(all, signedBy(alice, { at: now, stream }))).toBe('accept');
    for (let number = 1; number < 5; number++)
      expect(judge(all, signedBy(alice, { at: now, stream: before, number }))).toBe('ignore');
    expect(judge(all, old)).toBe('ignore');
    // A newcomer has asked for the past.
    expect(judge(all, signedBy(alice, { stream: before }), carol.peerId, true)).toBe('accept');
    now += 1_000;
    expect(judge(all, signedBy(alice, { at: now, stream, number: 2 }))).toBe('accept');
  });

  it('are not silenced by a forged message that says it is old', () => {
    now = 2 * MAX_AGE_MS;
    const all = authors();
    const forged = signedBy(alice);
    forged[forged.length - 1] = 0;
    expect(judge(all, forged)).toBe('reject');
    expect(judge(all, signedBy(alice, { at: now }))).toBe('accept');
  });

  it('are told from who shows what they have not signed, whether they are known or not', () => {
    const all = authors();
    for (const shown of [hereBy(alice), hereBy(alice, { at: now })]) {
      expect(all.isGenuine(readMessage(shown), shown)).toBeTrue();
      const forged = Buffer.from(shown);
      forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1);
      expect(all.isGenuine(readMessage(forged), forged)).toBeFalse();
      expect(judge(all, signedBy(alice))).toMatch(/accept|ignore/);
    }
  });
});
