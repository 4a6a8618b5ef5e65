import { createIdentity } from '../../lib/identity.js';
import { VouchedEndpoints } from '../../lib/rooms/vouched.js';
import { formatUnl } from '../../lib/unl.js';
import { unlOf } from '../support/locators.js';

describe('What may be dialled of a member', () => {
  const { peerId } = createIdentity();
  const at = (...addresses: readonly string[]) =>
    unlOf({
      peerId,
      nodeType: 'passive',
      endpoints: addresses.map((address) => ({ kind: 'wan' as const, address, port: 4_000 })),
    });

  it('is what any means of discovery has shown: another that shows nothing, or something else, takes nothing away', () => {
    const vouched = new VouchedEndpoints(() => ({ own: [], isOnLink: () => false }));
    const dialled = () =>
      vouched.locatorOf(peerId, formatUnl(at('45.45.45.9')))?.endpoints.map(({ address }) => address);
    expect(dialled()).toEqual([]);
    vouched.found(at('45.45.45.1'));
    expect(dialled()).toEqual(['45.45.45.1']);
    vouched.found(at());
    expect(dialled()).toEqual(['45.45.45.1']);
    vouched.found(at('45.45.45.2'));
    expect(dialled()).toEqual(['45.45.45.2', '45.45.45.1']);
    vouched.found(at('45.45.45.1', '45.45.45.3'));
    expect(dialled()).toEqual(['45.45.45.1', '45.45.45.3', '45.45.45.2']);
  });
});
