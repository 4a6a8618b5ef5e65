import { defaultRouteIn } from '../../lib/port-mapping/routes.js';

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';

describe("The default route in Linux' table of IPv4 routes", () => {
  it('has the router and the interface, as a laptop on one network shows them', () => {
    const text =
      HEAD +
      'eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n' +
      'eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n';
    expect(defaultRouteIn(4, text, 'LE')).toEqual({ gateway: '192.168.1.1', int: 'eth0' });
  });

  it('is the one with the lowest metric of several', () => {
    const text =
      HEAD +
      'wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n' +
      'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n' +
      'wwan0\t00000000\t0102A8C0\t0003\t0\t0\t1024\t00000000\t0\t0\t0\n';
    expect(defaultRouteIn(4, text, 'LE')).toEqual({ gateway: '192.168.1.1', int: 'eth0' });
  });

  it('is read in the byte order of the machine', () => {
    const text = `${HEAD}eth0\t00000000\tC0A80101\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`;
    expect(defaultRouteIn(4, text, 'BE')).toEqual({ gateway: '192.168.1.1', int: 'eth0' });
  });

  it('is none without a router, that rejects, that is down, or for a part of the addresses', () => {
    for (const line of [
      // A VPN by a device, `ip route add unreachable default`, an interface that is down, 0.0.0.0/1, a network.
      'tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0',
      '*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t00000000\t0101A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0',
      'tun0\t00000000\t0101080A\t0003\t0\t0\t0\t00000080\t0\t0\t0',
      'eth0\t0000A8C0\t0101A8C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0',
    ]) {
      expect(defaultRouteIn(4, `${HEAD}${line}\n`, 'LE'))
        .withContext(line)
        .toBeUndefined();
    }
  });

  it('is none in anything else', () => {
    for (const text of [
      '',
      '\n',
      HEAD,
      'garbage',
      'eth0\t00000000\tXX\t0003\t0\t0\t0\t00000000',
      'eth0\t00000000\t01\t3',
    ]) {
      expect(defaultRouteIn(4, text, 'LE'))
        .withContext(text)
        .toBeUndefined();
    }
  });
});

describe("The default route in Linux' table of IPv6 routes", () => {
  const ZERO = '0'.repeat(32);
  const LINK_LOCAL = 'fe80000000000000021122fffe334455';
  const line = (gateway: string, metric: string, flags: string, int: string, length = '00') =>
    `${ZERO} ${length} ${ZERO} 00 ${gateway} ${metric} 00000001 00000000 ${flags}     ${int}\n`;
  const lo = `${ZERO} 00 ${ZERO} 00 ${ZERO} ffffffff 00000001 00000000 00200200       lo\n`;

  it('has the router and the interface, as a laptop on one network shows them', () => {
    const text = `fd000000000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000100 00000001 00000000 00000001 eth0\n`;
    expect(defaultRouteIn(6, text + line(LINK_LOCAL, '00000400', '00450003', 'eth0') + lo)).toEqual({
      gateway: 'fe80::211:22ff:fe33:4455',
      int: 'eth0',
    });
  });

  it('is the one with the lowest metric of several, which is written in hexadecimal', () => {
    const text = line(LINK_LOCAL, '00000258', '00000003', 'wlan0') + line(LINK_LOCAL, '00000064', '00000003', 'eth0');
    expect(defaultRouteIn(6, text)?.int).toBe('eth0');
  });

  it('is none without a router, that rejects, or for a part of the addresses', () => {
    for (const text of [
      lo,
      line(ZERO, '00000400', '00000001', 'tun0'),
      line(LINK_LOCAL, '00000400', '00000003', 'tun0', '01'),
      '',
      'garbage',
    ]) {
      expect(defaultRouteIn(6, text)).withContext(text).toBeUndefined();
    }
  });
});
