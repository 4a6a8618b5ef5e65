import { createIdentity } from '../../lib/identity.js';
import { Neighbourhood } from '../../lib/lan/neighbourhood.js';
import { instanceOf, isUnder, signStatement } from '../../lib/lan/statement.js';
import { formatUnl } from '../../lib/unl.js';
import { lanUnlOf } from '../support/lan.js';

describe('The neighbourhood of the local network', () => {
  it('keeps the topics of a node though somebody repeats its statement without them', () => {
    const neighbourhood = new Neighbourhood({ now: () => 0, timeOfDay: () => 0 });
    const identity = createIdentity();
    const { peerId } = identity;
    const topic = Buffer.alloc(32, 1);
    const unl = formatUnl(lanUnlOf(identity, '192.168.1.7'));
    const texts = signStatement(identity, { time: 1_764_359_999_123, port: 40_123, unl, topics: [topic] });
    const without = texts.filter((text) => !/^[rh]=/.test(text.toString()));
    const from = { address: '192.168.1.8', interfaceName: 'eth0' };
    const hear = (all: readonly Buffer[]) => {
      neighbourhood.hear({ name: instanceOf(peerId) ?? '', texts: all, ttl: 120 }, from);
      const claim = neighbourhood.get(peerId)?.claim;
      return claim === undefined ? undefined : isUnder(claim, topic);
    };
    expect([hear(without), hear(texts), hear(without)]).toEqual([false, true, true]);
  });
});
