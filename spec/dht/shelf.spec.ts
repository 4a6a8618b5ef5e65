import { toParts } from '../../lib/dht/messages.js';
import { Shelf, type Kept } from '../../lib/dht/shelf.js';

function kept(text: string, host: string, to = 'receiver'): Kept {
  const [part] = toParts(Buffer.from(text));
  if (part === undefined) throw new Error('Expected a part');
  return { to, host, part };
}

describe('The shelf of a node of the DHT', () => {
  const roomy = { parts: 100, partsPerHost: 100, partsPerReceiver: 100 };

  it('gives back what waits for a receiver, in order, until it is taken off', () => {
    const shelf = new Shelf<Kept>(roomy, fail);
    const [one, two] = [kept('one', 'a'), kept('two', 'b')];
    for (const item of [one, two, kept('three', 'a', 'another')]) expect(shelf.add(item)).toBeTrue();
    expect(shelf.of('receiver')).toEqual([one, two]);
    expect(shelf.get(kept('two', 'c'))).toBe(two);
    shelf.delete(one);
    shelf.delete(one);
    expect(shelf.of('receiver')).toEqual([two]);
  });

  it('refuses more than it holds, in all and of one host, and takes again what there is room for', () => {
    const shelf = new Shelf<Kept>({ parts: 3, partsPerHost: 2, partsPerReceiver: 100 }, fail);
    const first = kept('1', 'a');
    expect(
      [first, kept('2', 'a'), kept('3', 'a'), kept('4', 'b'), kept('5', 'b')].map((item) => shelf.add(item)),
    ).toEqual([true, true, false, true, false]);
    shelf.delete(first);
    expect(shelf.add(kept('6', 'a'))).toBeTrue();
  });

  it('makes room for a small host by evicting the newest part of a large one', () => {
    const evicted: Kept[] = [];
    const shelf = new Shelf<Kept>({ parts: 6, partsPerHost: 3, partsPerReceiver: 100 }, (item) => evicted.push(item));
    const flood = ['a', 'b'].flatMap((host) => [1, 2, 3].map((count) => kept(`${host}${count}`, host, `box ${host}`)));
    for (const item of flood) expect(shelf.add(item)).toBeTrue();
    const honest = kept('honest', 'c');
    expect(shelf.add(honest)).toBeTrue();
    expect(shelf.of('receiver')).toEqual([honest]);
    const [gone] = evicted;
    expect(evicted.length).toBe(1);
    expect([flood[2], flood[5]]).toContain(gone);
    expect(shelf.of(gone?.to ?? '').length).toBe(2);
  });

  it('lets nobody fill a mailbox: the host that has sent most loses a part', () => {
    const evicted: Kept[] = [];
    const shelf = new Shelf<Kept>({ ...roomy, partsPerReceiver: 4 }, (item) => evicted.push(item));
    const honest = kept('honest', 'b');
    const flood = ['1', '2', '3', '4'].map((text) => kept(text, 'a'));
    for (const item of flood.slice(0, 3)) shelf.add(item);
    expect(shelf.add(honest)).toBeTrue();
    for (const item of [...flood.slice(3), kept('also honest', 'c')]) expect(shelf.add(item)).toBeTrue();
    expect(evicted).toEqual(flood.slice(0, 2));
    expect(shelf.of('receiver')).toContain(honest);
  });
});
