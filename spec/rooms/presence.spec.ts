import { createIdentity, type Identity } from '../../lib/identity.js';
import { KIND, readMessage, streamOf } from '../../lib/rooms/author/message.js';
import { herePayload, Presence } from '../../lib/rooms/presence.js';
import { hereBy, signedBy } from './support.js';

/** What a spec changes of a record. */
interface RecordFields {
  readonly periodMs?: number;
  readonly at?: number;
  readonly stream?: string;
  /** The site of the neighbour by which it comes. */
  readonly site?: string;
}

describe('Who is in a room', () => {
  const [own, alice, bob] = [createIdentity(), createIdentity(), createIdentity()];
  let now = 1_000_000;
  let presence = new Presence({ own: own.peerId, most: 200, now: () => now, random: () => 0 });

  beforeEach(() => {
    now = 1_000_000;
    presence = new Presence({ own: own.peerId, most: 200, now: () => now, random: () => 0 });
  });

  const firstStream = streamOf(1, Buffer.of(0, 0));

  /** What a member shows of its being there, so long after the beginning, in milliseconds. */
  function record(of: Identity, after: number, fields: RecordFields = {}) {
    const { periodMs = 30_000, at = now + after, stream = firstStream, site = '45.45.45.1' } = fields;
    const bytes = hereBy(of, { at, stream, payload: herePayload(periodMs) });
    return [readMessage(bytes), bytes, site] as const;
  }

  /** Something else that a member says. */
  function said(by: Identity, number: number, kind: number = KIND.text) {
    return readMessage(signedBy(by, { kind, number, at: now, stream: firstStream }));
  }

  const isNews = ([signed, , site]: ReturnType<typeof record>) => presence.isNews(signed, site);

  const members = () => presence.members.map(({ peerId }) => peerId);

  it('is whoever has said anything, but for this node', () => {
    expect(presence.here(...record(alice, 1))).toBeTrue();
    expect(presence.here(...record(alice, 2))).toBeFalse();
    expect(presence.heard(said(bob, 1), '45.45.45.1')).toBeTrue();
    expect(presence.here(...record(own, 1))).toBeFalse();
    expect(members()).toEqual([alice.peerId, bob.peerId]);
  });

  it('is no longer who was silent for more than two of its periods', () => {
    presence.here(...record(alice, 1));
    presence.here(...record(bob, 1, { periodMs: 60_000 }));
    now += 75_001;
    expect(presence.expire()).toBeTrue();
    expect(members()).toEqual([bob.peerId]);
    now += 75_000;
    expect(presence.expire()).toBeTrue();
    expect(presence.expire()).toBeFalse();
    expect(members()).toEqual([]);
  });

  it('is not believed to be silent for ever, nor for no time at all', () => {
    presence.here(...record(alice, 1, { periodMs: 0 }));
    presence.here(...record(bob, 1, { periodMs: 65_000_000 }));
    now += 74_000;
    expect(presence.expire()).toBeFalse();
    now += 2.5 * 500_000;
    presence.expire();
    expect(members()).toEqual([]);
  });

  it('is no longer who has left, whatever of before comes later, until it is back', () => {
    presence.here(...record(alice, 1));
    expect(presence.left(said(alice, 3, KIND.leave))).toBeTrue();
    expect(presence.heard(said(alice, 2), '45.45.45.1')).toBeFalse();
    expect(isNews(record(alice, 2))).toBeFalse();
    expect(presence.here(...record(alice, 2))).toBeFalse();
    expect(members()).toEqual([]);
    expect(presence.here(...record(alice, 1, { stream: streamOf(2, Buffer.of(0, 0)) }))).toBeTrue();
    // What it said when it left the other time.
    expect(presence.left(said(alice, 3, KIND.leave))).toBeFalse();
  });

  it('is shown to others by the latest record of each, and by no old one', () => {
    presence.here(...record(alice, 1));
    const [latest, bytes] = record(alice, 2);
    presence.here(latest, bytes, '45.45.45.1');
    now += 7_500;
    expect(isNews(record(alice, 1 - 7_500))).toBeFalse();
    expect(isNews([latest, bytes, '45.45.45.1'])).toBeFalse();
    expect(isNews(record(alice, 3))).toBeTrue();
    // 75 s after it was said it is forgotten, and clocks may differ by five minutes.
    expect(isNews(record(bob, -375_000))).toBeTrue();
    expect(isNews(record(bob, -375_001))).toBeFalse();
    expect(isNews(record(bob, 300_000))).toBeTrue();
    expect(isNews(record(bob, 300_001))).toBeFalse();
    expect(isNews(record(own, 9))).toBeFalse();
    expect(presence.records()).toEqual([bytes]);
  });

  it('says so again no sooner than after a quarter of its period: what comes sooner is for nobody to check and to show', () => {
    presence.here(...record(alice, 0, { periodMs: 100_000 }));
    now += 24_999;
    expect(isNews(record(alice, 0))).toBeFalse();
    expect(isNews(record(alice, 0, { stream: streamOf(2, Buffer.of(0, 0)) }))).toBeFalse();
    now += 1;
    expect(isNews(record(alice, 0))).toBeTrue();
  });

  it('is not kept there by a neighbour that shows what it said before, however often', () => {
    const last = record(alice, 0);
    for (let second = 0; second < 600; second++) {
      if (isNews(last)) presence.here(...last);
      presence.expire();
      now += 1_000;
      if (second < 70) expect(members()).toEqual([alice.peerId]);
    }
    expect(members()).toEqual([]);
  });

  it('is not brought back by the leaving of strangers, nor by that of before', () => {
    const [before, last] = [said(alice, 3, KIND.leave), said(alice, 5, KIND.leave)];
    presence.here(...record(alice, 0));
    presence.left(last);
    for (let i = 0; i < 1_000; i++) presence.left(said(createIdentity(), 1, KIND.leave));
    expect(isNews(record(alice, 1))).toBeFalse();
    presence.left(before);
    expect(presence.heard(said(alice, 4), '45.45.45.1')).toBeFalse();
    // Of those that were not known the last are remembered, too.
    presence.left(said(bob, 3, KIND.leave));
    expect(isNews(record(bob, 0))).toBeFalse();
  });

  it('is believed for as long as others that know more say, and no longer than in the largest of rooms', () => {
    presence = new Presence({ own: own.peerId, most: 3, now: () => now, random: () => 0 });
    presence.here(...record(alice, 0, { periodMs: 400_000 }));
    now += 999_000;
    expect(presence.expire()).toBeFalse();
    now += 1_001;
    expect(presence.expire()).toBeTrue();
    presence.here(...record(alice, 0, { periodMs: 65_000_000 }));
    now += 1_250_001;
    expect(presence.expire()).toBeTrue();
    presence = new Presence({ own: own.peerId, most: 5_000, now: () => now, random: () => 0 });
    for (let i = 0; i < 1_200; i++) presence.here(...record(createIdentity(), 0));
    expect(presence.periodMs).toBe(500_000);
  });

  it('is shown to a newcomer by some of all, whom chance chooses', () => {
    let chance = 0;
    presence = new Presence({ own: own.peerId, most: 200, now: () => now, random: () => chance });
    const all = Array.from({ length: 5 }, () => record(createIdentity(), 0));
    for (const each of all) presence.here(...each);
    const shown = () => presence.records(3).map((bytes) => all.findIndex(([, its]) => its === bytes));
    expect(shown()).toEqual([0, 1, 2]);
    chance = 0.7;
    expect(shown()).toEqual([3, 4, 0]);
  });

  it('is known up to a number, shared by the sites of the neighbours by which they are heard: nobody fills it with members that he makes up', () => {
    const [first, fake, other, late] = [createIdentity(), createIdentity(), createIdentity(), createIdentity()];
    presence = new Presence({ own: own.peerId, most: 3, now: () => now, random: () => 0 });
    presence.here(...record(first, 1, { site: '66.66.66.1' }));
    for (const each of [fake, ...Array.from({ length: 20 }, createIdentity)])
      presence.here(...record(each, 1, { site: '66.66.66.1' }));
    expect(members().slice(0, 2)).toEqual([first.peerId, fake.peerId]);
    expect(members()).toHaveSize(3);
    expect(presence.here(...record(other, 1, { site: '45.45.45.1' }))).toBeTrue();
    expect(presence.here(...record(late, 1, { site: '66.66.66.1' }))).toBeFalse();
    // Nor is it worth the check of a signature, but what a known member says anew is.
    expect(isNews(record(late, 1, { site: '66.66.66.1' }))).toBeFalse();
    now += 10_000;
    expect(isNews(record(fake, 2, { site: '66.66.66.1' }))).toBeTrue();
    expect(members()).toEqual([first.peerId, fake.peerId, other.peerId]);
    expect(presence.periodMs).toBe(30_000);
    // Who has gone leaves its place.
    now += 65_001;
    presence.expire();
    expect(presence.here(...record(late, 1, { site: '66.66.66.1' }))).toBeTrue();
  });
});
