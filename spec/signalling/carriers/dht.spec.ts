import { createSocket } from 'node:dgram';
import { filter, firstValueFrom, ReplaySubject, Subscription, take, toArray, type Observable } from 'rxjs';
import { dhtNode$, type DhtNode } from '../../../lib/dht/node.js';
import {
  COMMAND,
  decodeAnnounce,
  encodeAnswer,
  encodePush,
  SECRET_BYTES,
  STATUS,
  toParts,
  VERSION,
} from '../../../lib/dht/messages.js';
import type { Endpoint } from '../../../lib/endpoint.js';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import { systemRuntime } from '../../../lib/runtime.js';
import type { Delivery, Parcel } from '../../../lib/signalling/carrier.js';
import { dhtCarrier, type DhtCarrier } from '../../../lib/signalling/carriers/dht.js';
import type { TraceStep } from '../../../lib/trace.js';
import { dhtServer$ } from '../../../servers/index.js';
import { newAddress } from '../../support/nodes.js';

describe('Signalling over the DHT', () => {
  let all = new Subscription();
  let bootstrap: { readonly host: string; readonly port: number }[] = [];
  beforeEach(() => {
    all = new Subscription();
    bootstrap = [];
  });
  afterEach(() => {
    all.unsubscribe();
  });

  /** Subscribes until the spec is over; resolves to the first value. */
  function opened<T>(source$: Observable<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      all.add(source$.subscribe({ next: resolve, error: reject }));
    });
  }

  /** Nodes that only serve; the first of them is whom others begin with. */
  async function serving(count: number): Promise<Endpoint[]> {
    const endpoints: Endpoint[] = [];
    for (let index = 0; index < count; index++) {
      const { local } = await opened(dhtServer$({ bind: newAddress(), port: 0, bootstrap }));
      if (index === 0) bootstrap = [{ host: local.address, port: local.port }];
      endpoints.push(local);
    }
    return endpoints;
  }

  interface Member {
    readonly bind: string;
    readonly identity: Identity;
    readonly carrier: DhtCarrier;
    readonly steps: TraceStep[];
  }

  function member(isPart = false, identity = createIdentity()): Member {
    const bind = newAddress();
    const steps: TraceStep[] = [];
    const carrier = dhtCarrier({
      identity,
      bootstrap,
      bind,
      ...(isPart && { address: bind }),
      runtime: systemRuntime,
      trace: (step) => steps.push(step),
    });
    return { bind, identity, carrier, steps };
  }

  /** Takes what comes, until the spec is over. */
  function inboxOf({ carrier }: Member): Parcel[] {
    const parcels: Parcel[] = [];
    all.add(
      carrier.parcel$.subscribe({
        next: (parcel) => {
          parcels.push(parcel);
          parcel.acknowledge();
        },
        error: fail,
      }),
    );
    return parcels;
  }

  function sent(from: Member, to: Member, bytes: Buffer | string): Promise<Delivery> {
    return firstValueFrom(from.carrier.send$(to.identity.peerId, Buffer.from(bytes), { keepMs: 60_000 }));
  }

  /** Sends until it is delivered: a receiver that has just come is not announced everywhere yet. */
  async function delivered(from: Member, to: Member, text: string): Promise<void> {
    let delivery: Delivery | undefined;
    while (delivery !== 'delivered') delivery = await sent(from, to, text);
  }

  const textsOf = (parcels: readonly Parcel[]) => parcels.map(({ bytes }) => bytes.toString());

  it('delivers both ways, once, and tells where the sender was seen', async () => {
    await serving(8);
    const [alice, bob] = [member(), member(true)];
    const [atAlice, atBob] = [inboxOf(alice), inboxOf(bob)];
    await delivered(alice, bob, 'to bob');
    await delivered(bob, alice, 'to alice');
    expect(atBob.map(({ bytes, seenAt, from }) => [bytes.toString(), seenAt, from])).toEqual([
      ['to bob', alice.bind, undefined],
    ]);
    expect(atAlice.map(({ bytes, seenAt }) => [bytes.toString(), seenAt])).toEqual([['to alice', bob.bind]]);
  });

  it('works with a single other node, and between two nodes alone', async () => {
    await serving(1);
    const [alice, bob] = [member(), member()];
    const atBob = inboxOf(bob);
    await delivered(alice, bob, 'by one');
    expect(atBob.map(({ bytes, seenAt }) => [bytes.toString(), seenAt])).toEqual([['by one', alice.bind]]);

    bootstrap = [];
    const first = member(true);
    const atFirst = inboxOf(first);
    const observed = await firstValueFrom(first.carrier.observed$.pipe(filter((endpoint) => endpoint !== undefined)));
    bootstrap = [{ host: observed.address, port: observed.port }];
    const second = member(true);
    const atSecond = inboxOf(second);
    await delivered(second, first, 'to the first');
    await delivered(first, second, 'to the second');
    expect([textsOf(atFirst), textsOf(atSecond)]).toEqual([['to the first'], ['to the second']]);
    expect(atFirst[0]?.seenAt).toBe(second.bind);
  });

  it('keeps parcels for a node that is away, and brings each once when it comes', async () => {
    await serving(8);
    const [alice, bob] = [member(), member()];
    const texts = Array.from({ length: 12 }, (_, index) => `parcel ${index}`);
    for (const text of texts) expect(await sent(alice, bob, text)).toBe('kept');
    const parcels = bob.carrier.parcel$.pipe(take(texts.length), toArray());
    // Their order is that of the signals in them, which have numbers.
    expect(textsOf(await firstValueFrom(parcels)).toSorted()).toEqual(texts.toSorted());
  });

  it('brings each of those that are sent at the same time', async () => {
    await serving(4);
    const [alice, bob] = [member(), member()];
    const atBob = inboxOf(bob);
    await delivered(alice, bob, 'first');
    const texts = Array.from({ length: 20 }, (_, index) => `parcel ${index}`);
    const deliveries = await Promise.all(texts.map((text) => sent(alice, bob, text)));
    expect(deliveries).toEqual(texts.map(() => 'delivered'));
    expect(textsOf(atBob).toSorted()).toEqual(['first', ...texts].toSorted());
  });

  it('carries parcels of 16 KiB, and none that are larger', async () => {
    await serving(4);
    const [alice, bob] = [member(), member()];
    const atBob = inboxOf(bob);
    await delivered(alice, bob, 'first');
    const large = Buffer.from(Array.from({ length: 16 * 1024 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    expect(await sent(alice, bob, large)).toBe('delivered');
    expect(atBob[1]?.bytes).toEqual(large);
    expect(await sent(alice, bob, Buffer.alloc(16 * 1024 + 1))).toBe('absent');
  });

  it('brings again what nobody acknowledged', async () => {
    await serving(3);
    const [alice, bob] = [member(), member()];
    expect(await sent(alice, bob, 'again')).toBe('kept');
    const first = await firstValueFrom(bob.carrier.parcel$);
    expect(first.bytes.toString()).toBe('again');
    const second = await firstValueFrom(bob.carrier.parcel$);
    expect(second.bytes.toString()).toBe('again');
  });

  it('says absent when there is nobody, for no peer, and when the port is taken', async () => {
    const [alice, bob] = [member(), member()];
    expect(await sent(alice, bob, 'x')).toBe('absent');
    await serving(1);
    const nobody = member().carrier.send$('nobody', Buffer.from('x'), { keepMs: 1_000 });
    expect(await firstValueFrom(nobody)).toBe('absent');

    const socket = createSocket('udp4');
    const bind = newAddress();
    const port = await new Promise<number>((resolve) => {
      socket.bind(0, bind, () => {
        resolve(socket.address().port);
      });
    });
    const steps: TraceStep[] = [];
    const identity = createIdentity();
    const config = {
      identity,
      bind,
      port,
      bootstrap,
      runtime: systemRuntime,
      trace: (step: TraceStep) => steps.push(step),
    };
    const carrier = dhtCarrier(config);
    expect(await firstValueFrom(carrier.send$(bob.identity.peerId, Buffer.from('x'), { keepMs: 1_000 }))).toBe(
      'absent',
    );
    expect(steps).toEqual([
      jasmine.objectContaining({ type: 'dht', state: 'failed' }),
      jasmine.objectContaining({
        type: 'server',
        kind: 'DHT',
        failure: jasmine.stringContaining('cannot be asked: The DHT cannot listen on UDP port'),
      }),
    ]);
    socket.close();
  });

  it('takes no parcel from a node at which it is not announced, and no garbage', async () => {
    const [first] = await serving(2);
    const [alice, bob] = [member(), member()];
    const atBob = inboxOf(bob);
    await delivered(alice, bob, 'first');
    const joined = bob.steps.find((step) => step.type === 'dht' && step.state === 'joined');
    const observed = await firstValueFrom(bob.carrier.observed$.pipe(filter((endpoint) => endpoint !== undefined)));
    expect(joined).toBeDefined();

    const stranger: DhtNode = await opened(dhtNode$({ bind: newAddress(), bootstrap }));
    const [part] = toParts(Buffer.from('unasked'));
    if (part === undefined || first === undefined) throw new Error('Expected a part');
    const value = encodePush(Buffer.alloc(SECRET_BYTES), { part, seenAt: '203.0.113.1' });
    const pushed = firstValueFrom(stranger.ask$(observed, { command: COMMAND.push, value }, false));
    await expectAsync(pushed).toBeRejected();
    const socket = createSocket('udp4');
    for (const { port, address } of [observed, first]) {
      for (const bytes of [Buffer.alloc(0), Buffer.from([3]), Buffer.alloc(1_200, 0x13), Buffer.alloc(1_200, 0x03)]) {
        await new Promise((resolve) => {
          socket.send(bytes, port, address, resolve);
        });
      }
    }
    socket.close();
    await delivered(alice, bob, 'second');
    expect(textsOf(atBob)).toEqual(['first', 'second']);
  });

  it('takes a parcel only with the secret that it gave to the node, as an address can be forged', async () => {
    const bind = newAddress();
    const keeper = await opened(dhtNode$({ bind, address: bind, bootstrap }));
    bootstrap = [{ host: keeper.local.address, port: keeper.local.port }];
    const announcement$ = new ReplaySubject<{ readonly at: Endpoint; readonly secret: Buffer }>(1);
    all.add(
      keeper.asked$.subscribe({
        next: ({ command, from, value, reply }) => {
          if (command === COMMAND.find) reply(VERSION, { token: true, closer: true });
          const secret = command === COMMAND.announce ? decodeAnnounce(value)?.secret : undefined;
          if (secret === undefined) return;
          reply(encodeAnswer({ status: STATUS.ok, receipt: undefined }));
          announcement$.next({ at: from, secret });
        },
        error: fail,
      }),
    );
    const atBob = inboxOf(member());
    const { at, secret } = await firstValueFrom(announcement$);
    const pushed = (text: string, by: Buffer) => {
      const [part] = toParts(Buffer.from(text));
      if (part === undefined) throw new Error('Expected a part');
      const value = encodePush(by, { part, seenAt: '203.0.113.1' });
      return firstValueFrom(keeper.ask$(at, { command: COMMAND.push, value }, false));
    };
    await expectAsync(pushed('guessed', Buffer.from(secret.map((byte) => byte ^ 1)))).toBeRejected();
    await expectAsync(pushed('true', secret)).toBeResolved();
    expect(textsOf(atBob)).toEqual(['true']);
  });

  it('leaves nothing behind when nobody is subscribed any more', async () => {
    await serving(2);
    const [alice, bob] = [member(true), member(true)];
    const subscription = bob.carrier.parcel$.subscribe({ error: fail });
    const observed = await firstValueFrom(bob.carrier.observed$.pipe(filter((endpoint) => endpoint !== undefined)));
    await sent(alice, bob, 'x');
    subscription.unsubscribe();
    // Its port can be had again, as soon as the system has closed it.
    const bindAgain = (): Promise<void> =>
      new Promise<void>((resolve, reject) => {
        const socket = createSocket('udp4');
        socket.once('error', reject);
        socket.bind(observed.port, observed.address, () => {
          socket.close(() => {
            resolve();
          });
        });
      }).catch(() => new Promise((resolve) => setImmediate(resolve)).then(bindAgain));
    await expectAsync(bindAgain()).toBeResolved();
  });
});
