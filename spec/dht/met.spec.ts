import { Met } from '../../lib/dht/met.js';
import { formatUnl } from '../../lib/unl.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../support/locators.js';

const bob = unlOf({ peerId: peerIdOf(2), endpoints: [{ kind: 'wan', address: '45.1.1.2', port: 4000 }] });
const bytesOf = (unl: Parameters<typeof formatUnl>[0]) => Buffer.from(formatUnl(unl), 'base64url');

describe('Members that nodes of the DHT name', () => {
  it('are seen where enough hosts agree', () => {
    const met = new Met();
    for (const host of ['1', '2', '3', '4', '5', '6', '7']) {
      met.add(host, [{ seenAt: '45.1.1.2', unl: bytesOf(bob) }]);
    }
    met.add('8', [{ seenAt: '45.3.3.3', unl: bytesOf(bob) }]);
    expect(met.all()).toEqual([{ unl: bob, seenAt: '45.1.1.2' }]);
  });

  it('are seen nowhere by the word of few, of one host with many nodes, or of half', () => {
    const few = new Met();
    for (const host of ['1', '2', '3', '4', '5', '6', '7', '8']) few.add(host, []);
    for (const host of ['1', '2', '2', '2', '2', '2']) few.add(host, [{ seenAt: '45.3.3.3', unl: bytesOf(bob) }]);
    expect(few.all()).toEqual([{ unl: bob, seenAt: undefined }]);
    const half = new Met();
    for (const host of ['1', '2', '3']) half.add(host, [{ seenAt: '45.1.1.2', unl: bytesOf(bob) }]);
    for (const host of ['4', '5', '6']) half.add(host, [{ seenAt: '45.3.3.3', unl: bytesOf(bob) }]);
    expect(half.all()).toEqual([{ unl: bob, seenAt: undefined }]);
  });

  it('come in the order of how many hosts name them, however many others one host makes up', () => {
    const met = new Met();
    const madeUp = Array.from({ length: 100 }, (_, index) => unlOf({ peerId: peerIdOf(10 + index) }));
    met.add(
      'liar',
      madeUp.map((unl) => ({ seenAt: '45.3.3.3', unl: bytesOf(unl) })),
    );
    const honest = [2, 3, 4].map((seed) => unlOf({ peerId: peerIdOf(seed) }));
    for (const host of ['1', '2']) {
      met.add(
        host,
        honest.map((unl) => ({ seenAt: '45.1.1.2', unl: bytesOf(unl) })),
      );
    }
    const all = met.all();
    expect(all).toHaveSize(32);
    expect(all.slice(0, 3).map(({ unl }) => unl)).toEqual(honest);
    expect(all.slice(3).every(({ seenAt }) => seenAt === undefined)).toBeTrue();
  });

  it('have the locator that most hosts name, and one that is none is passed over', () => {
    const met = new Met();
    const old = { ...bob, endpoints: [] };
    met.add('1', [{ seenAt: undefined, unl: bytesOf(old) }]);
    for (const host of ['2', '3']) met.add(host, [{ seenAt: undefined, unl: bytesOf(bob) }]);
    met.add('4', [
      { seenAt: undefined, unl: Buffer.from([3, 1]) },
      { seenAt: undefined, unl: bytesOf(unlOfVersion2()) },
    ]);
    expect(met.all()).toEqual([{ unl: bob, seenAt: undefined }]);
  });
});
