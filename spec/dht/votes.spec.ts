import fc from 'fast-check';
import { agreedAddress, OWN_VOTE } from '../../lib/dht/votes.js';

const [TRUE, FALSE] = ['192.0.2.1', '203.0.113.66'];

/** What hosts say, in the order in which they say it. */
function votes(...addresses: readonly (string | undefined)[]): Map<string, string | undefined> {
  return new Map(addresses.map((address, index) => [`198.51.100.${index}`, address]));
}

describe('The address on which nodes agree', () => {
  it('is what three say, at once', () => {
    expect(agreedAddress(votes(TRUE, TRUE), 20, false)).toBeUndefined();
    expect(agreedAddress(votes(TRUE, TRUE, TRUE), 20, false)).toBe(TRUE);
  });

  it('is what two say, when nobody else will', () => {
    expect(agreedAddress(votes(TRUE), 20, true)).toBeUndefined();
    expect(agreedAddress(votes(TRUE, TRUE), 20, true)).toBe(TRUE);
    expect(agreedAddress(votes(TRUE, TRUE, FALSE), 20, true)).toBe(TRUE);
    expect(agreedAddress(votes(TRUE, TRUE, FALSE, FALSE), 20, true)).toBeUndefined();
  });

  it('is what the only other node says', () => {
    expect(agreedAddress(votes(TRUE), 1, false)).toBe(TRUE);
    expect(agreedAddress(votes(undefined), 1, true)).toBeUndefined();
  });

  it('is what this node saw itself', () => {
    expect(agreedAddress(new Map([...votes(FALSE, FALSE, FALSE), [OWN_VOTE, TRUE]]), 20, false)).toBe(TRUE);
  });

  it('is never what one alone says of several, whenever it says it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.nat(),
        fc.integer({ min: 2, max: 20 }),
        fc.boolean(),
        (honest, at, hosts, isFinal) => {
          const said = Array.from({ length: honest }, () => TRUE);
          said.splice(at % (honest + 1), 0, FALSE);
          throwUnless(agreedAddress(votes(...said), hosts, isFinal)).not.toBe(FALSE);
        },
      ),
    );
  });
});
