import { formatEndpoint, parseEndpoint, type Endpoint } from '../../lib/endpoint.js';
import {
  hearsayOf,
  isServicePort,
  listedOf,
  MAX_HEARSAY,
  mayDialHearsay,
  mayDialNamed,
  mayHaveDialled,
  mayList,
  type Sighting,
  type Standpoint,
} from '../../lib/unl/dialable.js';
import type { UnlEndpoint } from '../../lib/unl/types.js';
import { unlOf } from '../support/locators.js';
import { SPECIAL_ADDRESSES } from '../support/special-addresses.js';

/** `lan 10.0.0.1` as an endpoint, at port 4000 unless it says otherwise. */
function endpointOf(text: string): UnlEndpoint {
  const [, kind = 'wan', address = '', port = '4000'] = /^(?:(lan|wan|mapped) )?(\S+?)(?:#(\d+))?$/.exec(text) ?? [];
  return { kind: kind === 'lan' || kind === 'mapped' ? kind : 'wan', address, port: Number(port) };
}

const own = (...texts: readonly string[]) => texts.map(endpointOf);

/** Behind a NAT at 45.1.1.1, on the LAN 192.168.1.0/24. */
const BEHIND_NAT: Standpoint = {
  own: own('lan 192.168.1.2', 'wan 45.1.1.1'),
  isOnLink: (address) => address.startsWith('192.168.1.'),
};
const IN_THE_OPEN: Standpoint = { own: own('lan 45.1.1.9', 'lan 2a00::9'), isOnLink: () => false };
/** All servers are on the LAN. */
const ON_A_LAN: Standpoint = { ...BEHIND_NAT, own: own('lan 192.168.1.2', 'wan 192.168.1.2') };
const ON_LOOPBACK: Standpoint = { own: own('lan 127.0.0.1', 'wan 127.0.0.1'), isOnLink: () => false };
/** On a LAN, with a server on this very machine. */
const BESIDE_ITS_SERVER: Standpoint = { ...BEHIND_NAT, own: own('lan 192.168.1.2', 'wan 127.0.0.1') };

const hears = (text: string, seen: Sighting, standpoint: Standpoint) =>
  mayDialHearsay(endpointOf(text), seen, standpoint);

describe('what a stranger names', () => {
  it('is dialled where it is public and the stranger is seen there, and nowhere else', () => {
    for (const standpoint of [BEHIND_NAT, IN_THE_OPEN, ON_A_LAN, ON_LOOPBACK]) {
      expect(hears('45.2.2.2', { at: '45.2.2.2' }, standpoint)).toBeTrue();
      expect(hears('2a00::2', { at: '2a00::2' }, standpoint)).toBeTrue();
      expect(hears('45.2.2.3', { at: '45.2.2.2' }, standpoint)).toBeFalse();
      expect(hears('2a00::3', { at: '2a00::2' }, standpoint)).toBeFalse();
      expect(hears('45.2.2.2', { at: undefined }, standpoint)).toBeFalse();
    }
  });

  it('is not dialled in any special range, wherever the stranger is said to be and by whom', () => {
    const servers = [undefined, '45.9.9.9', '2a00::99'];
    for (const address of SPECIAL_ADDRESSES)
      for (const by of servers)
        for (const at of [address, '45.2.2.2', undefined])
          for (const standpoint of [BEHIND_NAT, IN_THE_OPEN])
            expect(mayDialHearsay({ address, port: 4000 }, { at, by }, standpoint))
              .withContext(`${address}, seen at ${at ?? 'nowhere'} by ${by ?? 'nobody'}`)
              .toBeFalse();
  });

  it('is dialled on this node’s own LAN where the stranger is behind the same public address', () => {
    expect(hears('lan 192.168.1.3', { at: '45.1.1.1' }, BEHIND_NAT)).toBeTrue();
    expect(hears('lan 192.168.2.3', { at: '45.1.1.1' }, BEHIND_NAT)).toBeFalse();
    expect(hears('lan 192.168.1.3', { at: '45.2.2.2' }, BEHIND_NAT)).toBeFalse();
    expect(hears('lan 192.168.1.3', { at: '192.168.1.3', by: '45.9.9.9' }, BEHIND_NAT)).toBeFalse();
  });

  it('is dialled on this node’s own LAN where a server there sees the stranger at that very address', () => {
    const seen = { at: '192.168.1.3', by: '192.168.1.9' };
    for (const standpoint of [ON_A_LAN, BEHIND_NAT]) {
      expect(hears('wan 192.168.1.3', seen, standpoint)).toBeTrue();
      expect(hears('wan 192.168.1.4', seen, standpoint)).toBeFalse();
    }
    expect(hears('wan 192.168.1.3', { at: '192.168.1.3' }, ON_A_LAN)).toBeTrue();
    expect(hears('wan 192.168.1.3', { at: '192.168.1.3' }, BEHIND_NAT)).toBeFalse();
    expect(hears('wan 192.168.1.3', { at: '192.168.1.3', by: '127.0.0.1' }, BESIDE_ITS_SERVER)).toBeTrue();
  });

  it('is dialled on this machine where a server on it sees the stranger there, or nothing else is known of this node', () => {
    expect(hears('wan 127.0.0.2', { at: '127.0.0.2', by: '127.0.0.1' }, BESIDE_ITS_SERVER)).toBeTrue();
    expect(hears('wan 127.0.0.2', { at: '127.0.0.2', by: '45.9.9.9' }, BESIDE_ITS_SERVER)).toBeFalse();
    expect(hears('wan 127.0.0.2', { at: '127.0.0.2' }, ON_LOOPBACK)).toBeTrue();
    expect(hears('wan 127.0.0.3', { at: '127.0.0.2' }, ON_LOOPBACK)).toBeFalse();
    expect(hears('wan 127.0.0.2', { at: '127.0.0.2' }, BESIDE_ITS_SERVER)).toBeFalse();
  });

  it('is dialled at no port of a well-known service, nor where this node listens itself', () => {
    for (const port of [0, 22, 25, 53, 80, 445, 1023]) {
      expect(hears(`45.2.2.2#${port}`, { at: '45.2.2.2' }, IN_THE_OPEN)).toBeFalse();
    }
    for (const port of [443, 1024, 65_535]) {
      expect(hears(`45.2.2.2#${port}`, { at: '45.2.2.2' }, IN_THE_OPEN)).toBeTrue();
    }
    expect(hears('45.1.1.9', { at: '45.1.1.9' }, IN_THE_OPEN)).toBeFalse();
    expect([22, 443, 1024].map(isServicePort)).toEqual([true, false, false]);
  });

  it('is dialled at four endpoints at most, each once', () => {
    const endpoints = own('45.2.2.2', '45.2.2.2', '45.3.3.3', ...[1, 2, 3, 4, 5].map((i) => `45.2.2.2#${5000 + i}`));
    const heard = hearsayOf(unlOf({ endpoints }), [{ at: '45.2.2.2' }], IN_THE_OPEN).endpoints;
    expect(heard.map(({ port }) => port)).toEqual([4000, 5001, 5002, 5003]);
    expect(heard).toHaveSize(MAX_HEARSAY);
  });
});

describe('what the user names', () => {
  const named = (address: string, ours: readonly UnlEndpoint[], isNear: boolean, port = 4000) =>
    mayDialNamed({ address, port }, ours, isNear);

  it('is dialled where it is public, at any port, from anywhere', () => {
    for (const { own: ours } of [BEHIND_NAT, IN_THE_OPEN, ON_LOOPBACK]) {
      for (const port of [22, 80, 4000]) expect(named('45.2.2.2', ours, false, port)).toBeTrue();
      expect(named('45.2.2.2', ours, false, 0)).toBeFalse();
    }
  });

  it('is dialled on a LAN, or on this machine, only where the peer may be there, too', () => {
    for (const address of ['192.168.1.1', '10.0.0.1', 'fd00::1']) {
      expect(named(address, BEHIND_NAT.own, true)).toBeTrue();
      expect(named(address, BEHIND_NAT.own, false)).toBeFalse();
      expect(named(address, IN_THE_OPEN.own, true))
        .withContext('which has no LAN')
        .toBeFalse();
    }
    expect(named('127.0.0.1', ON_LOOPBACK.own, true)).toBeTrue();
    expect(named('127.0.0.1', BEHIND_NAT.own, false)).toBeFalse();
  });

  it('is not dialled by a node in the open in any special range', () => {
    for (const address of SPECIAL_ADDRESSES) {
      expect(named(address, IN_THE_OPEN.own, false))
        .withContext(address)
        .toBeFalse();
    }
    expect(named('169.254.169.254', BEHIND_NAT.own, true)).toBeFalse();
    expect(named('fe80::1', BEHIND_NAT.own, true)).toBeFalse();
  });
});

describe('what a server lists', () => {
  const lists = (text: string, at: readonly string[], requesterAt: string) =>
    mayList(endpointOf(text), at, requesterAt);

  it('is a public address that it has seen itself, to everybody', () => {
    expect(lists('45.2.2.2', ['45.2.2.2'], '45.3.3.3')).toBeTrue();
    expect(lists('2a00::2', ['45.2.2.2', '2a00::2'], '45.3.3.3')).toBeTrue();
    expect(lists('45.2.2.3', ['45.2.2.2'], '45.3.3.3')).toBeFalse();
    for (const port of [25, 80]) expect(lists(`45.2.2.2#${port}`, ['45.2.2.2'], '45.3.3.3')).toBeFalse();
  });

  it('is an address of a LAN to those behind the same public address, or who are seen on a LAN as it is', () => {
    expect(lists('lan 192.168.1.3', ['45.2.2.2'], '45.2.2.2')).toBeTrue();
    expect(lists('lan 192.168.1.3', ['45.2.2.2'], '45.2.2.3')).toBeFalse();
    expect(lists('wan 192.168.1.3', ['192.168.1.3'], '192.168.1.4')).toBeTrue();
    expect(lists('wan 192.168.1.3', ['192.168.1.3'], '45.2.2.2')).toBeFalse();
    expect(lists('lan 192.168.1.5', ['192.168.1.3'], '192.168.1.3')).toBeFalse();
  });

  it('is nothing in a special range to somebody who is seen at a public address elsewhere', () => {
    for (const address of SPECIAL_ADDRESSES) {
      for (const at of [['45.2.2.2'], [address]]) {
        expect(mayList({ address, port: 4000 }, at, '45.3.3.3'))
          .withContext(address)
          .toBeFalse();
      }
    }
    const endpoints = [...SPECIAL_ADDRESSES, '45.2.2.2'].map((address) => endpointOf(address));
    expect(listedOf(unlOf({ endpoints }), ['45.2.2.2'], '45.3.3.3').endpoints.map(textOf)).toEqual(['45.2.2.2:4000']);
  });

  function textOf(endpoint: Endpoint): string {
    const text = formatEndpoint(endpoint);
    expect(parseEndpoint(text)).toEqual({ address: endpoint.address, port: endpoint.port });
    return text;
  }
});

describe('what a TURN server is asked to dial', () => {
  const dials = (text: string, from: string) => mayHaveDialled(endpointOf(text), from);

  it('is public, of the family by which the server dials', () => {
    expect(dials('45.2.2.2', '45.9.9.9')).toBeTrue();
    expect(dials('2a00::2', '2a00::9')).toBeTrue();
    expect(dials('2a00::2', '45.9.9.9')).toBeFalse();
    expect(dials('45.2.2.2', '2a00::9')).toBeFalse();
    expect(dials('45.2.2.2#0', '45.9.9.9')).toBeFalse();
  });

  it('is nothing in a special range: that is another machine where the server stands', () => {
    for (const address of SPECIAL_ADDRESSES)
      for (const from of ['45.9.9.9', '2a00::9', '192.168.1.9'])
        expect(mayHaveDialled({ address, port: 4000 }, from))
          .withContext(`${address} from ${from}`)
          .toBeFalse();
  });

  it('is on loopback where the server is there, too', () => {
    expect(dials('127.0.0.2', '127.0.0.1')).toBeTrue();
    expect(dials('192.168.1.2', '127.0.0.1')).toBeFalse();
    expect(dials('127.0.0.2', '192.168.1.9')).toBeFalse();
  });
});
