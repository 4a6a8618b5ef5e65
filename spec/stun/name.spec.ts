import { InvalidOptionError } from '../../lib/errors.js';
import { formatStun, parseStun } from '../../lib/stun/name.js';

describe('the name of a STUN server', () => {
  it('is a host with a port, or a URI of RFC 7064', () => {
    for (const [text, server] of [
      ['stun.example.org:3478', { host: 'stun.example.org', port: 3478 }],
      ['[2001:DB8::1]:80', { host: '2001:db8::1', port: 80 }],
      ['stun:stun.example.org', { host: 'stun.example.org', port: 3478 }],
      ['stun:192.0.2.1:1000', { host: '192.0.2.1', port: 1000 }],
      ['stuns:stun.example.org', { host: 'stun.example.org', port: 5349, isSecure: true }],
      ['STUNS:[2001:db8::1]:443', { host: '2001:db8::1', port: 443, isSecure: true }],
      ['stuns:[2001:db8::1]', { host: '2001:db8::1', port: 5349, isSecure: true }],
      // A host of that name, as in a network of containers.
      ['stun:3478', { host: 'stun', port: 3478 }],
    ] as const)
      expect(parseStun('stun', text)).withContext(text).toEqual(server);
  });

  it('is read as it was written', () => {
    for (const text of ['stun.example.org:3478', '[2001:db8::1]:80', 'stuns:stun.example.org:5349'])
      expect(formatStun(parseStun('stun', text))).toBe(text);
  });

  it('is nothing else', () => {
    for (const text of [
      '',
      'stun.example.org',
      'stun:',
      'stuns://stun.example.org',
      'stun:a:b',
      'stun:a:0',
      'turn:a:3478',
      'https://a:1',
      'stun:a?transport=tcp',
      'stun:2001:db8::1',
    ])
      // prettier-ignore
      expect(() => parseStun('stun', text)).withContext(text).toThrowError(InvalidOptionError, /^Expected `stun` to be HOST:PORT/);
  });
});
