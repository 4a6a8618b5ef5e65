import { filter, firstValueFrom, map, NEVER, of, throwError, type Observable } from 'rxjs';
import type { NetConfig, Timing } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { createNet, parseUnl, type Net } from '../../lib/index.js';
import { reach$ } from '../../lib/self/reach.js';
import type { Reach } from '../../lib/reachability.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { reachabilityServer$ } from '../../servers/reachability/server.js';
import { FakeGateway, type GatewayOptions } from '../support/gateways.js';
import { Lab, newAddress } from '../support/nodes.js';
import { endpointOf } from '../support/raw-peer.js';

/** A public address that is nobody's. */
const SEEN_AT = '203.0.113.9';

const PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const;

describe('A net behind a gateway', () => {
  const lab = new Lab();
  const nets: Net[] = [];
  afterEach(async () => {
    await Promise.all(nets.splice(0).map((net) => net.close(200)));
    await lab.close();
  });

  async function openGateway(options: GatewayOptions = {}): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  /**
   * A reachability server. What the gateway leads to this machine it cannot dial, since there is no gateway's address on this
   * machine; so its dials to a port are told by a spec.
   */
  async function openServer(dial$?: Runtime['dial$']): Promise<string> {
    const runtime = { ...systemRuntime, ...(dial$ && { dial$ }) };
    const { local } = await new Promise<{ local: { address: string; port: number } }>((resolve) => {
      lab.use(reachabilityServer$({ bind: newAddress(), port: 0 }, runtime).subscribe(resolve));
    });
    return `http://${local.address}:${local.port}`;
  }

  /** A net on an address of its own, of which the gateway is the given one. */
  function open(
    gateway: FakeGateway | undefined,
    { timing, ...config }: Partial<Omit<NetConfig, 'timing'>> & { readonly timing?: Partial<Timing> } = {},
    gateway$: Observable<FakeGateway['gateway']> = gateway === undefined ? NEVER : of(gateway.gateway),
  ): Net {
    const runtime: Runtime = { ...systemRuntime, gateway$: () => gateway$ };
    const net = createNet({ mode: 'direct', bind: newAddress(), timing, ...config }, runtime);
    nets.push(net);
    return net;
  }

  /** How a net stands when all has been tried. */
  async function settled(net: Net, condition: (reach: Reach) => boolean = () => true): Promise<Reach> {
    await net.start();
    return firstValueFrom(
      net.status$.pipe(
        map(({ reach }) => reach[0]),
        filter((reach) => reach !== undefined),
        filter((reach) => reach.isSettled && condition(reach)),
      ),
    );
  }

  /** Somebody who is dialled in vain. */
  const refusing: Runtime['dial$'] = ({ host }) => throwError(() => new Error(`${host} is behind a NAT`));

  /** The endpoints of a net's locator but its own ones; where it is seen, unless something better is known, is one of them. */
  async function wayIn(net: Net): Promise<readonly string[]> {
    const unl = parseUnl(await firstValueFrom(net.unl$));
    return unl.version === 3
      ? unl.endpoints.filter(({ kind }) => kind !== 'lan').map(({ kind, port }) => `${kind} ${port}`)
      : [];
  }

  it('that others can dial already is passive, and leaves the gateway alone', async () => {
    const gateway = await openGateway();
    const net = open(gateway, { reachability: [await openServer()] });
    const { port, address } = await endpointOf(net);
    expect(await settled(net)).toEqual(
      jasmine.objectContaining({ isReachable: true, endpoint: { address, port }, mapping: undefined }),
    );
    expect(await wayIn(net)).toEqual([`wan ${port}`]);
    const { nodeType } = await firstValueFrom(net.status$);
    expect(nodeType).toBe('passive');
    await net.close();
    expect(gateway.changes).toBe(0);
    expect(gateway.heard.filter((each) => / map$|Add(Any)?PortMapping$/.test(each))).toEqual([]);
  });

  for (const protocol of PROTOCOLS) {
    it(`has a port opened by ${protocol} and is passive once it was dialled there, and gives the port back before it is closed`, async () => {
      const gateway = await openGateway();
      const net = open(gateway, { portMapping: [protocol], reachability: [await openServer(byTableOf(gateway))] });
      const { port, address } = await endpointOf(net);
      const outside = gateway.table;
      outside.set(port, { client: newAddress(), internalPort: port, lifetimeSeconds: 0 });
      gateway.external = address;
      const reach = await settled(net);
      expect(reach.isReachable).toBeTrue();
      expect(reach.isBehindAnotherNat).toBeFalse();
      expect(reach.mapping?.protocol).toBe(protocol);
      const external = reach.mapping?.external.port ?? 0;
      expect(reach.endpoint).toEqual({ address, port: external });
      expect(external).not.toBe(port);
      expect(await wayIn(net)).toEqual([`mapped ${external}`]);
      expect((await firstValueFrom(net.status$)).nodeType).toBe('passive');
      await net.close();
      expect([...outside.keys()]).toEqual([port]);
    });
  }

  it('that nobody can verify believes the gateway', async () => {
    const gateway = await openGateway();
    // A server that is not there.
    const net = open(gateway, { reachability: [`http://${newAddress()}:9`] });
    const reach = await settled(net);
    expect(reach.isReachable).toBeUndefined();
    expect(reach.endpoint?.address).toBe(gateway.external);
    expect(reach.mapping?.gateway).toBe(gateway.address);
    const { port } = await endpointOf(net);
    expect(await wayIn(net)).toEqual([`mapped ${port}`]);
    expect(gateway.table).toHaveSize(1);
  });

  it('that nobody can verify does not believe a gateway that has no address of its own', async () => {
    for (const external of ['10.0.0.1', '100.64.0.1', '0.0.0.0']) {
      const gateway = await openGateway();
      gateway.external = external;
      const net = open(gateway, { reachability: [`http://${newAddress()}:9`] });
      const reach = await settled(net);
      expect(reach.endpoint).withContext(external).toBeUndefined();
      expect(reach.mapping).withContext(external).toBeUndefined();
      expect(await wayIn(net)).toEqual([]);
      await gateway.until(({ table }) => table.size === 0);
    }
  });

  it('behind two NATs says so in words, and gives the port back', async () => {
    const gateway = await openGateway();
    gateway.external = '100.64.0.9';
    const net = open(gateway, { reachability: [await openServer(refusing)] });
    const reach = await settled(net);
    expect(reach).toEqual(
      jasmine.objectContaining({
        isReachable: false,
        isBehindAnotherNat: true,
        endpoint: undefined,
        mapping: undefined,
      }),
    );
    expect(reach.words).toMatch(/leads 100\.64\.0\.9:\d+ here .*but others see this node at 127\..*another NAT/);
    await gateway.until(({ table, changes }) => changes > 0 && table.size === 0);
    const { port } = await endpointOf(net);
    expect(await wayIn(net)).toEqual([`wan ${port}`]);
  });

  it('that can do nothing about it says why, in the words of each protocol', async () => {
    const gateway = await openGateway({ manners: { pcp: 'refuses', 'nat-pmp': 'refuses', upnp: 'refuses' } });
    const net = open(gateway, { reachability: [await openServer(refusing)] });
    const { isReachable, endpoint, words } = await settled(net);
    expect([isReachable, endpoint]).toEqual([false, undefined]);
    for (const each of ['Others cannot dial this node', 'by PCP', 'by NAT-PMP', 'by UPnP'])
      expect(words).toContain(each);
    const { port } = await endpointOf(net);
    expect(await wayIn(net)).toEqual([`wan ${port}`]);
  });

  it('without a gateway says so', async () => {
    const net = open(undefined, { reachability: [await openServer(refusing)] }, of());
    expect((await settled(net)).words).toContain('There is no IPv4 gateway to ask');
  });

  it('asks the gateway again after a while', async () => {
    const gateway = await openGateway({ manners: { pcp: 'refuses' } });
    const net = open(gateway, {
      portMapping: ['pcp'],
      reachability: [`http://${newAddress()}:9`],
      timing: { mappingRetryMs: 20 },
    });
    expect((await settled(net)).mapping).toBeUndefined();
    gateway.manners.pcp = 'grants';
    expect((await settled(net, ({ mapping }) => mapping !== undefined)).endpoint?.address).toBe(gateway.external);
    expect(gateway.table).toHaveSize(1);
  });

  it('asks anew, soon, for a port that it has lost since the gateway was away', async () => {
    const gateway = await openGateway();
    const net = open(gateway, {
      portMapping: ['pcp'],
      reachability: [`http://${newAddress()}:9`],
      timing: { mappingMs: 1_000 },
    });
    expect((await settled(net)).mapping?.protocol).toBe('pcp');
    gateway.manners.pcp = 'refuses';
    expect((await settled(net, ({ mapping }) => mapping === undefined)).words).toContain('could not be renewed');
    gateway.manners.pcp = 'grants';
    expect((await settled(net, ({ mapping }) => mapping !== undefined)).mapping?.protocol).toBe('pcp');
  });

  it('looks again from time to time whether it can still be dialled, and has a port opened when it cannot', async () => {
    const gateway = await openGateway();
    let isForwarded = true;
    const byTable = byTableOf(gateway);
    const dial$: Runtime['dial$'] = (config) => (isForwarded ? systemRuntime.dial$(config) : byTable(config));
    const net = open(gateway, { reachability: [await openServer(dial$)], timing: { mappingRetryMs: 20 } });
    const { port, address } = await endpointOf(net);
    gateway.external = address;
    expect((await settled(net)).mapping).toBeUndefined();
    isForwarded = false;
    const reach = await settled(net, ({ mapping }) => mapping !== undefined);
    expect(reach.isReachable).toBeTrue();
    expect(gateway.table).toHaveSize(1);
    expect(reach.mapping?.internal.port).toBe(port);
  });

  it('does not take a server on its own LAN for one outside', async () => {
    const gateway = await openGateway();
    const server = new URL(`${await openServer()}/`);
    const bind = newAddress();
    const reaches = reach$({
      config: resolveConfig({ mode: 'direct', bind, reachability: [server.href], portMapping: false }),
      runtime: { ...systemRuntime, gateway$: () => of(gateway.gateway) },
      trace: () => undefined,
      port: 9,
      observed$: of([SEEN_AT]),
      servers$: of([server]),
      runToEnd: () => undefined,
    });
    const [reach] = await firstValueFrom(reaches.pipe(filter(([each]) => each?.isSettled === true)));
    expect(reach?.isReachable).toBeUndefined();
    expect(reach?.words).toContain('There was no server that could dial this node back');
  });

  it('tells others where it is when the gateway has another address', async () => {
    const gateway = await openGateway();
    const net = open(gateway, { reachability: [`http://${newAddress()}:9`], timing: { mappingCheckMs: 20 } });
    await settled(net);
    gateway.move('198.51.100.99');
    const moved = await firstValueFrom(
      net.unl$.pipe(
        map((text) => parseUnl(text)),
        filter((unl) => unl.version === 3 && unl.endpoints.some(({ address }) => address === '198.51.100.99')),
      ),
    );
    expect(moved.nodeType).toBe('passive');
  });

  it('gives back what it is still being granted when it is closed', async () => {
    for (const protocol of PROTOCOLS) {
      const gateway = await openGateway();
      const net = open(gateway, { portMapping: [protocol], reachability: [`http://${newAddress()}:9`] });
      void net.start();
      await gateway.until(({ changes }) => changes > 0);
      await net.close();
      expect(gateway.table).withContext(protocol).toHaveSize(0);
    }
  });

  it('that was told that its port is forwarded asks nobody', async () => {
    const gateway = await openGateway();
    let asked = 0;
    const server = await openServer(() => {
      asked++;
      return NEVER;
    });
    const net = open(gateway, { forwarded: true, reachability: [server] });
    await firstValueFrom(net.unl$);
    const { nodeType, reach } = await firstValueFrom(
      net.status$.pipe(filter((status) => status.nodeType !== 'unknown')),
    );
    expect([nodeType, reach]).toEqual(['passive', []]);
    expect(asked).toBe(0);
    expect(gateway.heard).toEqual([]);
  });

  it('with port mapping off asks the gateway nothing', async () => {
    const gateway = await openGateway();
    const net = open(gateway, { portMapping: false, reachability: [await openServer(refusing)] });
    const { isReachable, words } = await settled(net);
    expect(isReachable).toBeFalse();
    expect(words).toContain('switched off');
    expect(gateway.heard).toEqual([]);
  });

  it('with reachability off asks nobody', async () => {
    const gateway = await openGateway();
    const net = open(gateway, { reachability: false });
    await firstValueFrom(net.unl$);
    expect((await firstValueFrom(net.status$)).reach).toEqual([]);
    expect(gateway.heard).toEqual([]);
  });

  it('connects to others while servers and gateway are still silent', async () => {
    const gateway = await openGateway({ manners: { pcp: 'silent', 'nat-pmp': 'silent', upnp: 'silent' } });
    const net = open(gateway, { reachability: [await openServer(() => NEVER)] });
    const peer = lab.net();
    const connection = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
    expect(connection.peerId).toBe(peer.peerId);
    expect((await firstValueFrom(net.status$)).reach.some(({ isSettled }) => isSettled)).toBeFalse();
  });

  it('tells each protocol’s way, and how it ended', async () => {
    const gateway = await openGateway({ manners: { pcp: 'refuses', upnp: 'silent' } });
    const net = open(gateway, { reachability: [`http://${newAddress()}:9`] });
    const steps = lab.collect(net.trace$.pipe(filter(({ type }) => type === 'port-mapping' || type === 'reach')));
    await settled(net);
    expect(steps).toContain(
      jasmine.objectContaining({ protocol: 'pcp', outcome: 'failed', reason: jasmine.any(String) }),
    );
    expect(steps).toContain(jasmine.objectContaining({ protocol: 'nat-pmp', outcome: 'succeeded' }));
    expect(steps).toContain(jasmine.objectContaining({ protocol: 'upnp', outcome: 'cancelled' }));
    expect(steps).toContain(jasmine.objectContaining({ type: 'reach', elapsedMs: jasmine.any(Number) }));
  });

  /** Outside a gateway: whoever dials one of its ports gets to where its table leads. */
  function byTableOf(gateway: FakeGateway): Runtime['dial$'] {
    return (config) => {
      const entry = gateway.table.get(config.port);
      if (entry === undefined) return throwError(() => new Error('Nobody has that port'));
      return systemRuntime.dial$({ ...config, host: entry.client, port: entry.internalPort });
    };
  }
});
