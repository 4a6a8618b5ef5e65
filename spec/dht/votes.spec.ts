import fc from 'fast-check';
import { agreedAddress, majorityOf, OWN_VOTE } from '../../lib/dht/votes.js';

const [TRUE, FALSE] = ['192.0.2.1', '203.0.113.66'];

/** What hosts say, in the order in which they say it. */
function votes(...addresses: readonly (string | undefined)[]): Map<string, string | undefined> {
  return new Map(addresses.map((address, index) => [`198.51.100.${index}`, address]));
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('The address on which nodes agree', () => {
  it('is what seven of twenty say, and more than half of a few', () => {
    expect([0, 1, 2, 3, 4, 6, 8, 12, 20, 60].map(majorityOf)).toEqual([1, 1, 2, 2, 3, 4, 5, 7, 7, 7]);
    expect(agreedAddress(votes(...times(6, TRUE)), 20)).toBeUndefined();
    expect(agreedAddress(votes(...times(7, TRUE)), 20)).toBe(TRUE);
  });

  it('is none when only a few speak and nobody contradicts: the sender may have given it to them alone', () => {
    expect(agreedAddress(votes(FALSE, FALSE), 20)).toBeUndefined();
    expect(agreedAddress(votes(FALSE, FALSE, FALSE, FALSE), 20)).toBeUndefined();
  });

  it('is what honest nodes say where a fifth lies, in a small DHT too', () => {
    expect(agreedAddress(votes(...times(8, TRUE), ...times(4, FALSE)), 20)).toBe(TRUE);
    expect(agreedAddress(votes(...times(8, TRUE), ...times(5, FALSE)), 20)).toBeUndefined();
    expect(agreedAddress(votes(TRUE, FALSE, TRUE), 3)).toBe(TRUE);
    expect(agreedAddress(votes(TRUE, TRUE), 2)).toBe(TRUE);
    expect(agreedAddress(votes(TRUE), 2)).toBeUndefined();
  });

  it('is what the only other node says', () => {
    expect(agreedAddress(votes(TRUE), 1)).toBe(TRUE);
    expect(agreedAddress(votes(undefined), 1)).toBeUndefined();
  });

  it('is what this node saw itself', () => {
    expect(agreedAddress(new Map([...votes(FALSE, FALSE, FALSE), [OWN_VOTE, TRUE]]), 20)).toBe(TRUE);
  });

  it('is never what a fifth of the neighbours say, whoever else speaks and whenever they say it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), fc.nat(), (hosts, some, at) => {
        // More than twenty neighbours are those of several rounds, of which a parcel reaches the twenty of one.
        const liars = Math.max(1, Math.floor(Math.min(hosts, 20) / 5));
        const said: string[] = times(some % (hosts - liars + 1), TRUE);
        said.splice(at % (said.length + 1), 0, ...times(liars, FALSE));
        for (let count = 1; count <= said.length; count++) {
          throwUnless(agreedAddress(votes(...said.slice(0, count)), hosts)).not.toBe(FALSE);
        }
      }),
    );
  });
});
