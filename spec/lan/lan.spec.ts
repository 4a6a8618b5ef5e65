import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { NetworkInterfaceInfo } from 'node:os';
import {
  BehaviorSubject,
  defer,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  NEVER,
  of,
  Subject,
  switchMap,
  throwError,
  toArray,
  type Observable,
  type Subscription,
} from 'rxjs';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { encodeMessage } from '../../lib/lan/dns/encode.js';
import { receiptOf, type LanParcel } from '../../lib/lan/exchange.js';
import { Lan, type LanConfig, type Neighbour } from '../../lib/lan/lan.js';
import { instanceOf, signStatement } from '../../lib/lan/statement.js';
import type { LanStep } from '../../lib/lan/steps.js';
import { MULTICAST_DNS_PORT, type MulticastEvent } from '../../lib/link/multicast.js';
import { listen$, type Listener } from '../../lib/link/tcp.js';
import { PARCEL_MAX_BYTES } from '../../lib/parcel.js';
import { formatUnl } from '../../lib/unl.js';
import { impatient } from '../support/impatient.js';
import { lanRuntime, lanUnlOf } from '../support/lan.js';
import { Lab, newAddress } from '../support/nodes.js';

describe('The local network', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  class Node {
    readonly address = newAddress();
    readonly identity = createIdentity();
    readonly lan: Lan;
    readonly parcels: LanParcel[] = [];
    readonly steps: LanStep[] = [];
    readonly #own: BehaviorSubject<ReturnType<typeof lanUnlOf>>;
    /** Where it takes signals. */
    signalPort = 0;
    readonly #parcel = new Subject<LanParcel>();

    constructor(
      readonly acknowledges = true,
      runtime: Partial<LanConfig['runtime']> = {},
    ) {
      const { address, identity } = this;
      this.#own = new BehaviorSubject(lanUnlOf(identity, address));
      this.lan = new Lan({
        identity,
        bind: address,
        own$: this.#own,
        network$: NEVER,
        runtime: { ...lanRuntime, listen$: (config) => this.#listening(config), ...runtime },
        trace: (step) => {
          this.steps.push(step);
        },
      });
    }

    #listening(config: Parameters<typeof listen$>[0]): Observable<Listener> {
      return listen$(config).pipe(
        map((listener) => {
          this.signalPort = listener.local.port;
          return listener;
        }),
      );
    }

    /** Says that it listens somewhere else. */
    move(address: string, port?: number): void {
      this.#own.next(lanUnlOf(this.identity, address, port));
    }

    come(): Subscription {
      return lab.use(
        this.lan.parcel$.subscribe((parcel) => {
          this.parcels.push(parcel);
          if (this.acknowledges) parcel.acknowledge();
          this.#parcel.next(parcel);
        }),
      );
    }

    /** Resolves when it sees that other nodes are there, or are not. */
    async sees(...others: readonly Node[]): Promise<readonly Neighbour[]> {
      const wanted = others.map(({ identity }) => identity.peerId).sort();
      const names = (all: readonly Neighbour[]) => all.map(({ peerId }) => peerId).sort();
      return firstValueFrom(
        this.lan.neighbours$.pipe(filter((all) => JSON.stringify(names(all)) === JSON.stringify(wanted))),
      );
    }

    send(to: Node, text: string | Buffer): Promise<boolean> {
      return firstValueFrom(this.lan.send$(to.identity.peerId, Buffer.from(text)));
    }

    /** Speaks to the port where it takes signals. */
    async dialledBy(localAddress: string): Promise<Socket> {
      const socket = connect({ host: this.address, port: this.signalPort, localAddress });
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      await once(socket, 'connect');
      return socket;
    }
  }

  /** Two nodes that are there and see each other. */
  async function pair(acknowledges = true): Promise<readonly [Node, Node]> {
    const [alice, bob] = [new Node(), new Node(acknowledges)];
    for (const node of [alice, bob]) {
      node.come();
      lab.use(node.lan.neighbours$.subscribe());
    }
    await Promise.all([alice.sees(bob), bob.sees(alice)]);
    return [alice, bob];
  }

  it('shows who is there, with locator and addresses, and who has left', async () => {
    const [alice, bob] = [new Node(), new Node()];
    lab.use(alice.lan.neighbours$.subscribe());
    const before = Date.now();
    const coming = bob.come();
    const [neighbour] = await alice.sees(bob);
    const unl = lanUnlOf(bob.identity, bob.address);
    expect(neighbour).toEqual(
      jasmine.objectContaining({ peerId: unl.peerId, addresses: [bob.address], since: jasmine.any(Number) }),
    );
    expect(neighbour?.since).toBeGreaterThanOrEqual(before);
    coming.unsubscribe();
    expect(await alice.sees()).toEqual([]);
    expect(bob.steps).toEqual([{ type: 'lan', state: 'joined', address: bob.address }]);
  });

  it('brings nodes together that want to be found under the same topic, for as long as they do', async () => {
    const [alice, bob, carol] = [new Node(), new Node(), new Node()];
    for (const node of [alice, bob, carol]) node.come();
    const [chess, go] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const meeting = (node: Node, topic: Buffer) => {
      const met = new BehaviorSubject<readonly string[]>([]);
      const subscription = lab.use(
        node.lan.meet$(topic).subscribe((all) => {
          met.next(all.map((unl) => formatUnl(unl)).toSorted());
        }),
      );
      const until = (...others: readonly Node[]) => {
        const wanted = others.map(({ identity, address }) => formatUnl(lanUnlOf(identity, address))).toSorted();
        return firstValueFrom(met.pipe(filter((all) => JSON.stringify(all) === JSON.stringify(wanted))));
      };
      return { until, subscription };
    };
    const [here, there] = [meeting(alice, chess), meeting(bob, chess)];
    await Promise.all([here.until(bob), there.until(alice)]);
    const elsewhere = meeting(carol, go);
    await carol.sees(alice, bob);
    await elsewhere.until();
    const both = meeting(carol, chess);
    await Promise.all([here.until(bob, carol), both.until(alice, bob)]);
    there.subscription.unsubscribe();
    await here.until(carol);
    await carol.sees(alice, bob);
  });

  it('tells where a peer is, also when that changes, and nothing of who is not there', async () => {
    const [alice, bob] = await pair();
    const find = (node: Node) => firstValueFrom(alice.lan.find$(node.identity.peerId).pipe(toArray()));
    expect(await find(bob)).toEqual([{ address: bob.address, port: 4_000 }]);
    expect(await find(new Node())).toEqual([]);
    bob.move(bob.address, 4_001);
    await firstValueFrom(alice.lan.neighbours$.pipe(filter(([first]) => first?.unl !== undefined)));
    const found = firstValueFrom(alice.lan.find$(bob.identity.peerId).pipe(filter(({ port }) => port === 4_001)));
    expect(await found).toEqual({ address: bob.address, port: 4_001 });
  });

  it('names nothing of a peer that is not on this network, and no port of a well-known service', async () => {
    const [alice, bob] = await pair();
    const changed = firstValueFrom(alice.lan.neighbours$.pipe(filter(([first]) => first?.addresses.length === 0)));
    bob.move('10.1.2.3');
    await changed;
    expect(await firstValueFrom(alice.lan.find$(bob.identity.peerId).pipe(toArray()))).toEqual([]);
    expect(await alice.send(bob, 'x')).toBeFalse();
    bob.move(bob.address, 22);
    expect(await firstValueFrom(alice.lan.find$(bob.identity.peerId).pipe(toArray()))).toEqual([]);
  });

  it('carries signals both ways, with the address of their sender', async () => {
    const [alice, bob] = await pair();
    expect(await alice.send(bob, 'to bob')).toBeTrue();
    expect(await bob.send(alice, 'to alice')).toBeTrue();
    expect(bob.parcels.map(({ bytes, seenAt, seenBy }) => [bytes.toString(), seenAt, seenBy])).toEqual([
      ['to bob', alice.address, bob.address],
    ]);
    expect(await alice.send(bob, Buffer.alloc(PARCEL_MAX_BYTES, 1))).toBeTrue();
    expect(bob.parcels[1]?.bytes.length).toBe(PARCEL_MAX_BYTES);
  });

  it('finds a receiver that it does not know yet, and says of another that it is not there', async () => {
    const [alice, bob] = [new Node(), new Node()];
    bob.come();
    await new Node().sees(bob);
    expect(await alice.send(bob, 'x')).toBeTrue();
    expect(await alice.send(new Node(), 'x')).toBeFalse();
  });

  it('finds a receiver again that is somewhere else now', async () => {
    const [alice, bob] = [new Node(), new Node()];
    lab.use(alice.lan.neighbours$.subscribe());
    const coming = bob.come();
    await alice.sees(bob);
    coming.unsubscribe();
    bob.come();
    let isDelivered = false;
    while (!isDelivered) isDelivered = await alice.send(bob, 'again');
    expect(bob.parcels.length).toBe(1);
  });

  it('does not count as delivered what its receiver has not signed for', async () => {
    const [alice, bob] = await pair(false);
    const sent = alice.send(bob, 'x');
    await until(() => bob.parcels.length > 0, bob);
    bob.parcels[0]?.acknowledge();
    expect(await sent).toBeTrue();

    // Somebody else has the port.
    const eve = createIdentity();
    const { local, socket$ } = await lab.open(listen$({ address: newAddress(), port: 0 }));
    lab.use(
      socket$.subscribe((socket) => {
        socket.resume().end(eve.sign(receiptOf(Buffer.from('y'))));
      }),
    );
    const dial$ = () => lanRuntime.dial$({ host: local.address, port: local.port });
    const carol = new Node(true, { dial$ });
    expect(await carol.send(bob, 'y')).toBeFalse();
  });

  /** Waits for what comes. */
  async function until(isSo: () => boolean, { lan }: Node): Promise<void> {
    if (isSo()) return;
    await firstValueFrom(lan.parcel$.pipe(filter(isSo)));
  }

  it('closes connections that bring no parcel, or more than one, and goes on', async () => {
    const [alice, bob] = await pair();
    const lengthOf = (length: number) => Buffer.of(length >> 8, length & 0xff);
    for (const bytes of [
      lengthOf(0),
      lengthOf(PARCEL_MAX_BYTES + 1),
      Buffer.concat([lengthOf(1), Buffer.alloc(2)]),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      const socket = await bob.dialledBy(alice.address);
      const closed = once(socket, 'close');
      socket.resume().write(bytes);
      await closed;
    }
    expect(bob.parcels).toEqual([]);
    expect(await alice.send(bob, 'x')).toBeTrue();
  });

  it('takes parcels in pieces, and closes a connection that takes too long', async () => {
    const hurried = new Node(true, { scheduler: impatient({ 10_000: 50 }) });
    hurried.come();
    await new Node().sees(hurried);
    const slow = await hurried.dialledBy(newAddress());
    slow.write(Buffer.of(0));
    await once(slow.resume(), 'close');

    const [alice, bob] = await pair();
    const socket = await bob.dialledBy(alice.address);
    const answered = once(socket, 'data');
    for (const byte of [0, 3, 1, 2, 3]) socket.write(Buffer.of(byte));
    const receipts: unknown[] = await answered;
    expect(receipts[0]).toEqual(bob.identity.sign(receiptOf(Buffer.of(1, 2, 3))));
  });

  it('of one host takes a few connections at once, and those of others', async () => {
    const [alice, bob] = await pair();
    const eve = newAddress();
    const sockets = await Promise.all(Array.from({ length: 64 }, () => bob.dialledBy(eve)));
    const oneTooMany = await bob.dialledBy(eve);
    await once(oneTooMany.resume(), 'close');
    expect(await alice.send(bob, 'x')).toBeTrue();
    expect(sockets.every(({ destroyed }) => !destroyed)).toBeTrue();
  });

  it('says why it cannot be listened there, and tries again', async () => {
    let tries = 0;
    const failing$ = throwError(() => new Error('no port is free'));
    const node: Node = new Node(true, {
      scheduler: impatient({ 10_000: 1 }),
      listen$: (config) => defer(() => (++tries === 1 ? failing$ : listen$(config))),
    });
    node.come();
    await new Node().sees(node);
    expect(node.steps).toContain({ type: 'lan', state: 'failed', address: node.address, reason: 'no port is free' });
  });

  it('names of a neighbour only addresses of the network on which it was heard', async () => {
    const mac = '00:00:00:00:00:00';
    const interfaceAt = (address: string): NetworkInterfaceInfo[] => [
      { family: 'IPv4', address, netmask: '', mac, internal: false, cidr: `${address}/24` },
    ];
    const interfaces = { eth0: interfaceAt('192.168.1.7'), wlan0: interfaceAt('192.168.2.7') };
    const packets = new Subject<MulticastEvent>();
    const lan = new Lan({
      identity: createIdentity(),
      bind: undefined,
      own$: NEVER,
      network$: of({ interfaces }),
      runtime: {
        ...lanRuntime,
        multicast$: ({ links$ }) =>
          links$.pipe(
            switchMap((links) => merge(packets, from(links.map((link): MulticastEvent => ({ type: 'joined', link }))))),
          ),
      },
      trace: () => undefined,
    });
    const heard = (identity: Identity, address: string, interfaceName: string) => {
      const texts = signStatement(identity, { time: 1, port: 4_000, unl: formatUnl(lanUnlOf(identity, address)) });
      const name = instanceOf(identity.peerId) ?? '';
      const bytes = encodeMessage({
        id: 0,
        isResponse: true,
        questions: [],
        answers: [{ name, ttl: 120, type: 'TXT', texts }],
        additionals: [],
      });
      packets.next({
        type: 'packet',
        bytes,
        from: { address: '192.168.2.9', port: MULTICAST_DNS_PORT, link: interfaceName, interfaceName },
      });
    };
    let neighbours: readonly Neighbour[] = [];
    const changed = new Subject<void>();
    lab.use(
      lan.neighbours$.subscribe((all) => {
        neighbours = all;
        changed.next();
      }),
    );
    const addressesWhen = async (isSo: () => boolean) => {
      if (!isSo()) await firstValueFrom(changed.pipe(filter(isSo)));
      return neighbours.map(({ addresses }) => addresses);
    };
    const [bob, eve] = [createIdentity(), createIdentity()];
    heard(bob, '192.168.2.8', 'wlan0');
    heard(eve, '192.168.1.8', 'wlan0');
    expect(await addressesWhen(() => neighbours.length === 2)).toEqual([['192.168.2.8'], []]);
    // Who is on both networks is found on both.
    const found = firstValueFrom(lan.find$(eve.peerId));
    heard(eve, '192.168.1.8', 'eth0');
    expect(await found).toEqual({ address: '192.168.1.8', port: 4_000 });
  });

  it('is not used before there is a link, and by none that fails', async () => {
    const link = {
      key: 'none',
      interfaceName: 'none',
      family: 4,
      address: '192.0.2.1',
      zone: '',
      networks: [],
    } as const;
    const sent: unknown[] = [];
    const node = new Node(true, {
      multicast$: ({ outgoing$ }) => {
        lab.use(outgoing$.subscribe((packet) => sent.push(packet)));
        const failed = { type: 'failed', link, reason: 'no such device' } as const;
        return of(failed, failed);
      },
    });
    expect(await node.send(new Node(), 'x')).toBeFalse();
    expect(sent).toEqual([]);
    expect(node.steps).toEqual([{ type: 'lan', state: 'failed', address: '192.0.2.1', reason: 'no such device' }]);
  });
});
