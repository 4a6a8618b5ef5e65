import { Whereabouts } from '../../lib/connection/whereabouts.js';
import { InvalidUnlError, ProtocolError } from '../../lib/errors.js';
import { formatUnl } from '../../lib/unl.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../support/locators.js';
import { record } from '../support/record.js';
import { VirtualLink } from './virtual-links.js';

const PEER = peerIdOf(1);
const own = unlOf({ peerId: PEER });
const payloadOf = (text: string) => Buffer.from(text);

describe('Where a peer is', () => {
  it('is the locator that it tells, replayed to later subscribers', () => {
    const whereabouts = new Whereabouts(PEER);
    const early = record(whereabouts.peer$);
    const moved = { ...own, nodeType: 'active' as const };
    whereabouts.hear(payloadOf(formatUnl(own)));
    whereabouts.hear(payloadOf(formatUnl(moved)));
    expect(early.values).toEqual([own, moved]);
    expect(record(whereabouts.peer$).values).toEqual([moved]);
    whereabouts.complete();
    expect(early.isCompleted).toBeTrue();
  });

  it('is not taken from the locator of another peer, of the other version, or from another text', () => {
    const whereabouts = new Whereabouts(PEER);
    const others = [unlOf({ peerId: peerIdOf(2) }), unlOfVersion2({})];
    for (const unl of others)
      expect(() => {
        whereabouts.hear(payloadOf(formatUnl(unl)));
      }).toThrowError(ProtocolError);
    expect(() => {
      whereabouts.hear(payloadOf('nowhere'));
    }).toThrowError(InvalidUnlError);
    expect(record(whereabouts.peer$).values).toEqual([]);
  });

  it('is where direct links have led, at most 16 addresses, and not where relayed ones have', () => {
    const whereabouts = new Whereabouts(PEER);
    const { link } = new VirtualLink('direct', true).here;
    whereabouts.note({ ...link, direct: false, remote: { address: '192.0.2.200', port: 1 } });
    for (let host = 0; host < 20; host++)
      whereabouts.note({ ...link, remote: { address: `192.0.2.${host}`, port: host + 1 } });
    expect([200, 0, 15, 16].map((host) => whereabouts.hasLedTo(`192.0.2.${host}`))).toEqual([false, true, true, false]);
  });
});
