import fc from 'fast-check';
import { Admission } from '../../lib/bounds/admission.js';
import { heapUsed } from '../support/heap.js';

describe('Admission to a room that sites share', () => {
  it('admits everybody while there is room', () => {
    const room = new Admission<string>({ most: 3 });
    expect(['a', 'a', 'b'].map((site, index) => room.admit(site, `${index}`).isIn)).toEqual([true, true, true]);
    expect([room.size, room.of('a'), room.of('b'), room.of('c')]).toEqual([3, 2, 1, 0]);
  });

  it('lets no site have more than its limit, room or none', () => {
    const room = new Admission<number>({ most: 10, mostOfSite: 2 });
    expect([1, 2, 3].map((entry) => room.admit('a', entry).isIn)).toEqual([true, true, false]);
  });

  it('evicts the newest entry of the largest site for a newcomer of a smaller one', () => {
    const room = new Admission<string>({ most: 4 });
    room.admit('honest', 'before the flood');
    for (const entry of ['1', '2', '3']) room.admit('flood', entry);
    expect(room.admit('newcomer', 'n')).toEqual({ isIn: true, gaveWay: '3' });
    expect(room.size).toBe(4);
  });

  it('refuses a newcomer whose site would then be as large as any other', () => {
    const room = new Admission<string>({ most: 2 });
    room.admit('a', 'a');
    room.admit('b', 'b');
    expect(room.hasRoomFor('c')).toBeFalse();
    expect(room.admit('c', 'c')).toEqual({ isIn: false });
    expect(room.admit('a', 'a2')).toEqual({ isIn: false });
  });

  it('frees the place of an entry that leaves, once', () => {
    const room = new Admission<string>({ most: 1 });
    room.admit('a', 'a');
    room.leave('a', 'a');
    room.leave('a', 'a');
    room.leave('never here', 'x');
    expect(room.size).toBe(0);
    expect(room.admit('b', 'b')).toEqual({ isIn: true, gaveWay: undefined });
  });

  it('never evicts an entry that has left', () => {
    const room = new Admission<string>({ most: 3 });
    for (const entry of ['1', '2', '3']) room.admit('flood', entry);
    room.leave('flood', '3');
    room.admit('flood', '4');
    room.leave('flood', '4');
    room.admit('other', 'o');
    expect(room.admit('newcomer', 'n').gaveWay).toBe('2');
  });

  it('behaves like a plain list of entries', () => {
    const steps = fc.array(
      fc.record({ site: fc.constantFrom('a', 'b', 'c', 'd'), entry: fc.nat(30), isLeaving: fc.boolean() }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), (all, most, mostOfSite) => {
        const room = new Admission<string>({ most, mostOfSite });
        let list: { site: string; name: string }[] = [];
        const of = (site: string) => list.filter((each) => each.site === site).length;
        for (const { site, entry, isLeaving } of all) {
          const name = `${site}${entry}`;
          if (isLeaving) {
            room.leave(site, name);
            list = list.filter((each) => each.name !== name);
          } else if (!list.some((each) => each.name === name)) {
            const greediest = Math.max(0, ...['a', 'b', 'c', 'd'].map(of));
            const expected = of(site) < mostOfSite && (list.length < most || of(site) + 1 < greediest);
            const { isIn, gaveWay } = room.admit(site, name);
            expect(isIn).toBe(expected);
            if (!isIn) continue;
            const evicted = list.find((each) => each.name === gaveWay);
            expect(evicted === undefined).toBe(list.length < most);
            if (evicted !== undefined) {
              expect(of(evicted.site)).toBe(greediest);
              expect(list.findLast((each) => each.site === evicted.site)).toBe(evicted);
            }
            list = [...list.filter((each) => each !== evicted), { site, name }];
          }
          expect(room.size).toBe(list.length);
          for (const each of ['a', 'b', 'c', 'd']) expect(room.of(each)).toBe(of(each));
        }
      }),
    );
  });

  it('holds nothing of what has left', () => {
    const admission = new Admission<{ readonly bytes: readonly number[] }>({ most: 10_000 });
    const before = heapUsed();
    for (let site = 0; site < 100; site++) {
      admission.admit(`${site}`, { bytes: [] });
      for (let count = 0; count < 12; count++) {
        const entry = { bytes: Array<number>(10_000).fill(0.5) };
        admission.admit(`${site}`, entry);
        admission.leave(`${site}`, entry);
      }
    }
    expect(heapUsed() - before).toBeLessThan(4_000_000);
    expect(admission.size).toBe(100);
  });
});
