import { BehaviorSubject, of } from 'rxjs';
import { lanFinder } from '../../../lib/rooms/discovery/lan.js';
import type { DiscoveryStep } from '../../../lib/rooms/discovery/steps.js';
import { topicOf } from '../../../lib/rooms/discovery/topic.js';
import { formatUnl } from '../../../lib/unl.js';
import { peerIdOf, unlOf } from '../../support/locators.js';
import { record } from '../../support/record.js';

describe('finding the members of a room on the local network', () => {
  it('names those who are there, without this node', () => {
    const [own, bob] = [unlOf({ peerId: peerIdOf(1) }), unlOf({ peerId: peerIdOf(2) })];
    const steps: DiscoveryStep[] = [];
    const find = lanFinder({ meet$: () => of([], [own, bob]), trace: (step) => steps.push(step) });
    const found = record(find(topicOf('chess'), new BehaviorSubject(formatUnl(own))));
    expect(found.values).toEqual([[], [bob]]);
    expect(steps).toEqual([{ type: 'topic', means: 'LAN', state: 'listed' }]);
  });
});
