import { PROXY_HEADER_MAX_BYTES, readProxyHeader } from '../../../servers/callers/proxy-protocol.js';
import { proxyHeader2 } from '../../support/proxies.js';

const read = (text: string) => readProxyHeader(Buffer.from(text, 'latin1'));

describe('The PROXY protocol', () => {
  it('has a line in version 1', () => {
    expect(read('PROXY TCP4 192.0.2.7 198.51.100.1 50123 443\r\nHELLO 2\r\n')).toEqual({
      length: 45,
      ends: { source: { address: '192.0.2.7', port: 50_123 }, destination: { address: '198.51.100.1', port: 443 } },
    });
    expect(read('PROXY TCP6 2001:DB8::7 ::1 0 65535\r\n')).toEqual({
      length: 36,
      ends: { source: { address: '2001:db8::7', port: 0 }, destination: { address: '::1', port: 65_535 } },
    });
    expect(read('PROXY UNKNOWN\r\n')).toEqual({ length: 15, ends: undefined });
    expect(read('PROXY UNKNOWN ff ff 1 2\r\n')).toEqual({ length: 25, ends: undefined });
  });

  it('has bytes in version 2', () => {
    const ends = {
      source: { address: '192.0.2.7', port: 50_123 },
      destination: { address: '198.51.100.1', port: 443 },
    };
    expect(readProxyHeader(proxyHeader2(ends))).toEqual({ length: 28, ends });
    expect(readProxyHeader(proxyHeader2(ends, { more: Buffer.alloc(9) }))).toEqual({ length: 37, ends });
    const byIpv6 = { source: { address: '2001:db8::7', port: 1 }, destination: { address: '::1', port: 2 } };
    expect(readProxyHeader(proxyHeader2(byIpv6))).toEqual({ length: 52, ends: byIpv6 });
    const own = proxyHeader2(ends, { command: 0x20 });
    expect(readProxyHeader(own)).toEqual({ length: own.length, ends: undefined });
    const byUnixSocket = proxyHeader2(ends, { family: 0x31 });
    expect(readProxyHeader(byUnixSocket)).toEqual({ length: byUnixSocket.length, ends: undefined });
  });

  it('takes an IPv4 address that is written as IPv6 for what it is', () => {
    const header = readProxyHeader(
      proxyHeader2({
        source: { address: '::ffff:192.0.2.7', port: 1 },
        destination: { address: '::ffff:198.51.100.1', port: 2 },
      }),
    );
    expect(header).toEqual(
      jasmine.objectContaining({
        ends: { source: { address: '192.0.2.7', port: 1 }, destination: { address: '198.51.100.1', port: 2 } },
      }),
    );
  });

  it('may come in pieces, however small', () => {
    const ends = {
      source: { address: '192.0.2.7', port: 50_123 },
      destination: { address: '198.51.100.1', port: 443 },
    };
    for (const whole of [proxyHeader2(ends), Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 50123 443\r\n')]) {
      for (let length = 0; length < whole.length; length++) {
        expect(readProxyHeader(whole.subarray(0, length))).toBe('more');
      }
    }
  });

  it('is not what begins in another way', () => {
    for (const text of ['GET / HTTP/1.1\r\n', 'HELLO 2\r\n', 'PROXIES', '\x16\x03\x01', '\r\n\r\nGET', 'P ']) {
      expect(read(text)).toBe('none');
    }
  });

  it('is malformed when it cannot be read', () => {
    const lines = [
      'PROXY TCP4 192.0.2.7 198.51.100.1 50123\r\n',
      'PROXY TCP4 192.0.2.7 198.51.100.1 50123 443 1\r\n',
      'PROXY TCP4 ::1 ::1 50123 443\r\n',
      'PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n',
      'PROXY TCP4 localhost 198.51.100.1 1 2\r\n',
      'PROXY TCP4 192.0.2.7 198.51.100.1 65536 1\r\n',
      'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n',
      `PROXY UNKNOWN ${'x'.repeat(100)}`,
    ];
    for (const line of lines) expect(read(line)).toBe('malformed');
    const ends = { source: { address: '192.0.2.7', port: 1 }, destination: { address: '198.51.100.1', port: 2 } };
    const wrong = [
      proxyHeader2(ends, { command: 0x11 }),
      proxyHeader2(ends, { command: 0x22 }),
      // IPv6 with the bytes of IPv4.
      proxyHeader2(ends, { family: 0x21 }),
      proxyHeader2(ends, { more: Buffer.alloc(PROXY_HEADER_MAX_BYTES) }),
    ];
    for (const header of wrong) expect(readProxyHeader(header)).toBe('malformed');
  });
});
