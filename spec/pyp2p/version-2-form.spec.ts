import type { NetConfig } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { createIdentity } from '../../lib/identity.js';
import type { Mapping } from '../../lib/port-mapping/mapping.js';
import { VERSION_2_FORM } from '../../lib/pyp2p/version-2-form.js';
import type { Reach } from '../../lib/reachability.js';
import { locate } from '../../lib/self/locator.js';
import type { NatView } from '../../lib/self/nat-view.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import type { NatType } from '../../lib/unl/types.js';

const identity = createIdentity();
const LOCAL = { address: '0.0.0.0', port: 50500 };
const EXTERNAL = { address: '203.0.113.1', port: 61001 };

/** Where a plain node is that has these addresses of its own and is seen at those. */
function located(
  own: readonly string[],
  seen: readonly string[],
  config: Partial<NetConfig> = {},
  reaches: readonly Reach[] = [],
  nats: readonly NatView[] = [],
) {
  const resolved = resolveConfig({ mode: 'direct', identity, security: 'plain', ...config });
  const servers = seen.map((address) => ({
    server: { host: 'rv.example.org', port: 8000 },
    session: undefined,
    observed: { address, port: 1 },
    httpPort: undefined,
    failure: undefined,
  }));
  return locate(resolved, LOCAL, { addresses: own, servers, reaches, nats }, VERSION_2_FORM);
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

describe('the locator of a plain node', () => {
  it('tells the port that leads to it, and by what it was opened', () => {
    for (const [protocol, forwarding] of [
      ['upnp', 'UPnP'],
      ['nat-pmp', 'NATPMP'],
      ['pcp', 'NATPMP'],
    ] as const) {
      const reach = reachOf({ isReachable: true, endpoint: EXTERNAL, mapping: mappingBy(protocol) });
      const { unl } = located(['10.0.0.1'], ['203.0.113.1'], {}, [reach]);
      expect(unl).toEqual(
        jasmine.objectContaining({ nodeType: 'passive', forwarding, port: 61001, wan: '203.0.113.1', lan: '10.0.0.1' }),
      );
      expect(parseUnl(formatUnl(unl))).toEqual(unl);
    }
  });

  it('tells nothing of IPv6, which PyP2P’s nodes do not know', () => {
    const endpoint = { address: '2001:db8::1', port: 61001 };
    const reach = reachOf({ family: 6, isReachable: true, endpoint });
    expect(located(['10.0.0.1'], ['203.0.113.1'], {}, [reach]).unl).toEqual(
      jasmine.objectContaining({ port: 50500, wan: '203.0.113.1' }),
    );
  });

  it('is a whole locator of version 2', () => {
    const { unl } = located(['fd00::1', '10.0.0.1'], ['2001:db8::1', '203.0.113.1'], {
      forwarded: true,
    });
    expect(unl).toEqual({
      version: 2,
      nodeId: identity.nodeId,
      nodeType: 'passive',
      natType: 'unknown',
      forwarding: 'forwarded',
      port: 50500,
      wan: '203.0.113.1',
      lan: '10.0.0.1',
    });
    expect(parseUnl(formatUnl(unl))).toEqual(unl);
  });

  it('tells the NAT type, as far as PyP2P has words for it, and the public address', () => {
    const natOf = (natType: NatType, address = '203.0.113.1', family: 4 | 6 = 4): NatView => ({
      natType,
      confidence: 1,
      addresses: [address],
      family,
      servers: [],
      roundTripMs: 80,
      lastPort: 50_000,
    });
    const plainOf = (nat: NatView, config: Partial<NetConfig> = {}) => located(['10.0.0.1'], [], config, [], [nat]).unl;
    const simultaneous = { nodeType: 'simultaneous', wan: '203.0.113.1' };
    for (const type of ['preserving', 'reuse'] as const) {
      expect(plainOf(natOf({ type }))).toEqual(jasmine.objectContaining({ ...simultaneous, natType: type }));
    }
    expect(plainOf(natOf({ type: 'delta', delta: 2 }))).toEqual(
      jasmine.objectContaining({ ...simultaneous, natType: 'delta' }),
    );
    expect(plainOf(natOf({ type: 'open' }))).toEqual(jasmine.objectContaining({ natType: 'preserving' }));
    for (const type of ['random', 'unknown'] as const) {
      expect(plainOf(natOf({ type }))).toEqual(jasmine.objectContaining({ nodeType: 'active', natType: type }));
    }
    const preserving = { type: 'preserving' } as const;
    expect(plainOf(natOf(preserving), { mode: 'p2p' }).nodeType)
      .withContext('as PyP2P: in direct mode only')
      .toBe('active');
    expect(plainOf(natOf(preserving, '2001:db8::1', 6)).nodeType).toBe('active');
    expect(plainOf(natOf(preserving, '0.0.0.0')))
      .withContext('a server that does not tell the address')
      .toEqual(jasmine.objectContaining({ nodeType: 'simultaneous', wan: '10.0.0.1' }));
  });

  it('uses the LAN address as the public one until a server tells that, and can do without both', () => {
    expect(located(['10.0.0.1'], [], {}).unl).toEqual(
      jasmine.objectContaining({ lan: '10.0.0.1', wan: '10.0.0.1', forwarding: 'manual' }),
    );
    const { unl } = located([], [], {});
    expect(parseUnl(formatUnl(unl))).toEqual(unl);
  });
});
