import { behindProxies } from '../../../servers/callers/forwarded.js';
import { PROXY_HEADER_MAX_BYTES, readProxyHeader } from '../../../servers/callers/proxy-protocol.js';
import { proxyHeader2 } from '../../support/proxies.js';
import { expectThat, type Target } from '../target.js';

const ENDS = { source: { address: '192.0.2.7', port: 50_123 }, destination: { address: '198.51.100.1', port: 443 } };
const ENDS_IPV6 = { source: { address: '2001:db8::7', port: 1 }, destination: { address: '2001:db8::1', port: 2 } };

const proxyProtocol: Target = {
  name: 'the PROXY protocol',
  reaches: ['servers/callers/proxy-protocol'],
  seeds: [
    Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 50123 443\r\n'),
    Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 50123 443\r\nHELLO 2\r\n'),
    Buffer.from('PROXY UNKNOWN\r\n'),
    proxyHeader2(ENDS),
    proxyHeader2(ENDS_IPV6, { more: Buffer.alloc(9, 1) }),
    proxyHeader2(ENDS, { command: 0x20 }),
  ],
  run: (input) => {
    const header = readProxyHeader(input);
    expectThat(header !== 'more' || input.length < PROXY_HEADER_MAX_BYTES, 'Expected no more than a header', input);
    if (typeof header === 'string') return;
    expectThat(header.length <= input.length, 'Expected a header that has come', header);
    const again = readProxyHeader(input.subarray(0, header.length));
    expectThat(JSON.stringify(again) === JSON.stringify(header), 'Expected the same without the rest', header, again);
  },
};

const NEAR = '10.0.0.1';

const forwarded: Target = {
  name: 'headers of proxies',
  reaches: ['servers/callers/forwarded'],
  seeds: [
    '192.0.2.7',
    '1.1.1.1, 192.0.2.7, 10.0.0.1',
    '2001:db8::7, unknown, 192.0.2.7:4000',
    'for="[2001:db8::7]:4711";proto=https;by=_me, for=10.0.0.1',
    'for="192.0.2.7:_port", for=unknown',
  ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = input.toString('latin1');
    const peer = { address: NEAR, port: 4_000 };
    const isTrusted = (address: string) => address === NEAR;
    for (const headers of [
      { forwarded: text },
      { 'x-forwarded-for': text },
      { forwarded: text, 'x-forwarded-for': text },
    ]) {
      const found = behindProxies(peer, headers, isTrusted);
      if (typeof found === 'string') continue;
      expectThat(found.proxies > 0, 'Expected a proxy that is believed', found);
      // Somebody who writes to the left of what the proxy has added is not believed.
      if (found.address === NEAR) continue;
      const forged = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, `for=9.9.9.9, ${value}`]),
      );
      const again = behindProxies(peer, forged, isTrusted);
      expectThat(
        typeof again === 'string' || again.address === found.address,
        'Expected the same caller',
        found,
        again,
      );
    }
    expectThat(
      JSON.stringify(behindProxies({ address: '192.0.2.1', port: 1 }, { forwarded: text }, isTrusted)).includes(
        '192.0.2.1',
      ),
      'Expected a stranger to be itself',
      text,
    );
  },
};

export const CALLER_TARGETS: readonly Target[] = [proxyProtocol, forwarded];
