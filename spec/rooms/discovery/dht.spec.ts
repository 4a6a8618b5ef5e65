import { BehaviorSubject, of } from 'rxjs';
import { dhtFinder } from '../../../lib/rooms/discovery/dht.js';
import type { DiscoveryStep } from '../../../lib/rooms/discovery/steps.js';
import { topicOf } from '../../../lib/rooms/discovery/topic.js';
import { formatUnl } from '../../../lib/unl.js';
import type { UnlEndpoint } from '../../../lib/unl/types.js';
import { peerIdOf, unlOf } from '../../support/locators.js';
import { record } from '../../support/record.js';

const wan = (address: string, port = 4000): UnlEndpoint => ({ kind: 'wan', address, port });

describe('finding the members of a room by the DHT', () => {
  it('leaves of a locator what is at the address on which nodes agree, and nothing where they do not', () => {
    const own = unlOf({ peerId: peerIdOf(1), endpoints: [wan('45.1.1.1')] });
    const bob = unlOf({ peerId: peerIdOf(2), endpoints: [wan('45.1.1.2'), wan('45.3.3.3'), wan('45.1.1.2', 25)] });
    const carol = unlOf({ peerId: peerIdOf(3), endpoints: [wan('45.1.1.4'), wan('127.0.0.1'), wan('192.168.1.1')] });
    const members = [
      { unl: bob, seenAt: '45.1.1.2' },
      { unl: carol, seenAt: undefined },
      { unl: own, seenAt: '45.1.1.1' },
    ];
    const steps: DiscoveryStep[] = [];
    const find = dhtFinder({
      meet$: () => of({ listedAt: 0, members: [] }, { listedAt: 3, members }, { listedAt: 4, members: [] }),
      isOnLink: () => false,
      trace: (step) => steps.push(step),
    });
    const found = record(find(topicOf('chess'), new BehaviorSubject(formatUnl(own))));
    expect(found.values).toEqual([
      [],
      [
        { ...bob, endpoints: [wan('45.1.1.2')] },
        { ...carol, endpoints: [] },
      ],
      [],
    ]);
    expect(steps.map(({ state }) => state)).toEqual(['refused', 'listed']);
  });
});
