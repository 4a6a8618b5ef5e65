import { Assembly } from '../../lib/dht/assembly.js';
import { toParts } from '../../lib/dht/messages.js';

describe('Parts of parcels', () => {
  const parcel = Buffer.alloc(3_500, 'parcel');
  const parts = toParts(parcel);

  it('make the parcel in any order, with duplicates', () => {
    const assembly = new Assembly();
    const [one, two, three, four] = parts;
    const given = [four, one, one, three, two].map((part) => part && assembly.add(part, 'a'));
    expect(given).toEqual([undefined, undefined, undefined, undefined, parcel]);
  });

  it('that one host has forged spoil only its own copy', () => {
    const assembly = new Assembly();
    const wrong = parts.map((part) => ({ ...part, bytes: Buffer.from('wrong') }));
    const given = parts.flatMap((part, index) => [
      assembly.add(wrong[index] ?? part, 'liar'),
      assembly.add(part, 'honest'),
    ]);
    expect(given.filter((whole) => whole !== undefined)).toEqual([parcel]);
  });

  it('of one host are bounded, and do not evict those of others', () => {
    const assembly = new Assembly();
    const [first, ...others] = parts;
    if (first === undefined) throw new Error('Expected parts');
    assembly.add(first, 'a');
    assembly.add(first, 'b');
    for (let index = 0; index < 100; index++) {
      const [flood] = toParts(Buffer.alloc(2_000, `flood ${index}`));
      if (flood !== undefined) assembly.add(flood, 'a');
    }
    const complete = (host: string) => others.map((part) => assembly.add(part, host)).at(-1);
    expect(complete('a')).toBeUndefined();
    expect(complete('b')).toEqual(parcel);
  });
});
