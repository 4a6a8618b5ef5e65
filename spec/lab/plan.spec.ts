import { ALL_NETWORKS, allPairs } from './arguments.js';
import { NETWORKS } from './networks.js';
import {
  addressOf,
  familiesOf,
  hostsFile,
  hostsOf,
  isSharedNetwork,
  linesBetween,
  planNetwork,
  planPair,
  planPairs,
  serverName,
  wayOut,
  type Pair,
  type Plan,
} from './plan.js';

const linkEnds = ({ links }: Plan) =>
  links.map(({ kind, ends: [inner, outer] }) => `${inner.node} ${kind} ${outer.node}`);

describe('The plan', () => {
  it('of every pair crosses exactly one access line between a host and the internet', () => {
    for (const pair of allPairs(ALL_NETWORKS)) {
      const plan = planPair(pair);
      for (const host of ['a', 'b', 's1', 's2']) {
        const lines = wayOut(plan, host).filter(({ kind }) => kind === 'line');
        expect(lines.length)
          .withContext(`${pair.join(' → ')}: ${host}`)
          .toBe(1);
      }
    }
  });

  it('knows the access lines between two hosts: none, when all that they share is a home', () => {
    const between = (...pair: Pair) => linesBetween(planPair(pair), 'a', 'b');
    expect(between('cgnat', 'public')).toBe(2);
    expect(between('same-cgnat-hairpin')).toBe(2);
    expect(between('same-lan')).toBe(0);
    expect(between('hairpin')).toBe(0);
    expect(linesBetween(planPair(['hairpin']), 'a', 's1')).toBe(2);
  });

  it('names each server: by one name for both families, and by one for each', () => {
    const plan = planPair(['ipv6-firewall', 'preserving']);
    const known = hostsFile(plan).split('\n').map((line) => line.split(' ')); // prettier-ignore
    const addressesOf = (name: string) => known.flatMap(([address, ...names]) => (names.includes(name) ? address : []));
    const [four, six] = [addressOf(plan, 's1', 4), addressOf(plan, 's1', 6)];
    expect(addressesOf(serverName('s1'))).toEqual([four, six]);
    expect(addressesOf(serverName('s1', 4))).toEqual([four]);
    expect(addressesOf(serverName('s1', 6))).toEqual([six]);
    expect(addressesOf('s2.lab')).not.toContain(four);
  });

  it('of every pair gives no two ends of the internet the same address', () => {
    for (const pair of allPairs(ALL_NETWORKS)) {
      const addresses = [...planPair(pair).nodes.values()].flatMap((node) =>
        node.addresses.map(({ address }) => address),
      );
      const isPublic = (address: string) => /^(45\.|2a45:)/.test(address);
      const seen = addresses.filter(isPublic);
      expect(new Set(seen).size).withContext(pair.join(' → ')).toBe(seen.length);
    }
  });

  it('of every pair gives each node one address on its way out and a route through the node there, per family', () => {
    for (const pair of allPairs(ALL_NETWORKS)) {
      const plan = planPair(pair);
      const all = [...plan.nodes.values()].flatMap(({ addresses }) => addresses.map(({ address }) => address));
      for (const { name, routes, families, addresses } of plan.nodes.values()) {
        if (name === 'internet') continue;
        const context = `${pair.join(' → ')}: ${name}`;
        expect(routes.filter(({ metric }) => metric === undefined).length)
          .withContext(context)
          .toBe(families.length);
        expect(routes.every(({ via }) => all.includes(via)))
          .withContext(context)
          .toBeTrue();
        expect(addresses.filter(({ device }) => device === 'eth0' || device === 'wan').length)
          .withContext(context)
          .toBe(families.length);
      }
    }
  });

  it('puts a NAT between a private address and the internet, and none before a public one', () => {
    const host = planNetwork(NETWORKS.preserving);
    expect(linkEnds(host)).toContain('home-a line internet');
    expect(addressOf(host, 'a', 4)).toBe('192.168.1.11');
    expect(addressOf(planNetwork(NETWORKS.firewall), 'a', 4)).toMatch(/^45\.46\./);
    expect(addressOf(planNetwork(NETWORKS.public), 'a', 4)).toMatch(/^45\.45\./);
  });

  it('numbers two homes alike', () => {
    const plan = planPair(['preserving', 'random']);
    expect(addressOf(plan, 'a', 4)).toBe('192.168.1.11');
    expect(addressOf(plan, 'b', 4)).toBe('192.168.1.12');
  });

  it('gives a host with a VPN two default routes, the VPN’s before that of its home router', () => {
    const plan = planNetwork(NETWORKS.vpn);
    expect(linkEnds(plan).filter((link) => link.startsWith('a '))).toEqual(['a cable home-a', 'a cable other0-a']);
    const host = plan.nodes.get('a');
    expect(host?.routes).toEqual([
      { to: '0.0.0.0/0', via: '100.64.1.1' },
      { to: '0.0.0.0/0', via: '192.168.1.1', metric: 100 },
    ]);
    expect(host?.addresses.map(({ device, address }) => [device, address])).toEqual([
      ['eth0', '100.64.1.11'],
      ['eth1', '192.168.1.11'],
    ]);
  });

  it('puts the delay of a carrier’s subscriber between home and carrier', () => {
    expect(linkEnds(planNetwork(NETWORKS.cgnat))).toEqual([
      's1 line internet',
      's2 line internet',
      'isp-a cable internet',
      'home-a line isp-a',
      'a cable home-a',
    ]);
    expect(addressOf(planNetwork(NETWORKS.cgnat), 'home-a', 4)).toMatch(/^100\.64\./);
  });

  it('tells the internet the way to public addresses behind a firewall', () => {
    const plan = planPair(['firewall', 'ipv6-firewall']);
    const routes = plan.nodes.get('internet')?.routes ?? [];
    expect(routes.map(({ via }) => via)).toEqual([addressOf(plan, 'home-a', 4), addressOf(plan, 'home-b', 6)]);
  });

  it('puts the hosts of one LAN on one bridge, and isolated ones on a link each', () => {
    const lan = planPair(['same-lan']);
    expect(lan.nodes.get('common')?.bridges).toEqual(new Map([['lan0', ['port-a', 'port-b']]]));
    const isolated = planPair(['hairpin']);
    expect(addressOf(isolated, 'a', 4)).toBe('192.168.1.11');
    expect(addressOf(isolated, 'b', 4)).toBe('192.168.2.12');
  });

  it('has the families of the networks', () => {
    expect(familiesOf(planPair(['ipv6-firewall', 'dual-stack']), 'a')).toEqual([6]);
    expect(familiesOf(planPair(['ipv6-firewall', 'dual-stack']), 'b')).toEqual([4, 6]);
    expect(() => addressOf(planNetwork(NETWORKS['ipv6-firewall']), 'a', 4)).toThrowError('a has no IPv4 address');
  });
});

describe('The plan of many pairs', () => {
  const pairs = allPairs(ALL_NETWORKS);
  const plan = planPairs(pairs);

  it('has both hosts of every pair, as far from each other as in a plan of their own', () => {
    for (const pair of pairs) {
      const [dialer, listener] = hostsOf(pair);
      const alone = planPair(pair);
      const context = pair.join(' → ');
      expect(familiesOf(plan, dialer)).withContext(context).toEqual(familiesOf(alone, 'a'));
      expect(linesBetween(plan, dialer, listener))
        .withContext(context)
        .toBe(linesBetween(alone, 'a', 'b'));
      expect(wayOut(plan, listener).length).withContext(context).toBe(wayOut(alone, 'b').length);
    }
  });

  it('gives no two ends of the internet the same address', () => {
    const addresses = [...plan.nodes.values()].flatMap((node) => node.addresses.map(({ address }) => address));
    const seen = addresses.filter((address) => /^(45\.|2a45:)/.test(address));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('has names that the kernel takes', () => {
    const devices = plan.links.flatMap(({ ends }) => ends.map(({ device }) => device));
    expect(Math.max(...devices.map(({ length }) => length))).toBeLessThan(16);
  });
});

describe('Every network', () => {
  it('says how it looks from outside for each family that it has, and for no other', () => {
    for (const name of ALL_NETWORKS.filter((each) => !isSharedNetwork(each))) {
      const { behaviour, families } = NETWORKS[name];
      expect(Object.keys(behaviour)).withContext(name).toEqual(families.map(String));
    }
  });
});
