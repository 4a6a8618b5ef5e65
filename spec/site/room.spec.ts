import { randomFrom } from '../../docs/site/client/playground/nat.js';
import { Network } from '../../docs/site/client/playground/room/network.js';

/** Longer than anything takes there, in the network's own milliseconds. */
const LONG_MS = 10_000;

/** A room into which members have come one after the other, and found neighbours. */
function roomOf(count: number): Network {
  const random = randomFrom(count);
  const network = new Network(random);
  for (let i = 0; i < count; i++) {
    network.join({ x: random(), y: random() });
    network.runUntil(network.now + 120);
  }
  network.runUntil(network.now + LONG_MS);
  return network;
}

/** Has the first member say something, and tells what became of it. */
function say(network: Network) {
  const [author] = network.present;
  if (author === undefined) throw new Error('Expected a member');
  network.publish(author);
  network.runUntil(network.now + LONG_MS);
  const { spread } = network;
  if (spread === undefined) throw new Error('Expected a message');
  return spread;
}

describe('The playground of rooms', () => {
  it('brings a message to everybody, also the first, by a tree', () => {
    const network = roomOf(24);
    const first = say(network);
    expect([first.reached, first.members]).toEqual([24, 24]);
    expect(first.copies).toBeLessThan(1.2 * 23);
    const second = say(network);
    expect(second.reached).toBe(24);
    expect(second.copies).toBeLessThan(1.2 * 23);
    // A tree of 24 has 23 branches.
    const branches = network.ways.filter(({ isBranch }) => isBranch).length;
    expect(branches).toBeGreaterThanOrEqual(23);
    expect(branches).toBeLessThan(network.ways.length / 2);
  });

  it('goes on when a third of the members is gone at once', () => {
    const network = roomOf(24);
    say(network);
    for (const member of network.present.filter((_, i) => i % 3 === 1)) network.lose(member);
    expect(say(network).reached).toBe(16);
    expect(network.ways.every(({ one, other }) => one.isThere && other.isThere)).toBeTrue();
  });

  it('has a message on its way for as long as the way is', () => {
    const network = roomOf(4);
    const [author] = network.present;
    if (author === undefined) throw new Error('Expected a member');
    network.publish(author);
    const [flight] = network.flights;
    if (flight === undefined) throw new Error('Expected a message on its way');
    network.runUntil(flight.arrivesMs - 1);
    expect(network.flights.has(flight)).toBeTrue();
    network.runUntil(flight.arrivesMs);
    expect(network.flights.has(flight)).toBeFalse();
  });
});
