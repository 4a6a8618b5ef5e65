import { NEVER, Subject, VirtualTimeScheduler } from 'rxjs';
import { resolveConfig } from '../../lib/config/resolve.js';
import type { NetworkLook } from '../../lib/link/network-looks.js';
import { systemRuntime } from '../../lib/runtime.js';
import { findings$, signalRoundTripMs, type Findings } from '../../lib/self/findings.js';
import type { Located } from '../../lib/self/locator-form.js';
import { NOTHING_FOUND } from '../../lib/self/nothing-found.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import type { ServerState } from '../../lib/rendezvous/client.js';
import { unlOf } from '../support/locators.js';

function serverAt(roundTripMs: number, seenAt: string | undefined): ServerState {
  const server = { host: 'rv.example.org', port: 8000 };
  const observed = seenAt === undefined ? undefined : { address: seenAt, port: 1 };
  const session = {
    server,
    observed,
    remote: { address: '192.0.2.1', port: 8000 },
    httpPort: undefined,
    serverId: undefined,
    nonce: undefined,
    roundTripMs,
    message$: NEVER,
    send$: () => NEVER,
    nodes$: () => NEVER,
    advertise: () => undefined,
    line$: NEVER,
    say: () => undefined,
  };
  return { server, session, observed, httpPort: undefined, failure: undefined };
}

describe('the way to the server that carries signals', () => {
  const views = ([6, 4] as const).map((family) => ({
    family,
    natType: { type: 'open' } as const,
    confidence: 1,
    addresses: [],
    servers: [],
    roundTripMs: family * 10,
    lastPort: 0,
  }));
  const down: ServerState = {
    server: { host: 'rv.example.net', port: 8000 },
    session: undefined,
    observed: undefined,
    httpPort: undefined,
    failure: 'it is down',
  };
  const ways = (findings: Partial<Findings>) =>
    ([4, 6] as const).map((family) => signalRoundTripMs({ ...NOTHING_FOUND, nats: views, ...findings }, family));

  it('is that of the first session by the family, since it is used first', () => {
    const servers = [down, serverAt(100, '2001:db8::1'), serverAt(200, '192.0.2.1'), serverAt(300, '192.0.2.1')];
    expect(ways({ servers })).toEqual([200, 100]);
  });

  it('is that of the first session where there is none by the family', () => {
    expect(ways({ servers: [serverAt(100, '192.0.2.1'), serverAt(200, '192.0.2.1')] })).toEqual([100, 100]);
  });

  it('is what was seen of the NAT by the family where there is no session, and 0 where nothing was', () => {
    expect(ways({ servers: [down] })).toEqual([40, 60]);
    expect(ways({ nats: undefined })).toEqual([0, 0]);
  });
});

describe('what a node knows about itself', () => {
  it('makes a locator anew when its addresses are others, not at each look at the network', () => {
    const config = resolveConfig({ mode: 'direct', reachability: false });
    const scheduler = new VirtualTimeScheduler();
    const network$ = new Subject<NetworkLook>();
    const made: Located[] = [];
    const told: Findings[] = [];
    const subscription = findings$(
      { address: '0.0.0.0', port: 1_234 },
      {
        config,
        runtime: { ...systemRuntime, scheduler },
        dialect: OUR_DIALECT,
        locatorForm: {
          canPunchBy: () => true,
          unlOf: (located) => {
            made.push(located);
            return unlOf({ endpoints: located.addresses.map((address) => ({ kind: 'lan', address, port: 1_234 })) });
          },
        },
        trace: () => undefined,
        network$,
        looksAtNat: false,
        runToEnd: () => undefined,
      },
    ).subscribe((findings) => told.push(findings));
    const lookAt = (address: string) => {
      const base = { family: 'IPv4', netmask: '255.255.255.0', mac: '02:00:00:00:00:01', internal: false } as const;
      const interfaces = { eth0: [{ ...base, address, cidr: `${address}/24` }] };
      network$.next({ interfaces, failure: undefined, routed: [], hasChanged: false });
    };
    for (let look = 0; look < 10; look++) lookAt('192.0.2.1');
    expect(made.map(({ addresses }) => addresses)).toEqual([['192.0.2.1']]);
    for (let look = 0; look < 10; look++) lookAt('192.0.2.2');
    expect(made.map(({ addresses }) => addresses)).toEqual([['192.0.2.1'], ['192.0.2.2']]);
    expect(told.at(-1)?.location?.unl).toEqual(
      unlOf({ endpoints: [{ kind: 'lan', address: '192.0.2.2', port: 1_234 }] }),
    );
    subscription.unsubscribe();
  });
});
