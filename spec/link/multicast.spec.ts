import type { NetworkInterfaceInfo } from 'node:os';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { BehaviorSubject, filter, firstValueFrom, NEVER, type Observable, of, Subject, take } from 'rxjs';
import { ownInterfaces } from '../../lib/link/interfaces.js';
import { isOnLinkOf, linksOf, type MulticastLink } from '../../lib/link/multicast-links.js';
import { multicastWith, type MulticastEvent, type Outgoing } from '../../lib/link/multicast.js';
import { systemRuntime } from '../../lib/runtime.js';
import { Lab, newAddress } from '../support/nodes.js';

const mac = '00:00:00:00:00:00';

function ipv4(address: string, cidr: string, internal = false): NetworkInterfaceInfo {
  return { family: 'IPv4', address, netmask: '', mac, internal, cidr };
}

function ipv6(address: string, cidr: string, internal = false): NetworkInterfaceInfo {
  return { family: 'IPv6', address, netmask: '', mac, internal, cidr, scopeid: 2 };
}

const INTERFACES = {
  lo: [ipv4('127.0.0.1', '127.0.0.1/8', true), ipv6('::1', '::1/128', true)],
  eth0: [ipv4('192.168.1.7', '192.168.1.7/24'), ipv6('2a00:1::7', '2a00:1::7/64'), ipv6('fe80::7', 'fe80::7/64')],
  wlan0: [ipv4('10.0.0.7', '10.0.0.7/8'), ipv4('169.254.1.7', '169.254.1.7/16')],
};

describe('The links of a machine', () => {
  const keys = (bind?: string) => linksOf(INTERFACES, bind).map(({ key }) => key);

  it('are all of its interfaces but loopback, each by both families', () => {
    const [eth0, wlan0] = [{ interfaceName: 'eth0' }, { interfaceName: 'wlan0' }];
    expect(linksOf(INTERFACES, undefined)).toEqual([
      { ...eth0, key: 'eth0 192.168.1.7', family: 4, address: '192.168.1.7', zone: '', networks: ['192.168.1.7/24'] },
      {
        ...eth0,
        key: 'eth0 fe80::7',
        family: 6,
        address: 'fe80::7',
        zone: 'eth0',
        networks: ['2a00:1::7/64', 'fe80::7/64'],
      },
      { ...wlan0, key: 'wlan0 10.0.0.7', family: 4, address: '10.0.0.7', zone: '', networks: ['10.0.0.7/8'] },
      { ...wlan0, key: 'wlan0 169.254.1.7', family: 4, address: '169.254.1.7', zone: '', networks: ['169.254.1.7/16'] },
    ]);
    expect(linksOf(undefined, undefined)).toEqual([]);
  });

  it('are those of the address that a node is bound to, and no others', () => {
    expect(keys('10.0.0.7')).toEqual(['wlan0 10.0.0.7']);
    expect(keys('127.0.0.5')).toEqual(['lo 127.0.0.5']);
    expect(keys('fe80::7%eth0')).toEqual(['eth0 fe80::7']);
    expect(keys('2a00:1::7')).toEqual(['eth0 2a00:1::7']);
    expect(keys('192.168.1.8')).toEqual([]);
    expect(keys('0.0.0.0')).toEqual(['eth0 192.168.1.7', 'wlan0 10.0.0.7', 'wlan0 169.254.1.7']);
    expect(keys('::')).toEqual(keys());
  });

  it('have the hosts of their networks', () => {
    const [eth0, eth0v6] = linksOf(INTERFACES, undefined);
    if (eth0 === undefined || eth0v6 === undefined) throw new Error('Expected links');
    const isOn = (link: MulticastLink, ...hosts: readonly string[]) =>
      hosts.map((address) => isOnLinkOf(link, address));
    expect(isOn(eth0, '192.168.1.99', '192.168.2.1', '45.1.2.3', 'fe80::1')).toEqual([true, false, false, false]);
    expect(isOn(eth0v6, 'fe80::1', '2a00:1::9', '2a00:1:0:1::9', '192.168.1.1')).toEqual([true, true, false, false]);
  });
});

describe('Multicast on the local network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const port = 40_000 + (process.pid % 10_000);
  const linkAt = (address: string) => linksOf(ownInterfaces().interfaces, address);
  const multicast$ = multicastWith(systemRuntime.scheduler);

  /** A node at an address, and what comes there. Resolves once it has joined. */
  async function nodeAt(address: string, links$: Observable<readonly MulticastLink[]> = of(linkAt(address))) {
    const outgoing = new Subject<Outgoing>();
    const events: MulticastEvent[] = [];
    const came = new Subject<MulticastEvent>();
    const subscription = lab.use(
      multicast$({ links$, outgoing$: outgoing, port }).subscribe((event) => {
        events.push(event);
        came.next(event);
      }),
    );
    const next = (type: MulticastEvent['type']) => firstValueFrom(came.pipe(filter((event) => event.type === type)));
    if (!events.some(({ type }) => type === 'joined')) await next('joined');
    return {
      address,
      events,
      next,
      subscription,
      send: (text: string) => {
        outgoing.next({ bytes: Buffer.from(text) });
      },
      outgoing,
    };
  }

  const packetOf = (event: MulticastEvent) =>
    event.type === 'packet' ? { text: event.bytes.toString(), address: event.from.address } : undefined;

  it('comes to all nodes of the network, with its sender', async () => {
    const [alice, bob] = [await nodeAt(newAddress()), await nodeAt(newAddress())];
    const [atAlice, atBob] = [alice.next('packet'), bob.next('packet')];
    alice.send('hello');
    const expected = { text: 'hello', address: alice.address };
    expect([packetOf(await atAlice), packetOf(await atBob)]).toEqual([expected, expected]);
  });

  it('goes on after a packet that cannot be sent', async () => {
    const [alice, bob] = [await nodeAt(newAddress()), await nodeAt(newAddress())];
    const atBob = bob.next('packet');
    const [link] = linkAt(alice.address);
    const to = { address: bob.address, port: 0, link: link?.key ?? '' };
    alice.outgoing.next({ bytes: Buffer.from('nowhere'), to });
    alice.send('there');
    expect(packetOf(await atBob)?.text).toBe('there');
  });

  it('goes to one node alone, where that is asked for', async () => {
    const alice = await nodeAt(newAddress());
    const other = createSocket('udp4');
    lab.onClose(() => other.close());
    other.bind(0, newAddress());
    await once(other, 'listening');
    const [link] = linkAt(alice.address);
    const to = { address: other.address().address, port: other.address().port, link: link?.key ?? '' };
    const come = once(other, 'message');
    alice.outgoing.next({ bytes: Buffer.from('by another link'), to: { ...to, link: 'eth9 10.0.0.1' } });
    alice.outgoing.next({ bytes: Buffer.from('to you'), to });
    const [bytes] = (await come).map(String);
    expect(bytes).toBe('to you');
  });

  it('is not heard from hosts that are on no network of the link', async () => {
    const [bob, carol] = [await nodeAt(newAddress()), await nodeAt(newAddress())];
    const address = newAddress();
    const only = linkAt(address).map((link) => ({ ...link, networks: [`${bob.address}/32`] }));
    const alice = await nodeAt(address, of(only));
    const [atAlice, atBob] = [alice.next('packet'), bob.next('packet')];
    carol.send('from elsewhere');
    expect(packetOf(await atBob)?.text).toBe('from elsewhere');
    bob.send('from here');
    expect(packetOf(await atAlice)?.text).toBe('from here');
  });

  it('is heard from the hosts of those networks that the link has by now', async () => {
    const bob = await nodeAt(newAddress());
    const address = newAddress();
    const here = linkAt(address);
    const links = new BehaviorSubject<readonly MulticastLink[]>(here.map((link) => ({ ...link, networks: [] })));
    const alice = await nodeAt(address, links);
    links.next(here);
    const atAlice = alice.next('packet');
    bob.send('from the new network');
    expect(packetOf(await atAlice)?.text).toBe('from the new network');
    expect(alice.events.filter(({ type }) => type === 'joined').length).toBe(1);
  });

  it('is sent yet when its node leaves right afterwards', async () => {
    const [alice, bob] = [await nodeAt(newAddress()), await nodeAt(newAddress())];
    const atBob = bob.next('packet');
    alice.send('goodbye');
    alice.subscription.unsubscribe();
    expect(packetOf(await atBob)?.text).toBe('goodbye');
  });

  it('goes by the links that there are at the time', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const links = new BehaviorSubject(linkAt(first));
    const bob = await nodeAt(newAddress());
    const alice = await nodeAt(first, links);
    const joined = alice.next('joined');
    links.next(linkAt(second));
    await joined;
    const atBob = bob.next('packet');
    alice.send('from elsewhere');
    expect(packetOf(await atBob)).toEqual({ text: 'from elsewhere', address: second });
  });

  it('says which link cannot be used, and tries it again', async () => {
    const link: MulticastLink = {
      key: 'none',
      interfaceName: 'none',
      family: 4,
      address: '192.0.2.1',
      zone: '',
      networks: [],
    };
    const tries: unknown[] = [];
    const waits: number[] = [];
    const scheduler = {
      now: () => 0,
      schedule: (...[work, delay]: Parameters<typeof systemRuntime.scheduler.schedule>) => {
        waits.push(delay ?? 0);
        return systemRuntime.scheduler.schedule(work, 0);
      },
    };
    const failed$ = multicastWith(scheduler)({ links$: of([link]), outgoing$: NEVER, port });
    await new Promise<void>((resolve) => {
      lab.use(
        failed$.pipe(take(2)).subscribe({
          next: (event) => tries.push(event.type === 'failed' ? event.link.key : event),
          complete: resolve,
        }),
      );
    });
    expect(tries).toEqual(['none', 'none']);
    expect(waits[0]).toBe(10_000);
  });
});
