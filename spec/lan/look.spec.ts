import { networkInterfaces } from 'node:os';
import { firstValueFrom, lastValueFrom, merge, NEVER, of, throwError, toArray, type Observable } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import { ownInterfaces } from '../../lib/link/interfaces.js';
import type { MulticastEvent } from '../../lib/link/multicast.js';
import type { MulticastLink } from '../../lib/link/multicast-links.js';
import { encodeMessage } from '../../lib/lan/dns/encode.js';
import { SERVICE } from '../../lib/lan/statement.js';
import { Lan } from '../../lib/lan/lan.js';
import { lookAtLan$ } from '../../lib/lan/look.js';
import { networkLooks$ } from '../../lib/link/network-looks.js';
import { systemRuntime } from '../../lib/runtime.js';
import { impatient } from '../support/impatient.js';
import { lanRuntime, lanUnl$ } from '../support/lan.js';
import { Lab, newAddress } from '../support/nodes.js';

/** It listens for a third of the time: what is here answers within 120 ms. */
const scheduler = impatient({ 1_000: 300, 2_000: 700 });

const link: MulticastLink = {
  key: 'eth0 192.168.1.7',
  interfaceName: 'eth0',
  family: 4,
  address: '192.168.1.7',
  zone: '',
  networks: ['192.168.1.7/24'],
};
const deaf = { ...link, key: 'wlan0 10.0.0.7', interfaceName: 'wlan0', address: '10.0.0.7' };

describe('A look at the local network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const looks$ = (event$: Observable<MulticastEvent>) =>
    lookAtLan$({
      bind: '192.168.1.7',
      interfaces: {},
      runtime: { multicast$: () => event$, scheduler: impatient({ 2_000: 20 }) },
    });
  const look = (event$: Observable<MulticastEvent>) => lastValueFrom(looks$(event$));
  const packet = (address: string, interfaceName = 'eth0', bytes = Buffer.from('no DNS')): MulticastEvent => ({
    type: 'packet',
    bytes,
    from: { address, port: 5_353, link: link.key, interfaceName },
  });

  it('hears itself, and a node that wants to be found', async () => {
    const [here, there] = [newAddress(), newAddress()];
    const identity = createIdentity();
    const network$ = networkLooks$({ everyMs: 60_000, routed$: of([]), scheduler: systemRuntime.scheduler });
    const own$ = lanUnl$(identity, there);
    const lan = new Lan({ identity, bind: there, own$, network$, runtime: lanRuntime, trace: () => undefined });
    lab.use(lan.parcel$.subscribe());
    const runtime = { multicast$: lanRuntime.multicast$, scheduler };
    const found = await lastValueFrom(lookAtLan$({ bind: here, interfaces: networkInterfaces(), runtime }));
    const [loopback = ''] = Object.keys(ownInterfaces().interfaces ?? {}).filter((name) => name.startsWith('lo'));
    expect(found).toEqual({ interfaces: [loopback], heard: [loopback], hosts: 1, nodes: 1, failures: [] });
  });

  it('counts each other host once, whatever it says, and tells of interfaces that are deaf or cannot be used', async () => {
    const events: readonly MulticastEvent[] = [
      { type: 'joined', link },
      { type: 'joined', link: deaf },
      { type: 'failed', link: { ...link, interfaceName: 'tun0' }, reason: 'no such device' },
      packet('192.168.1.7'),
      packet('192.168.1.8'),
      packet('192.168.1.8'),
      packet('192.168.1.9'),
    ];
    expect(await look(merge(of(...events), NEVER))).toEqual({
      interfaces: ['eth0', 'wlan0'],
      heard: ['eth0'],
      hosts: 2,
      nodes: 0,
      failures: ['tun0: no such device'],
    });
  });

  it('counts a host once that speaks by both families of addresses, and emits only what is new', async () => {
    const answer = encodeMessage({
      id: 0,
      isResponse: true,
      questions: [],
      answers: [{ name: SERVICE, type: 'TXT', ttl: 120, texts: [] }],
      additionals: [],
    });
    const event$ = of(
      ...['192.168.1.8', 'fe80::8', '192.168.1.8', 'fe80::8', 'fe80::9'].map((from) =>
        packet(from, 'eth0', Buffer.from(answer)),
      ),
    );
    const found = await firstValueFrom(looks$(merge(event$, NEVER)).pipe(toArray()));
    expect(found.map(({ hosts, nodes }) => [hosts, nodes])).toEqual([
      [0, 0],
      [1, 1],
      [1, 1],
      [2, 2],
    ]);
  });

  it('reads a bounded number of packets', async () => {
    const chatter = Array.from({ length: 4_096 }, () => packet('192.168.1.8'));
    const { hosts, heard } = await look(merge(of(...chatter, packet('192.168.1.9'), packet('192.168.1.7')), NEVER));
    expect([hosts, heard]).toEqual([1, []]);
  });

  it('remembers a bounded number of hosts', async () => {
    const crowd = Array.from({ length: 1_000 }, (_, i) => packet(`192.168.${i >> 8}.${i & 255}`));
    expect((await look(merge(of(...crowd), NEVER))).hosts).toBe(256);
  });

  it('is nothing where nothing can be heard', async () => {
    expect(await look(NEVER)).toEqual({ interfaces: [], heard: [], hosts: 0, nodes: 0, failures: [] });
    await expectAsync(look(throwError(() => new Error('no sockets')))).toBeRejected();
  });
});
