import fc from 'fast-check';
import { WaitingBytes, type WaitingShare } from '../../lib/bounds/waiting-bytes.js';

/** Holders of a number of bytes, of which each has 10 of its own, and that let go of all when they have to give way. */
function holders(most: number, count: number) {
  const all = new WaitingBytes({ most, holders: count });
  const events: string[] = [];
  const shares = Array.from({ length: count }, (_, i): WaitingShare => {
    const share: WaitingShare = all.share({
      giveWay: () => {
        events.push(`${i} gave way`);
        share.close();
      },
      wake: () => {
        events.push(`${i} woke`);
      },
    });
    return share;
  });
  const at = (i: number) => {
    const share = shares[i];
    if (share === undefined) throw new RangeError(`Expected a holder, got ${i}`);
    return share;
  };
  return { all, at, events };
}

describe('The bytes that wait for a peer', () => {
  it('have the largest holder give way when there are too many, and no other', () => {
    const { at, events } = holders(200, 10);
    for (const i of [0, 1, 2]) at(i).isEvictable = true;
    at(0).set(50);
    at(1).set(70);
    // Beyond the ten that are its own, each: 40 + 60 + 1 are more than 100.
    at(2).set(10);
    expect(events).toEqual([]);
    at(2).set(11);
    expect(events).toEqual(['1 gave way']);
    expect([at(0).bytes, at(1).bytes, at(2).bytes]).toEqual([50, 0, 11]);
  });

  it('never evict a holder that has its own bytes only, or that cannot give way', () => {
    const { all, at, events } = holders(200, 10);
    at(0).set(10_000);
    for (let i = 1; i < 10; i++) {
      at(i).isEvictable = i < 5;
      at(i).set(10);
    }
    expect([events, all.hasRoom]).toEqual([[], false]);
    at(1).set(11);
    expect(events).toEqual(['1 gave way']);
  });

  it('may be more than there is room for, of one alone', () => {
    const { at, events } = holders(200, 10);
    at(0).isEvictable = true;
    at(0).set(1_000);
    expect(events).toEqual([]);
  });

  it('wake those that wait for room in their order, one for each that there may be room for', () => {
    const { at, events } = holders(200, 10);
    at(0).set(70);
    for (const i of [1, 2, 3]) at(i).queue();
    at(0).set(60);
    expect(events).toEqual([]);
    at(0).set(59);
    expect(events).toEqual(['1 woke']);
    at(1).set(5);
    expect(events).toEqual(['1 woke', '2 woke']);
    at(3).unqueue();
    at(2).set(5);
    expect(events).toEqual(['1 woke', '2 woke']);
  });

  it('stay bounded, whatever the holders do, but for one holder that cannot give way', () => {
    const step = fc.record({ i: fc.nat({ max: 9 }), bytes: fc.nat({ max: 150 }), isGone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const all = new WaitingBytes({ most: 200, holders: 10 });
        const shares: WaitingShare[] = [];
        const renew = (i: number) => {
          const share: WaitingShare = all.share({
            giveWay: () => {
              share.close();
              renew(i);
            },
            wake: () => undefined,
          });
          share.isEvictable = true;
          shares[i] = share;
        };
        for (let i = 0; i < 10; i++) renew(i);
        for (const { i, bytes, isGone } of steps) {
          if (isGone) {
            shares[i]?.close();
            renew(i);
          } else shares[i]?.set(bytes);
          const sizes = shares.map((share) => share.bytes);
          const sum = sizes.reduce((a, b) => a + b);
          if (sizes.filter((size) => size > all.own).length > 1) expect(sum).toBeLessThanOrEqual(200);
        }
        for (const share of shares) share.close();
        expect(all.hasRoom).toBeTrue();
      }),
    );
  });
});
