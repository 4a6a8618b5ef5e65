import { randomBytes } from 'node:crypto';
import {
  asyncScheduler,
  BehaviorSubject,
  defer,
  filter,
  firstValueFrom,
  map,
  merge,
  NEVER,
  of,
  ReplaySubject,
  share,
  startWith,
  Subject,
  Subscription,
  type Observable,
} from 'rxjs';
import { parseBroker } from '../../lib/broker-name.js';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { ProtocolError } from '../../lib/errors.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { Lan } from '../../lib/lan/lan.js';
import { sealingKeyOf } from '../../lib/signalling/sealing-key.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { sessions$ } from '../../lib/rendezvous/client.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { PARCEL_MAX_BYTES } from '../../lib/parcel.js';
import { CARRIER_NAMES, type Carrier, type CarrierName, type Delivery } from '../../lib/signalling/carrier.js';
import { dhtCarrier } from '../../lib/signalling/carriers/dht.js';
import { lanCarrier } from '../../lib/signalling/carriers/lan.js';
import { sealEnvelope, type Envelope } from '../../lib/signalling/envelope.js';
import { openSealed, seal } from '../../lib/signalling/hpke.js';
import { mailboxCarrier } from '../../lib/signalling/carriers/mailbox.js';
import { mqttCarrier } from '../../lib/signalling/carriers/mqtt.js';
import { signallingOver } from '../../lib/signalling/over-carriers.js';
import { rendezvousCarrier } from '../../lib/signalling/carriers/rendezvous.js';
import type { ReceivedSignal, Signal, Signalling } from '../../lib/signalling/signalling.js';
import type { TraceStep } from '../../lib/trace.js';
import { dhtServer$ } from '../../servers/index.js';
import { mailboxServer$ } from '../../servers/mailbox/server.js';
import { lanRuntime, lanUnl$, watchedMulticast } from '../support/lan.js';
import { needsMosquitto, startMosquitto, startOldBroker } from '../support/mosquitto.js';
import { failureOf, Lab, newAddress } from '../support/nodes.js';

// What every carrier has to keep to, as the application sees it: the real signalling over each of them, over real sockets.

/** What signals are carried by. */
type WorldName = CarrierName | 'mqtt 3.1.1';

const WORLD_NAMES: readonly WorldName[] = [...CARRIER_NAMES, 'mqtt 3.1.1'];

/** What differs by nature from carrier to carrier. */
interface Nature {
  /**
   * Whether a signal waits for a receiver that is away. A rendezvous server has no store: it passes on to whoever is connected,
   * and of all others it says that they are absent.
   */
  readonly keeps: boolean;
  /** Whether a signal waits for a receiver that has never been there, too. A broker keeps it for those who have subscribed. */
  readonly keepsForNewcomers: boolean;
  /** Whether the carrier tells at which address it sees a sender. */
  readonly seesSenders: boolean;
  /** Whether it brings copies of what the receiver has, which are dropped there. */
  readonly bringsCopies: boolean;
  /**
   * Whether the carrier knows a signal's sender. To servers, senders prove their keys. The nodes of a DHT know only addresses: whoever
   * stores another node's sealed signal first counts as its origin there, and only the signed body can contradict that.
   */
  readonly knowsSenders: boolean;
}

const SERVER = { knowsSenders: true, seesSenders: true, bringsCopies: true };
const BROKER = { knowsSenders: false, seesSenders: false, bringsCopies: true, keepsForNewcomers: false };

const NATURES: Readonly<Record<WorldName, Nature>> = {
  rendezvous: { ...SERVER, keeps: false, keepsForNewcomers: false },
  mailbox: { ...SERVER, keeps: true, keepsForNewcomers: true },
  dht: { keeps: true, keepsForNewcomers: true, knowsSenders: false, seesSenders: true, bringsCopies: false },
  mqtt: { ...BROKER, keeps: true },
  // A broker could not be told for how long.
  'mqtt 3.1.1': { ...BROKER, keeps: false },
  // Everybody on the network can connect to everybody.
  lan: { keeps: false, keepsForNewcomers: false, knowsSenders: false, seesSenders: true, bringsCopies: true },
};

/** A way for one node into a world. */
interface Entrance {
  readonly carrier: Carrier;
  /** Emits once the node is there, while it listens. */
  readonly present$: Observable<unknown>;
}

/** A world of servers that run, or nodes; nodes enter it with an identity, from a local address of their own. */
type World = (identity: Identity, bind: string) => Entrance;

const WORLDS: Readonly<Record<WorldName, (lab: Lab) => Promise<World>>> = {
  rendezvous: async (lab) => {
    const { local } = await lab.server();
    const server = { host: local.address, port: local.port };
    return (identity, bind) => {
      const config = {
        identity,
        bind,
        dialect: OUR_DIALECT,
        runtime: systemRuntime,
        timing: DEFAULT_TIMING,
        network$: NEVER,
      } as const;
      const open$ = sessions$([server], config, () => undefined).pipe(
        map((states) => states.flatMap(({ session }) => session ?? [])),
        share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
      );
      return {
        carrier: rendezvousCarrier({ sessions$: open$, runtime: systemRuntime }),
        present$: open$.pipe(filter((sessions) => sessions.length > 0)),
      };
    };
  },
  mailbox: async (lab) => {
    const { local } = await opened(lab, mailboxServer$({ bind: '127.0.0.1', port: 0 }));
    const urls = [new URL(`http://${local.address}:${local.port}/`)];
    return (identity, localAddress) => ({
      carrier: mailboxCarrier({ identity, urls, localAddress, runtime: systemRuntime }),
      present$: of(undefined),
    });
  },
  dht: async (lab) => {
    const first = await opened(lab, dhtServer$({ bind: newAddress(), port: 0 }));
    const bootstrap = [{ host: first.local.address, port: first.local.port }];
    for (let count = 1; count < 4; count++) await opened(lab, dhtServer$({ bind: newAddress(), port: 0, bootstrap }));
    return (identity, bind) => ({
      carrier: dhtCarrier({ identity, bootstrap, bind, runtime: systemRuntime, trace: () => undefined }),
      present$: of(undefined),
    });
  },
  mqtt: async (lab) => {
    needsMosquitto();
    return worldOfBroker((await startMosquitto(lab)).url);
  },
  'mqtt 3.1.1': async (lab) => {
    needsMosquitto();
    return worldOfBroker(await startOldBroker(lab, await startMosquitto(lab)));
  },
  lan: () =>
    Promise.resolve((identity, bind) => {
      const isPresent = new BehaviorSubject(false);
      const multicast$ = watchedMulticast((bytes) => {
        // It answers: a goodbye, before it comes back, is one, too.
        if (bytes.readInt8(2) < 0) isPresent.next(true);
      });
      const carrier = lanCarrier(
        new Lan({
          identity,
          bind,
          own$: lanUnl$(identity, bind),
          network$: NEVER,
          runtime: { ...lanRuntime, multicast$ },
          trace: () => undefined,
        }),
      );
      return { carrier: { ...carrier, parcel$: whilePresent$(carrier, isPresent) }, present$: whenTrue$(isPresent) };
    }),
};

function worldOfBroker(url: string): World {
  const brokers = [parseBroker('mqtt', url)];
  return (identity, localAddress) => {
    const isPresent = new BehaviorSubject(false);
    const carrier = mqttCarrier({
      identity,
      brokers,
      localAddress,
      runtime: systemRuntime,
      trace: (step) => {
        isPresent.next(step.type === 'server' && step.failure === undefined);
      },
    });
    return { carrier: { ...carrier, parcel$: whilePresent$(carrier, isPresent) }, present$: whenTrue$(isPresent) };
  };
}

/** What comes; a node that begins to listen is not there before it says so. */
function whilePresent$({ parcel$ }: Carrier, isPresent: BehaviorSubject<boolean>): Carrier['parcel$'] {
  return defer(() => {
    isPresent.next(false);
    return parcel$;
  });
}

function whenTrue$(isPresent: BehaviorSubject<boolean>): Observable<unknown> {
  return isPresent.pipe(filter((isThere) => isThere));
}

/** Subscribes until the spec is over; resolves to the first value. */
function opened<T>(lab: Lab, source$: Observable<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    lab.use(source$.subscribe({ next: resolve, error: reject }));
  });
}

const MINUTE_MS = 60_000;

/** By how much clocks may differ, and a little more. */
const CLOCK_MS = 125_000;

/** Signals at once of one sender, as `over-carriers.ts` has it. */
const BURST = 200;

/** Of a flood on their way at the same time: fewer than may wait for their turn, so that they come in their order. */
const AT_ONCE = 32;

/**
 * The order of signals takes no time here: what waits for an earlier one waits until that has come, however slow the machine is. A
 * signal that never comes, and that others wait for, is then seen by the spec's own limit.
 */
const untimed: Runtime = {
  ...systemRuntime,
  scheduler: { now: () => systemRuntime.scheduler.now(), schedule: () => Subscription.EMPTY },
};

const FOREIGN = 'malformed, not for this node, or not signed by its sender';
const signalOf = (text: string): Signal => ({ kind: 'text', body: { text } });

/** What a spec seals otherwise than the signalling does. */
type Sealed = Partial<Pick<Envelope, 'at' | 'keepMs' | 'order'>> & { readonly identity?: Identity };

/** An application at one node. */
class Member {
  readonly bind = newAddress();
  readonly peerId: string;
  readonly carrier: Carrier;
  readonly signalling: Signalling;
  /** What has come, in the order in which it came. */
  readonly signals: ReceivedSignal[] = [];
  /** Why messages were dropped. */
  readonly dropped: string[] = [];
  readonly #present$: Observable<unknown>;
  readonly #changed = new Subject<void>();
  #listening: Subscription | undefined;

  constructor(
    readonly lab: Lab,
    world: World,
    readonly identity: Identity = createIdentity(),
    runtime: Runtime = untimed,
  ) {
    const { carrier, present$ } = world(identity, this.bind);
    const trace = (step: TraceStep) => {
      if (step.type !== 'dropped') return;
      this.dropped.push(step.reason);
      this.#changed.next();
    };
    this.peerId = identity.peerId;
    this.carrier = carrier;
    this.#present$ = present$;
    this.signalling = signallingOver({ identity, carriers: [carrier], runtime, trace });
  }

  /** Listens until it leaves or the spec is over. Resolves once it can be reached. */
  async come(): Promise<void> {
    this.#listening = this.lab.use(
      this.signalling.signal$.subscribe({
        next: (signal) => {
          this.signals.push(signal);
          this.#changed.next();
        },
        error: fail,
      }),
    );
    await this.present();
  }

  async present(): Promise<void> {
    await firstValueFrom(this.#present$);
  }

  leave(): void {
    this.#listening?.unsubscribe();
  }

  /** The texts that have come, of one sender or of all. */
  texts(from?: Member): unknown[] {
    return this.signals
      .filter((signal) => from === undefined || signal.from === from.peerId)
      .map(({ body }) => body['text']);
  }

  /** Waits for something that comes or is dropped to make it so. */
  async until(isSo: () => boolean): Promise<void> {
    await firstValueFrom(this.#changed.pipe(startWith(undefined), filter(isSo)));
  }

  untilText(text: string): Promise<void> {
    return this.until(() => this.texts().includes(text));
  }

  send(to: Member, text: string, keepMs = MINUTE_MS): Promise<Delivery> {
    return firstValueFrom(this.send$(to, text, keepMs));
  }

  send$(to: Member, text: string, keepMs = MINUTE_MS): Observable<Delivery> {
    return this.signalling.send$(to.peerId, signalOf(text), { keepMs });
  }

  /** Seals a signal as the signalling does, for a spec to have the bytes. */
  seal(to: Member, text: string, { identity = this.identity, ...fields }: Sealed = {}): Buffer {
    const [id, at] = [systemRuntime.newId(), Date.now()];
    return sealEnvelope(identity, { ...signalOf(text), to: to.peerId, id, at, keepMs: MINUTE_MS, ...fields });
  }

  /** Has the carrier carry any bytes, whoever sealed them. */
  carry(to: Member, bytes: Buffer): Promise<Delivery> {
    return firstValueFrom(this.carrier.send$(to.peerId, bytes, { keepMs: MINUTE_MS }));
  }
}

for (const name of WORLD_NAMES) {
  const { keeps, keepsForNewcomers, knowsSenders, seesSenders, bringsCopies } = NATURES[name];

  describe(`A signal by the ${name} carrier`, () => {
    const lab = new Lab();
    let world: World = () => ({ carrier: { name: 'rendezvous', parcel$: NEVER, send$: () => NEVER }, present$: NEVER });
    beforeEach(async () => {
      world = await WORLDS[name](lab);
    });
    afterEach(() => lab.close());

    /** A node that is there. */
    async function present(runtime?: Runtime): Promise<Member> {
      const member = new Member(lab, world, createIdentity(), runtime);
      await member.come();
      return member;
    }

    /** Two nodes that are there, of which the second has heard the first. */
    async function acquainted(): Promise<readonly [Member, Member]> {
      const [one, other] = await Promise.all([present(), present()]);
      await greeted(one, other);
      return [one, other];
    }

    async function greeted(from: Member, to: Member): Promise<void> {
      expect(await from.send(to, 'hello')).not.toBe('absent');
      await to.untilText('hello');
      to.signals.length = 0;
    }

    it('comes with its proven sender and the address at which it was seen, and is delivered to who is there', async () => {
      const [alice, bob] = await acquainted();
      // A receiver that takes its time is not known to have it.
      while ((await alice.send(bob, 'to bob')) !== 'delivered');
      await bob.untilText('to bob');
      const seenAt = seesSenders ? alice.bind : undefined;
      const { seenBy, ...signal } = bob.signals[0] ?? {};
      expect<unknown>(signal).toEqual({ ...signalOf('to bob'), from: alice.peerId, seenAt });
      if (seenBy !== undefined) expect(seenBy).toBe(bob.bind);
      await bob.send(alice, 'to alice');
      await alice.untilText('to alice');
    });

    it('comes after those that its sender sent before, whatever others send', async () => {
      const [alice, bob] = await acquainted();
      const carol = await present();
      await greeted(carol, bob);
      // Large ones take longer, and those that follow must not overtake them.
      const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`.padEnd(index % 10 === 0 ? 15_000 : 0));
      const deliveries = await Promise.all(texts.flatMap((text) => [alice, carol].map((from) => from.send(bob, text))));
      expect(deliveries).not.toContain('absent');
      await bob.until(() => bob.signals.length >= 2 * texts.length);
      expect(bob.texts(alice)).toEqual(texts);
      expect(bob.texts(carol)).toEqual(texts);
    });

    it('comes once, though the carrier was given it twice', async () => {
      const [alice, bob] = await acquainted();
      const bytes = alice.seal(bob, 'once');
      for (const copy of [bytes, bytes]) await alice.carry(bob, copy);
      await alice.send(bob, 'last');
      await bob.untilText('last');
      expect(bob.texts()).toEqual(['once', 'last']);
    });

    it('comes once, though its receiver left before the carrier knew, and came back', async () => {
      const alice = await present();
      const bob = new Member(lab, world);
      // It leaves as soon as the application has the signal, and before it is acknowledged.
      const first = firstValueFrom(bob.signalling.signal$);
      await bob.present();
      await alice.send(bob, 'one');
      expect((await first).body).toEqual({ text: 'one' });
      await bob.come();
      if (keeps) await bob.until(() => bob.dropped.includes('a copy'));
      await alice.send(bob, 'two');
      await bob.untilText('two');
      expect(bob.texts()).toEqual(['two']);
    });

    it('waits for who has never been there, where the carrier keeps it, for as long as it was told to', async () => {
      const alice = await present();
      const bob = new Member(lab, world);
      const kept = keepsForNewcomers ? 'kept' : 'absent';
      expect(await alice.send(bob, 'expired', 0)).toBe(kept);
      expect(await alice.send(bob, 'in time')).toBe(kept);
      await bob.come();
      if (keepsForNewcomers) await bob.untilText('in time');
      await alice.send(bob, 'last');
      await bob.untilText('last');
      expect(bob.texts()).toEqual(keepsForNewcomers ? ['in time', 'last'] : ['last']);
    });

    it('waits for who was there and comes back, where the carrier keeps it, for as long as it was told to', async () => {
      const [alice, bob] = await acquainted();
      bob.leave();
      if (keeps) {
        const expired = await alice.send(bob, 'expired', 0);
        // Who left without a word may be expected back at once; a broker is given nothing to keep.
        if (keepsForNewcomers) expect(expired).not.toBe('absent');
        for (const text of ['one', 'two']) expect(await alice.send(bob, text)).not.toBe('absent');
      } else {
        // The server hears a moment later that the connection is closed.
        while ((await alice.send(bob, 'lost')) !== 'absent');
      }
      await bob.come();
      if (keeps) await bob.untilText('two');
      await alice.send(bob, 'last');
      await bob.untilText('last');
      expect(bob.texts()).toEqual(keeps ? ['one', 'two', 'last'] : ['last']);
    });

    it('is dropped when it comes too late to be of use, or from the future', async () => {
      const [alice, bob] = await acquainted();
      const keepMs = 5_000;
      await alice.carry(bob, alice.seal(bob, 'late', { at: Date.now() - keepMs - CLOCK_MS, keepMs }));
      await alice.carry(bob, alice.seal(bob, 'early', { at: Date.now() + CLOCK_MS, keepMs }));
      await alice.send(bob, 'last');
      await bob.untilText('last');
      expect(bob.texts()).toEqual(['last']);
      expect(bob.dropped).toEqual([
        "too old, or from the future: the peer's clock is 2 minutes behind this node's: set the one that is wrong",
        "too old, or from the future: the peer's clock is 2 minutes ahead of this node's: set the one that is wrong",
      ]);
    });

    it('may have 16 KiB when it is sealed, and fails with more, which the carrier would not carry either', async () => {
      const [alice, bob] = await acquainted();
      const text = 'x'.repeat(15 * 1024);
      // The longest places that the next signals can have among others.
      const order = { stream: systemRuntime.newId(), sequence: 9, after: 8 };
      const most = 'y'.repeat(PARCEL_MAX_BYTES - alice.seal(bob, '', { order }).length);
      for (const large of [text, most]) {
        expect(await alice.send(bob, large)).not.toBe('absent');
        await bob.untilText(large);
      }
      const error = await failureOf(
        alice.signalling.send$(bob.peerId, signalOf(most.padEnd(PARCEL_MAX_BYTES, 'y')), { keepMs: MINUTE_MS }),
      );
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error).toEqual(jasmine.objectContaining({ code: 'PROTOCOL' }));
      for (const length of [PARCEL_MAX_BYTES + 1, 2 * PARCEL_MAX_BYTES]) {
        expect(await alice.carry(bob, Buffer.alloc(length, 1))).toBe('absent');
      }
      expect(await alice.send(bob, 'last')).not.toBe('absent');
      await bob.untilText('last');
      expect(bob.texts()).toEqual([text, most, 'last']);
      expect(bob.dropped).toEqual([]);
    });

    it('is dropped when it is garbage, or not signed by whom it says it is from, and disturbs no other', async () => {
      const [alice, bob] = await acquainted();
      const eve = await present();
      const sealed = eve.seal(bob, 'truncated');
      const bad = [
        eve.seal(bob, 'forged', { identity: { ...eve.identity, peerId: alice.peerId } }),
        sealed.subarray(0, -1),
        sealed.subarray(0, 40),
        randomBytes(1),
        randomBytes(300),
        Buffer.concat([sealed.subarray(0, 1), randomBytes(PARCEL_MAX_BYTES - 1)]),
      ];
      for (const bytes of bad) await eve.carry(bob, bytes);
      await alice.send(bob, 'of alice');
      await eve.send(bob, 'of eve');
      await bob.until(() => bob.signals.length >= 2 && bob.dropped.length >= bad.length);
      expect(bob.texts(alice)).toEqual(['of alice']);
      expect(bob.texts(eve)).toEqual(['of eve']);
      expect(bob.dropped).toEqual(bad.map(() => FOREIGN));
    });

    it('comes once, though somebody who has seen it sends it, too, before and after', async () => {
      const [alice, bob] = await acquainted();
      const eve = await present();
      const bytes = alice.seal(bob, 'once');
      for (const from of [eve, alice, eve]) await from.carry(bob, bytes);
      await eve.send(bob, 'of eve');
      await alice.send(bob, 'last');
      await bob.until(() => bob.signals.length >= 3);
      expect(bob.texts(alice)).toEqual(['once', 'last']);
      expect(bob.texts(eve)).toEqual(['of eve']);
      const [once] = bob.signals;
      if (knowsSenders) expect(once?.seenAt).toBe(alice.bind);
      const reason = 'sent again by somebody else';
      const dropped = knowsSenders ? reason : 'a copy';
      expect(bob.dropped).toEqual(bringsCopies ? [dropped, dropped] : []);
    });

    it('is dropped by everybody but whom it is for', async () => {
      const [alice, bob] = await acquainted();
      const carol = await present();
      const bytes = alice.seal(bob, 'to bob');
      // What Bob can read he can seal again, to Carol.
      const label = Buffer.from('rxp2p sealed signal 1');
      const signed = openSealed(bob.identity.openingKey, label, bytes.subarray(1)) ?? Buffer.alloc(0);
      const key = sealingKeyOf(carol.peerId) ?? Buffer.alloc(32);
      await alice.carry(carol, bytes);
      await bob.carry(carol, Buffer.concat([bytes.subarray(0, 1), seal(key, label, signed)]));
      await alice.send(carol, 'to carol');
      await carol.until(() => carol.signals.length >= 1 && carol.dropped.length >= 2);
      expect(carol.texts()).toEqual(['to carol']);
      expect(carol.dropped).toEqual([FOREIGN, FOREIGN]);
      await alice.carry(bob, bytes);
      await bob.untilText('to bob');
    });

    it('of one that floods comes up to a limit, and those of others are not held up', async () => {
      // For Bob time stands still, so that there are never more than come at once.
      const schedule = asyncScheduler.schedule.bind(asyncScheduler);
      const [bob, alice, eve] = await Promise.all([
        present({ ...systemRuntime, scheduler: { now: () => 0, schedule } }),
        present(),
        present(),
      ]);
      await greeted(alice, bob);
      await greeted(eve, bob);
      const texts = Array.from({ length: 2 * BURST }, (_, index) => `flood ${index}`);
      const flood = new Promise<void>((resolve) => {
        // What is not taken is not acknowledged, and its sender is left to wait: the spec does not wait with it.
        const sends = texts.map((text) => eve.send$(bob, text));
        lab.use(merge(...sends, AT_ONCE).subscribe({ error: fail, complete: resolve }));
      });
      await alice.send(bob, 'meanwhile');
      await bob.untilText('meanwhile');
      await Promise.race([flood, bob.until(() => bob.dropped.includes('one too many of this sender'))]);
      await alice.send(bob, 'afterwards');
      await bob.untilText('afterwards');
      expect(bob.texts(alice)).toEqual(['meanwhile', 'afterwards']);
      // In their order, and none twice. With the greeting they are as many as may come; servers stop the sender earlier.
      const come = bob.texts(eve);
      expect(come.length).toBeLessThan(BURST);
      expect(come[0]).toBe('flood 0');
      const left = new Set(come);
      expect(come).toEqual(texts.filter((text) => left.has(text)));
    });
  });
}
