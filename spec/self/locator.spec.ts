import type { NetConfig } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { createIdentity } from '../../lib/identity.js';
import { localAddresses, locate } from '../../lib/self/locator.js';
import type { Mapping } from '../../lib/port-mapping/mapping.js';
import type { Reach } from '../../lib/reachability.js';
import type { NatView } from '../../lib/self/nat-view.js';
import { VERSION_3_FORM } from '../../lib/self/version-3-form.js';
import type { ServerState } from '../../lib/rendezvous/client.js';
import { EMPTY, NEVER } from 'rxjs';
import { formatUnl, parseUnl } from '../../lib/unl.js';

const identity = createIdentity();
const LOCAL = { address: '0.0.0.0', port: 50500 };

/** A server that sees this node at an address; `undefined` for one that does not answer. */
function serverSeeing(address: string | undefined): ServerState {
  const server = { host: 'rv.example.org', port: 8000 };
  if (address === undefined)
    return { server, session: undefined, observed: undefined, httpPort: undefined, failure: 'it is down' };
  const session = {
    server,
    observed: { address, port: 1 },
    remote: { address: '192.0.2.1', port: 8000 },
    httpPort: undefined,
    serverId: undefined,
    nonce: undefined,
    roundTripMs: undefined,
    message$: NEVER,
    send$: () => EMPTY,
    nodes$: () => EMPTY,
    advertise: () => undefined,
    line$: NEVER,
    say: () => undefined,
  };
  return { server, session, observed: session.observed, httpPort: undefined, failure: undefined };
}

/** Where a node is that has these addresses of its own and is seen at those. */
function located(
  own: readonly string[],
  seen: readonly (string | undefined)[],
  config: Partial<NetConfig> = {},
  reaches: readonly Reach[] = [],
  nats: readonly NatView[] = [],
) {
  const resolved = resolveConfig({ mode: 'direct', identity, ...config });
  return locate(
    resolved,
    LOCAL,
    {
      addresses: own,
      servers: seen.map(serverSeeing),
      reaches,
      nats,
    },
    VERSION_3_FORM,
  );
}

/** What is known of whether others can dial a node. */
function reachOf(fields: Partial<Reach>): Reach {
  return {
    family: 4,
    isSettled: true,
    isReachable: undefined,
    endpoint: undefined,
    mapping: undefined,
    isBehindAnotherNat: false,
    isOpenedInVain: false,
    words: '',
    ...fields,
  };
}

const EXTERNAL = { address: '203.0.113.1', port: 61001 };

/** A port that a gateway leads to the node. */
function mappingBy(protocol: Mapping['protocol']): Mapping {
  return {
    protocol,
    gateway: '10.0.0.254',
    internal: { address: '10.0.0.1', port: LOCAL.port },
    external: EXTERNAL,
    lifetimeMs: 7_200_000,
  };
}

describe('this machine’s addresses', () => {
  const interfaceOf = (...addresses: readonly string[]) =>
    addresses.map((address) =>
      address.includes(':')
        ? { address, family: 'IPv6' as const, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 }
        : { address, family: 'IPv4' as const, netmask: '', mac: '', internal: false, cidr: null },
    );

  it('are the one that the node is bound to', () => {
    expect(localAddresses('127.0.0.9', { interfaces: { eth0: interfaceOf('10.0.0.1') } })).toEqual(['127.0.0.9']);
  });

  it('are all that others can dial, IPv4 first, when it is bound to none or to all', () => {
    const interfaces = {
      lo: interfaceOf('127.0.0.1', '::1'),
      eth0: interfaceOf('fd00::1', '10.0.0.1', 'fe80::1', '169.254.0.1'),
    };
    expect(localAddresses(undefined, { interfaces })).toEqual(['10.0.0.1', 'fd00::1']);
    expect(localAddresses('0.0.0.0', { interfaces })).toEqual(['10.0.0.1', 'fd00::1']);
  });

  it('are those of loopback when there is no other', () => {
    expect(localAddresses(undefined, { interfaces: { lo: interfaceOf('127.0.0.1', '::1') } })).toEqual([
      '127.0.0.1',
      '::1',
    ]);
    expect(localAddresses(undefined, { interfaces: {} })).toEqual([]);
  });

  it('are no more than a locator has room for', () => {
    const many = Array.from({ length: 9 }, (_, index) => [`10.0.0.${index}`, `fd00::${index}`]).flat();
    const addresses = localAddresses(undefined, { interfaces: { eth0: interfaceOf(...many) } });
    expect(addresses.filter((address) => address.includes('.'))).toHaveSize(4);
    expect(addresses.filter((address) => address.includes(':'))).toHaveSize(4);
    const { unl } = located(
      addresses,
      Array.from({ length: 3 }, (_, index) => `2001:db8::${index + 1}`),
    );
    expect(parseUnl(formatUnl(unl))).toEqual(unl);
  });

  it('begin with those of the default routes, and have those of containers, virtual machines and VPNs last', () => {
    // As Node lists them on a developer's machine: in the order of the kernel, which is that of their making.
    const interfaces = {
      lo: interfaceOf('127.0.0.1', '::1'),
      docker0: interfaceOf('172.17.0.1', 'fe80::42:1'),
      'br-5f2c7d1e0a9b': interfaceOf('172.18.0.1'),
      'br-9a8b7c6d5e4f': interfaceOf('172.19.0.1', 'fd00:19::1'),
      virbr0: interfaceOf('192.168.122.1'),
      tailscale0: interfaceOf('100.101.102.103', 'fd7a:115c:a1e0::1'),
      enp3s0: interfaceOf('10.20.0.7'),
      wlan0: interfaceOf('192.168.1.23', 'fd00:1::23'),
    };
    expect(localAddresses(undefined, { interfaces, routed: ['192.168.1.23', 'fd00:1::23'] })).toEqual([
      '192.168.1.23',
      '10.20.0.7',
      '172.17.0.1',
      '172.18.0.1',
      'fd00:1::23',
      'fd00:19::1',
      'fd7a:115c:a1e0::1',
    ]);
    expect(localAddresses(undefined, { interfaces }).slice(0, 2)).toEqual(['10.20.0.7', '192.168.1.23']);
    // All goes through a VPN: it comes first, and the LAN behind it.
    expect(localAddresses(undefined, { interfaces, routed: ['100.101.102.103'] }).slice(0, 3)).toEqual([
      '100.101.102.103',
      '10.20.0.7',
      '192.168.1.23',
    ]);
  });

  it('are put last by the names of macOS and Windows, too', () => {
    for (const name of ['bridge100', 'utun3', 'vmenet0', 'VMware Network Adapter VMnet8', 'vEthernet (WSL)']) {
      const interfaces = { [name]: interfaceOf('172.20.0.1'), en0: interfaceOf('192.168.1.5') };
      expect(localAddresses(undefined, { interfaces })).toEqual(['192.168.1.5', '172.20.0.1']);
    }
    const interfaces = { Ethernet: interfaceOf('192.168.1.5'), br0: interfaceOf('192.168.2.5') };
    expect(localAddresses(undefined, { interfaces })).toEqual(['192.168.1.5', '192.168.2.5']);
  });
});

describe('a node', () => {
  it('is passive and open when every server sees it at an address of its own', () => {
    const { nodeType, natType } = located(['203.0.113.1', '2001:db8::1'], ['203.0.113.1', '2001:db8::1']);
    expect([nodeType, natType]).toEqual(['passive', { type: 'open' }]);
  });

  it('is active behind a NAT: one server sees it elsewhere', () => {
    for (const seen of [['203.0.113.1'], ['10.0.0.1', '203.0.113.1']]) {
      const { nodeType, natType } = located(['10.0.0.1'], seen);
      expect([nodeType, natType]).toEqual(['active', { type: 'unknown' }]);
    }
  });

  it('is passive all the same when its port is forwarded by hand', () => {
    const { nodeType, natType } = located(['10.0.0.1'], ['203.0.113.1'], { forwarded: true });
    expect([nodeType, natType]).toEqual(['passive', { type: 'unknown' }]);
  });

  it('is what its own addresses say while no server has answered', () => {
    expect(located(['10.0.0.1'], []).nodeType).toBe('active');
    expect(located(['8.8.8.8'], [undefined]).nodeType).toBe('passive');
    expect(located(['8.8.8.8'], [undefined]).natType).toEqual({ type: 'unknown' });
  });
});

describe('a node that somebody outside has tried to dial', () => {
  it('is what that showed, whatever its addresses say', () => {
    const typeOf = (own: string, ...reaches: readonly Reach[]) => located([own], [own], {}, reaches).nodeType;
    expect(typeOf('203.0.113.1', reachOf({ isReachable: false }))).toBe('active');
    expect(typeOf('203.0.113.1', reachOf({ isReachable: undefined }))).toBe('passive');
    expect(located(['10.0.0.1'], ['203.0.113.1'], {}, [reachOf({ isReachable: true })]).nodeType).toBe('passive');
  });

  it('is passive when one of its families can be dialled', () => {
    const [no, yes] = [reachOf({ isReachable: false }), reachOf({ family: 6, isReachable: true })];
    expect(located(['10.0.0.1', '2001:db8::1'], ['203.0.113.1'], {}, [no, yes]).nodeType).toBe('passive');
  });

  it('names the port that the gateway leads to it, and no other at the same address, which nobody could dial', () => {
    const reach = reachOf({ isReachable: true, endpoint: EXTERNAL, mapping: mappingBy('pcp') });
    const { unl } = located(['10.0.0.1'], ['203.0.113.1'], {}, [reach]);
    expect(unl.version === 3 && unl.endpoints).toEqual([
      { kind: 'lan', address: '10.0.0.1', port: 50500 },
      { kind: 'mapped', ...EXTERNAL },
    ]);
    expect(parseUnl(formatUnl(unl))).toEqual(unl);
  });

  it('names where it was dialled without a gateway’s help once', () => {
    const endpoint = { address: '203.0.113.1', port: 50500 };
    const { unl } = located(['10.0.0.1'], ['203.0.113.1'], {}, [reachOf({ isReachable: true, endpoint })]);
    expect(unl.version === 3 && unl.endpoints.filter(({ kind }) => kind !== 'lan')).toEqual([
      { kind: 'wan', ...endpoint },
    ]);
  });
});

describe('the locator of a node', () => {
  it('holds its key, its own addresses, each address at which it is seen once, and its servers', () => {
    const { unl } = located(['10.0.0.1', 'fd00::1'], ['203.0.113.1', undefined, '203.0.113.1'], {
      rendezvous: ['rv.example.org:8000'],
    });
    expect(unl).toEqual({
      version: 3,
      peerId: identity.peerId,
      nodeType: 'active',
      natType: { type: 'unknown' },
      endpoints: [
        { kind: 'lan', address: '10.0.0.1', port: 50500 },
        { kind: 'lan', address: 'fd00::1', port: 50500 },
        { kind: 'wan', address: '203.0.113.1', port: 50500 },
      ],
      rendezvous: [{ host: 'rv.example.org', port: 8000 }],
      mailboxes: [],
      dht: [],
      mqtt: [],
      extensions: [],
    });
    expect(parseUnl(formatUnl(unl))).toEqual(unl);
  });
});
