import type { IncomingHttpHeaders } from 'node:http';
import { behindProxies } from '../../../servers/callers/forwarded.js';
import { trustedProxies } from '../../../servers/callers/trusted.js';
import { heapUsed } from '../../support/heap.js';

const isTrusted = trustedProxies(['10.0.0.0/8', '2001:db8::/32']);

/** Who asks by a proxy at 10.0.0.1. */
const found = (headers: IncomingHttpHeaders) => behindProxies({ address: '10.0.0.1', port: 4_000 }, headers, isTrusted);

/** The address, and the port if it is told, of who asks by a proxy at 10.0.0.1. */
function whoseIs(headers: IncomingHttpHeaders): unknown {
  const who = found(headers);
  if (typeof who === 'string') return who;
  return who.port === undefined ? who.address : [who.address, who.port];
}

describe('Headers of proxies', () => {
  it('name the caller at the right', () => {
    expect(whoseIs({ 'x-forwarded-for': '192.0.2.7' })).toBe('192.0.2.7');
    expect(whoseIs({ forwarded: 'for=192.0.2.7;proto=https' })).toBe('192.0.2.7');
    expect(whoseIs({ forwarded: 'for="[2001:DB9::7]:567"' })).toEqual(['2001:db9::7', 567]);
    expect(whoseIs({ forwarded: 'For="192.0.2.7:567"' })).toEqual(['192.0.2.7', 567]);
    expect(whoseIs({ forwarded: 'for="192.0.2.7:_hidden"' })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': '2001:db9::7' })).toBe('2001:db9::7');
  });

  it('are believed as far as the proxies are, and what a caller invents is not', () => {
    expect(whoseIs({ 'x-forwarded-for': '1.1.1.1, 192.0.2.7' })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': '1.1.1.1, 192.0.2.7, 10.0.0.2' })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': '10.0.0.9, 192.0.2.7' })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': 'invented, 192.0.2.7' })).toBe('192.0.2.7');
    expect(whoseIs({ forwarded: 'for=1.1.1.1, for=192.0.2.7, for=10.0.0.2' })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': '10.0.0.3, 10.0.0.2' })).toBe('10.0.0.3');
  });

  it('from a stranger tell nothing but that it may be a proxy', () => {
    const peer = { address: '192.0.2.9', port: 4_000 };
    const ask = (headers: IncomingHttpHeaders) => behindProxies(peer, headers, isTrusted);
    expect(ask({})).toEqual({ ...peer, proxies: 0, isForwarder: false });
    const strangers: IncomingHttpHeaders[] = [
      { 'x-forwarded-for': '1.1.1.1' },
      { forwarded: 'for=1.1.1.1' },
      { via: '1.1 p' },
    ];
    for (const headers of strangers) expect(ask(headers)).toEqual({ ...peer, proxies: 0, isForwarder: true });
    expect(ask({ forwarded: '"' })).toEqual({ ...peer, proxies: 0, isForwarder: true });
  });

  it('show that the caller is itself a proxy', () => {
    const isForwarder = (headers: IncomingHttpHeaders) => {
      const who = found(headers);
      return typeof who === 'string' ? who : who.isForwarder;
    };
    expect(isForwarder({ 'x-forwarded-for': '192.0.2.7' })).toBe(false);
    expect(isForwarder({ 'x-forwarded-for': '1.1.1.1, 192.0.2.7' })).toBe(true);
    // One `Via` is that of the proxy that is believed.
    expect(isForwarder({ 'x-forwarded-for': '192.0.2.7', via: '1.1 ours' })).toBe(false);
    expect(isForwarder({ 'x-forwarded-for': '192.0.2.7', via: '1.1 theirs, 1.1 ours' })).toBe(true);
  });

  it('are missing where a proxy does not say who asks', () => {
    for (const headers of [
      {},
      { 'x-forwarded-for': 'unknown' },
      { forwarded: 'for=_hidden' },
      { forwarded: 'proto=https' },
    ]) {
      expect(found(headers)).toBe('silent');
    }
    expect(found({ 'x-forwarded-for': '192.0.2.7, unknown' })).toBe('silent');
  });

  it('are refused when they contradict each other, since a proxy passes on the one that it does not write', () => {
    expect(found({ 'x-forwarded-for': '192.0.2.7', forwarded: 'for=1.1.1.1' })).toBe('malformed');
    expect(found({ 'x-forwarded-for': '192.0.2.7', forwarded: 'for=unknown' })).toBe('malformed');
    expect(found({ 'x-forwarded-for': '192.0.2.7', forwarded: 'for' })).toBe('malformed');
    expect(found({ forwarded: 'for=192.0.2.7;' })).toBe('malformed');
    expect(whoseIs({ 'x-forwarded-for': '192.0.2.7', forwarded: 'for="192.0.2.7:567"' })).toBe('192.0.2.7');
  });

  it('are read no further than it takes, and not as far as no installation has proxies', () => {
    const hops = (count: number, address: string) => Array.from({ length: count }, () => address).join(', ');
    expect(whoseIs({ 'x-forwarded-for': `${hops(5_000, '1.08::7, unknown')}, 192.0.2.7` })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': `192.0.2.7, ${hops(15, '10.0.0.2')}` })).toBe('192.0.2.7');
    expect(whoseIs({ 'x-forwarded-for': `192.0.2.7, ${hops(16, '10.0.0.2')}` })).toBe('malformed');
    expect(whoseIs({ 'x-forwarded-for': '1'.repeat(200) })).toBe('silent');
  });

  it('are not kept in memory with the address that was read from them', () => {
    const kept: unknown[] = [];
    const before = heapUsed();
    for (let count = 0; count < 400; count++) {
      const invented = `${count}, `.repeat(3_000);
      kept.push(
        whoseIs({ 'x-forwarded-for': `${invented}192.168.100.${count % 200}` }),
        whoseIs({ forwarded: `for=_${'x'.repeat(15_000)}, for=192.168.100.${count % 200}` }),
      );
    }
    expect(heapUsed() - before).toBeLessThan(3_000_000);
    expect(kept[1]).toBe('192.168.100.0');
  });
});
