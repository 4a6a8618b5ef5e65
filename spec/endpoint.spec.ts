import fc from 'fast-check';
import {
  addressFromBytes,
  addressToBytes,
  byFamilyInTurns,
  canonicalAddress,
  familyOf,
  formatEndpoint,
  formatServer,
  parseEndpoint,
  parseServer,
  sameEndpoint,
  scopeOf,
  serverOf,
} from '../lib/endpoint.js';
import { InvalidOptionError } from '../lib/errors.js';
import { addresses, ports } from './support/locators.js';

describe('an address', () => {
  it('has one canonical text, whatever it came as', () => {
    expect(canonicalAddress('192.0.2.1')).toBe('192.0.2.1');
    expect(canonicalAddress('::FFFF:192.0.2.1')).toBe('192.0.2.1');
    expect(canonicalAddress('::ffff:c000:201')).toBe('192.0.2.1');
    expect(canonicalAddress('2001:DB8:0:0::1')).toBe('2001:db8::1');
  });

  it('is not a name, a number, or an IPv4 address in the octal and short forms that programs disagree on', () => {
    for (const text of [
      '',
      'localhost',
      '1',
      '127.1',
      '0x7f.0.0.1',
      '010.0.0.1',
      '1.2.3.4.5',
      '256.1.1.1',
      '1::2::3',
      ' ::1',
      'fe80::1%eth0',
      '2001:db8::1%x',
      '::ffff:192.0.2.1%1',
    ]) {
      expect(canonicalAddress(text)).withContext(text).toBeUndefined();
    }
  });

  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        const bytes = addressToBytes(address);
        throwUnless(bytes).toHaveSize(familyOf(address) === 4 ? 4 : 16);
        throwUnless(addressFromBytes(bytes)).toBe(address);
      }),
    );
  });

  it('can be dialled from anywhere, from its own network, or from nowhere', () => {
    const scopes = {
      global: ['8.8.8.8', '2606:4700::1111'],
      private: ['10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', 'fd00::1'],
      loopback: ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'],
      linkLocal: ['169.254.1.1', 'fe80::1'],
      unusable: ['0.0.0.0', '::', '255.255.255.255', '224.0.0.1', 'ff02::1'],
    } as const;
    for (const [scope, texts] of Object.entries(scopes)) {
      for (const text of texts) expect(scopeOf(text)).withContext(text).toBe(scope);
    }
  });
});

describe('an endpoint', () => {
  it('is written and read as address:port, IPv6 in brackets', () => {
    expect(formatEndpoint({ address: '192.0.2.1', port: 80 })).toBe('192.0.2.1:80');
    expect(formatEndpoint({ address: '2001:db8::1', port: 80 })).toBe('[2001:db8::1]:80');
    fc.assert(
      fc.property(addresses, ports, (address, port) => {
        throwUnless(parseEndpoint(formatEndpoint({ address, port }))).toEqual({ address, port });
      }),
    );
  });

  it('of another program is nothing unless it is exactly that', () => {
    const wrong = ['', '1.2.3.4', '1.2.3.4:', '1.2.3.4:0', '1.2.3.4:65536', '1.2.3.4:1e3', '1.2.3.4:-1', ' 1.2.3.4:1'];
    for (const text of [...wrong, '2001:db8::1:80', '[1.2.3.4]', '[2001:db8::1]', 'localhost:80', '1.2.3.4:80\n']) {
      expect(parseEndpoint(text)).withContext(text).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const endpoint = parseEndpoint(text);
        throwUnless(endpoint === undefined || canonicalAddress(endpoint.address) === endpoint.address).toBeTrue();
      }),
    );
  });

  it('is the same as another when address and port are', () => {
    const endpoint = { address: '192.0.2.1', port: 80 };
    expect(sameEndpoint(endpoint, { ...endpoint })).toBeTrue();
    expect(sameEndpoint(endpoint, { ...endpoint, port: 81 })).toBeFalse();
    expect(sameEndpoint(endpoint, { ...endpoint, address: '192.0.2.2' })).toBeFalse();
  });
});

describe('a server', () => {
  it('is a name or an address with a port', () => {
    for (const text of [
      'rv.example.org:8000',
      'localhost:1',
      '192.0.2.1:65535',
      '[2001:db8::1]:80',
      'my_server-1:80',
    ]) {
      expect(formatServer(parseServer('rendezvous', text))).toBe(text);
    }
    expect(parseServer('rendezvous', '[2001:DB8:0::1]:80')).toEqual({ host: '2001:db8::1', port: 80 });
  });

  it('without a port, with one out of bounds, or with anything more is refused, naming the option', () => {
    for (const text of [
      '',
      'example.org',
      ':80',
      'example.org:0',
      'example.org:65536',
      'a b:1',
      'http://a:1',
      '::1:80',
      '[zz]:80',
      'a:80/x',
    ]) {
      expect(() => parseServer('rendezvous', text))
        .withContext(text)
        .toThrowError(
          InvalidOptionError,
          `Expected \`rendezvous\` to be HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets), got \`${text}\``,
        );
    }
  });
});

describe('serverOf', () => {
  it('has the host without brackets, and the port of the scheme where the URL names none', () => {
    for (const [text, host, port] of [
      ['http://rv.example.org/', 'rv.example.org', 80],
      ['https://rv.example.org/p2p/', 'rv.example.org', 443],
      ['https://rv.example.org:8443/', 'rv.example.org', 8443],
      ['http://[2001:db8::1]:8080/', '2001:db8::1', 8080],
      ['https://[2001:db8::1]/', '2001:db8::1', 443],
    ] as const) {
      expect(serverOf(new URL(text))).toEqual({ host, port });
    }
  });
});

describe('byFamilyInTurns', () => {
  const inTurns = (addresses: readonly string[], first?: 4 | 6) => byFamilyInTurns(addresses, (text) => text, first);

  it('has both families in turns, each in its order, and the family of the first one begin', () => {
    expect(inTurns(['::1', '::2', '::3', '192.0.2.1', '192.0.2.2'])).toEqual([
      '::1',
      '192.0.2.1',
      '::2',
      '192.0.2.2',
      '::3',
    ]);
    expect(inTurns(['192.0.2.1', '::1', '::2'])).toEqual(['192.0.2.1', '::1', '::2']);
    expect(inTurns([])).toEqual([]);
  });

  it('has the family begin that is named', () => {
    expect(inTurns(['192.0.2.1', '192.0.2.2', '::1'], 6)).toEqual(['::1', '192.0.2.1', '192.0.2.2']);
    expect(inTurns(['192.0.2.1'], 6)).toEqual(['192.0.2.1']);
  });
});
