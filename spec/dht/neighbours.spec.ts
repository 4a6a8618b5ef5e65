import { Neighbours } from '../../lib/dht/neighbours.js';

const [NODE, OTHER] = [
  { address: '192.0.2.1', port: 1 },
  { address: '192.0.2.1', port: 2 },
];
const secretOf = (byte: number) => Buffer.alloc(16, byte);

describe('The neighbours in the DHT', () => {
  it('may push with the secret that each was given, until they have forgotten the announcement', () => {
    let now = 0;
    const neighbours = new Neighbours(() => now);
    neighbours.add(NODE, secretOf(1));
    neighbours.add(OTHER, secretOf(2));
    expect(neighbours.mayPush(NODE, secretOf(1))).toBeTrue();
    expect(neighbours.mayPush(NODE, secretOf(2))).toBeFalse();
    expect(neighbours.mayPush(NODE, Buffer.alloc(0))).toBeFalse();
    expect(neighbours.mayPush({ ...NODE, port: 3 }, secretOf(1))).toBeFalse();
    expect(neighbours.hosts()).toBe(1);
    now = 60_000;
    expect(neighbours.mayPush(NODE, secretOf(1))).toBeFalse();
    expect(neighbours.hosts()).toBe(0);
    neighbours.add(NODE, secretOf(3));
    expect(neighbours.mayPush(NODE, secretOf(1))).toBeFalse();
  });

  it('may push with a secret from before, if they have not got the latest', () => {
    const neighbours = new Neighbours(() => 0);
    for (const byte of [1, 2, 3, 4, 5]) neighbours.add(NODE, secretOf(byte));
    expect([1, 2, 3, 4, 5].map((byte) => neighbours.mayPush(NODE, secretOf(byte)))).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
  });
});
