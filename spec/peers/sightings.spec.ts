import { Sightings } from '../../lib/peers/sightings.js';
import { peerIdOf } from '../support/locators.js';

describe('where peers were seen', () => {
  it('is the last address of each, for ten minutes', () => {
    let now = 0;
    const sightings = new Sightings({ now: () => now });
    const [alice, bob] = [peerIdOf(1), peerIdOf(2)];
    sightings.note(alice, '45.45.1.1');
    sightings.note(bob, '45.45.1.2');
    now = 5 * 60_000;
    sightings.note(alice, '45.45.1.3');
    expect([alice, bob].map((peer) => sightings.addressOf(peer))).toEqual(['45.45.1.3', '45.45.1.2']);
    now = 10 * 60_000;
    expect([alice, bob].map((peer) => sightings.addressOf(peer))).toEqual(['45.45.1.3', undefined]);
    expect(sightings.addressOf(peerIdOf(3))).toBeUndefined();
  });

  it('is remembered of a thousand peers, the last ones', () => {
    const sightings = new Sightings({ now: () => 0 });
    const peers = Array.from({ length: 1_001 }, (_, i) => `peer ${i}`);
    for (const peer of peers) sightings.note(peer, '45.45.1.1');
    expect(peers.filter((peer) => sightings.addressOf(peer) !== undefined)).toEqual(peers.slice(1));
  });
});
