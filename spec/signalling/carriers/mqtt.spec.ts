import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { asyncScheduler, filter, firstValueFrom, map, startWith, Subject, Subscription } from 'rxjs';
import { expectBroker, type MqttBroker } from '../../../lib/broker-name.js';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import { webTlsBy } from '../../../lib/link/web-tls.js';
import { decodeParcel, digestOf, encodeParcel, inboxOf, topicOf } from '../../../lib/mqtt/messages.js';
import { PACKET_MAX_BYTES } from '../../../lib/mqtt/packets.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import type { Carrier, Delivery, Parcel } from '../../../lib/signalling/carrier.js';
import { mqttCarrier } from '../../../lib/signalling/carriers/mqtt.js';
import type { SignalStep } from '../../../lib/signalling/steps.js';
import { startFakeBroker, type Behaviour } from '../../support/fake-broker.js';
import { impatient } from '../../support/impatient.js';
import { needsMosquitto, startMosquitto, startOldBroker } from '../../support/mosquitto.js';
import { addressOf, Lab } from '../../support/nodes.js';
import { webCertificate } from '../../support/web-certificate.js';

/** After this time a message that was not acknowledged is to come again, as `session.ts` has it. */
const HELD_MS = 8_000;

/** For each step of the opening, as `session.ts` has it. */
const HANDSHAKE_MS = 10_000;

/** Between two PINGREQ, as `session.ts` has it. */
const PING_MS = 25_000;

describe('Signalling over MQTT', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  class Member {
    readonly carrier: Carrier;
    readonly parcels: Parcel[] = [];
    /** What was told of brokers, in words; `there` when one could be used. */
    readonly told: string[] = [];
    readonly #changed = new Subject<void>();
    #listening = new Subscription();

    constructor(
      brokers: readonly (string | MqttBroker)[],
      runtime: Partial<Runtime> = {},
      readonly identity: Identity = createIdentity(),
    ) {
      this.carrier = mqttCarrier({
        identity,
        brokers: brokers.map((broker) => expectBroker('mqtt', broker)),
        runtime: { ...systemRuntime, ...runtime },
        trace: (step) => {
          this.#tell(step);
        },
      });
    }

    get texts(): string[] {
      return this.parcels.map(({ bytes }) => bytes.toString());
    }

    /** Listens until it leaves or the spec is over. Resolves once it can be reached by so many brokers. */
    async come(at = 1, acknowledges = true): Promise<this> {
      const before = this.there;
      this.#listening = lab.use(
        this.carrier.parcel$.subscribe({
          next: (parcel) => {
            this.parcels.push(parcel);
            if (acknowledges) parcel.acknowledge();
            this.#changed.next();
          },
          error: fail,
        }),
      );
      await this.until(() => this.there >= before + at);
      return this;
    }

    leave(): void {
      this.#listening.unsubscribe();
    }

    get there(): number {
      return this.told.filter((words) => words === 'there').length;
    }

    async until(isSo: () => boolean): Promise<void> {
      await firstValueFrom(this.#changed.pipe(startWith(undefined), filter(isSo)));
    }

    send(to: Member, text: string, keepMs = 60_000): Promise<Delivery> {
      return firstValueFrom(this.carrier.send$(to.identity.peerId, Buffer.from(text), { keepMs }));
    }

    #tell(step: SignalStep): void {
      if (step.type !== 'server') return;
      this.told.push(step.failure === undefined ? 'there' : `${step.kind} ${step.server} ${step.failure}`);
      this.#changed.next();
    }
  }

  describe('by a real broker', () => {
    beforeEach(() => {
      needsMosquitto();
    });

    it('delivers both ways, and says at once that nobody is there', async () => {
      const { url } = await startMosquitto(lab);
      const [alice, bob] = await Promise.all([new Member([url]).come(), new Member([url]).come()]);
      expect(await alice.send(bob, 'to bob')).toBe('delivered');
      expect(await bob.send(alice, 'to alice')).toBe('delivered');
      expect([alice.texts, bob.texts]).toEqual([['to alice'], ['to bob']]);
      expect(bob.parcels[0]).toEqual(jasmine.objectContaining({ from: undefined, seenAt: undefined, via: url }));
      expect(await alice.send(new Member([url]), 'to nobody')).toBe('absent');
      const nobody$ = alice.carrier.send$('nobody', Buffer.from('x'), { keepMs: 1 });
      expect(await firstValueFrom(nobody$)).toBe('absent');
    });

    it('delivers what a node sends that does not listen', async () => {
      const { url } = await startMosquitto(lab);
      const bob = await new Member([url]).come();
      expect(await new Member([url]).send(bob, 'x')).toBe('delivered');
    });

    it('loses nothing of what a process had that was killed before it had dealt with it', async () => {
      const { url } = await startMosquitto(lab);
      const sockets: Socket[] = [];
      const dial$: Runtime['dial$'] = (config) =>
        systemRuntime.dial$(config).pipe(
          map((socket) => {
            sockets.push(socket);
            return socket;
          }),
        );
      // It starts anew long after the spec.
      const identity = createIdentity();
      const killed = await new Member([url], { dial$, random: () => 1 }, identity).come(1, false);
      const alice = await new Member([url]).come();
      expect(await alice.send(killed, 'in its hands')).toBe('kept');
      expect(killed.texts).toEqual(['in its hands']);
      // Without a word to the broker, and it does not connect again.
      for (const socket of sockets) socket.resetAndDestroy();
      killed.leave();
      expect(await alice.send(killed, 'while it is away')).toBe('kept');
      const again = await new Member([url], {}, identity).come();
      await again.until(() => again.texts.length >= 2);
      expect(again.texts).toEqual(['in its hands', 'while it is away']);
      again.leave();
      // By then the broker has heard that the others were dealt with, and that nobody is there.
      expect(await alice.send(again, 'while it is away again')).toBe('kept');
      const third = await new Member([url], {}, identity).come();
      expect(await alice.send(third, 'last')).toBe('delivered');
      expect(third.texts).toEqual(['while it is away again', 'last']);
    });

    it('brings again what is not acknowledged', async () => {
      const { url } = await startMosquitto(lab);
      const bob = await new Member([url], { scheduler: impatient({ [HELD_MS]: 100 }) }).come(1, false);
      const alice = await new Member([url]).come();
      const sent = alice.send(bob, 'again');
      await bob.until(() => bob.texts.length >= 2);
      expect(bob.texts.slice(0, 2)).toEqual(['again', 'again']);
      bob.parcels[1]?.acknowledge();
      expect(await sent).toBe('delivered');
      // No failure of the broker.
      expect(new Set(bob.told)).toEqual(new Set(['there']));
    });

    it('keeps nothing that is of use for less than a second', async () => {
      const { url } = await startMosquitto(lab);
      const [alice, bob] = await Promise.all([new Member([url]).come(), new Member([url]).come()]);
      expect(await alice.send(bob, 'now', 999)).toBe('delivered');
      bob.leave();
      expect(await alice.send(bob, 'never', 999)).toBe('absent');
      await bob.come();
      expect(await alice.send(bob, 'last')).toBe('delivered');
      expect(bob.texts).toEqual(['now', 'last']);
    });

    it('goes on when the broker has been killed and is back', async () => {
      const broker = await startMosquitto(lab);
      const [alice, bob] = await Promise.all([new Member([broker.url]).come(), new Member([broker.url]).come()]);
      await broker.kill();
      await Promise.all([alice, bob].map((member) => member.until(() => member.told.length >= 2)));
      expect(alice.told[1]).toMatch(/^MQTT mqtt:\/\/127\.0\.0\.1:\d+ (?:failed: |cannot be reached)/);
      await broker.restart();
      await Promise.all([alice, bob].map((member) => member.until(() => member.there >= 2)));
      expect(await alice.send(bob, 'again')).toBe('delivered');
    });

    it('goes by all brokers, whichever works, and is taken from each', async () => {
      const [one, other] = await Promise.all([startMosquitto(lab), startMosquitto(lab)]);
      const alice = await new Member([one.url, other.url]).come(2);
      const bob = await new Member([one.url, other.url]).come(2);
      expect(await alice.send(bob, 'both')).toBe('delivered');
      await bob.until(() => bob.texts.length >= 2);
      expect(bob.texts).toEqual(['both', 'both']);
      await one.kill();
      expect(await alice.send(bob, 'one')).toBe('delivered');
      expect(bob.texts).toEqual(['both', 'both', 'one']);
    });

    for (const how of ['refuses', 'closes'] as const) {
      it(`goes by MQTT 3.1.1 where a broker ${how} what is newer, and is not kept there`, async () => {
        const url = await startOldBroker(lab, await startMosquitto(lab), how);
        const [alice, bob] = await Promise.all([new Member([url]).come(), new Member([url]).come()]);
        expect(await alice.send(bob, 'to bob')).toBe('delivered');
        bob.leave();
        expect(await alice.send(bob, 'lost')).toBe('absent');
        await bob.come();
        expect(await alice.send(bob, 'last')).toBe('delivered');
        expect(bob.texts).toEqual(['to bob', 'last']);
        expect(new Set([...alice.told, ...bob.told])).toEqual(new Set(['there']));
      });
    }

    for (const scheme of ['mqtts', 'ws', 'wss'] as const) {
      it(`goes by ${scheme}:`, async () => {
        const certificate = webCertificate('127.0.0.1');
        const isSecure = scheme !== 'ws';
        const { url } = await startMosquitto(lab, { scheme, ...(isSecure && { certificate }) });
        const trusting = { webTls$: webTlsBy(certificate.cert) };
        const [alice, bob] = await Promise.all([
          new Member([url], trusting).come(),
          new Member([url], trusting).come(),
        ]);
        expect(await alice.send(bob, 'x'.repeat(16_000))).toBe('delivered');
        expect(bob.texts).toEqual(['x'.repeat(16_000)]);
        if (!isSecure) return;
        const wary = new Member([url]);
        lab.use(wary.carrier.parcel$.subscribe({ error: fail }));
        await wary.until(() => wary.told.length > 0);
        expect(wary.told[0]).toContain(`MQTT ${url}`);
        expect(wary.told[0]).toMatch(/SELF_SIGNED|self-signed/);
      });
    }

    it('takes a name and a password, which are told nowhere', async () => {
      const user = { name: 'm@e', password: 's:ecret/' };
      const { url, port } = await startMosquitto(lab, { user });
      const inUrl = `mqtt://${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}@127.0.0.1:${port}`;
      const beside = { url, username: user.name, password: user.password };
      const [alice, bob] = await Promise.all([new Member([inUrl]).come(), new Member([beside]).come()]);
      expect(await alice.send(bob, 'x')).toBe('delivered');
      for (const refused of [url, { ...beside, password: 'ecret' }]) {
        const eve = new Member([refused]);
        lab.use(eve.carrier.parcel$.subscribe({ error: fail }));
        await eve.until(() => eve.told.length > 0);
        expect(eve.told[0]).toMatch(/^MQTT mqtt:\/\/127\.0\.0\.1:\d+ refuses: /);
        expect(eve.told.join()).not.toContain('ecret');
        expect(await eve.send(alice, 'x')).toBe('absent');
      }
      expect([...alice.told, ...bob.told].join()).not.toContain('ecret');
    });

    it('is not sent where publishing is not allowed', async () => {
      const { url } = await startMosquitto(lab, { acl: 'topic read rxp2p/1/#\n' });
      const [alice, bob] = await Promise.all([new Member([url]).come(), new Member([url]).come()]);
      expect(await alice.send(bob, 'x')).toBe('absent');
      expect(bob.texts).toEqual([]);
    });
  });

  describe('by a broker that is hostile', () => {
    const HUGE = Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f);
    const chunk = Buffer.alloc(65_536, 0x31);

    const BEHAVIOURS: Readonly<Record<string, { readonly behave: Behaviour; readonly failure: RegExp | undefined }>> = {
      'closes at once': {
        behave: (_, { socket }) => {
          socket.destroy();
          return 'done';
        },
        failure: /failed: it closed the connection without an answer|cannot be reached/,
      },
      'says nothing': { behave: () => 'done', failure: undefined },
      'refuses everybody': {
        behave: ({ cmd }, { send }) => {
          if (cmd !== 'connect') return undefined;
          send({ cmd: 'connack', reasonCode: 0x8a, sessionPresent: false });
          return 'done';
        },
        failure: /refuses: this client is banned/,
      },
      'refuses to be subscribed to': {
        behave: (packet, { send }) => {
          if (packet.cmd !== 'subscribe') return undefined;
          send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [0x87, 0x87] });
          return 'done';
        },
        failure: /refuses: subscribing, this client is not authorized/,
      },
      'sends a packet without an end': {
        behave: ({ cmd }, { socket }) => {
          if (cmd !== 'subscribe') return undefined;
          socket.write(HUGE);
          const more = () => {
            while (socket.writable && socket.write(chunk));
          };
          socket.on('drain', more);
          more();
          return 'done';
        },
        failure: new RegExp(`failed: Expected a packet of at most ${PACKET_MAX_BYTES} bytes`),
      },
      'sends what is no MQTT': {
        behave: (_, { socket }) => {
          socket.write(`HTTP/1.1 400 Bad Request\r\n\r\n${'x'.repeat(100)}`);
          return 'done';
        },
        failure: /failed: Expected /,
      },
      'ends the session': {
        behave: ({ cmd }, { send }) => {
          if (cmd !== 'subscribe') return undefined;
          send({ cmd: 'disconnect', reasonCode: 0x8e });
          return 'done';
        },
        failure: /refuses: somebody else has connected with the key of this node/,
      },
      'answers what was not asked, tens of thousands of times': {
        behave: (packet, { send, socket }) => {
          if (packet.cmd !== 'subscribe') return undefined;
          send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1, 1] });
          socket.write(Buffer.alloc(65_536, Buffer.of(0xd0, 0)));
          return 'done';
        },
        failure: /failed: Expected an answer to what was asked, got one to no PINGREQ/,
      },
      'floods without waiting': {
        behave: (packet, { send }) => {
          if (packet.cmd !== 'subscribe') return undefined;
          send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1, 1] });
          const [{ topic } = { topic: '' }] = packet.subscriptions;
          for (let messageId = 2; messageId < 2_000; messageId++) {
            const payload = encodeParcel(Buffer.alloc(100, messageId), Buffer.alloc(16));
            send({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false });
          }
          return 'done';
        },
        failure: /failed: Expected at most 128 messages before the first is acknowledged/,
      },
      'forges receipts': {
        behave: (packet, { send }) => {
          if (packet.cmd !== 'publish' || !Buffer.isBuffer(packet.payload)) return undefined;
          const topic = topicOf(decodeParcel(packet.payload)?.receipts ?? Buffer.alloc(0));
          const digest = Buffer.from(digestOf(packet.payload), 'hex');
          const payload = Buffer.concat([Buffer.of(2), digest, Buffer.alloc(64, 1)]);
          for (let count = 0; count < 100; count++) {
            send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
          }
          return undefined;
        },
        failure: undefined,
      },
    };

    for (const [how, { behave, failure }] of Object.entries(BEHAVIOURS)) {
      it(`${how}, and is told apart from others, which go on`, async () => {
        const [bad, good] = await Promise.all([startFakeBroker(lab, behave), startFakeBroker(lab)]);
        const alice = new Member([bad.url, good.url]);
        const listening = lab.use(alice.carrier.parcel$.subscribe({ error: fail }));
        if (failure !== undefined) await alice.until(() => alice.told.some((words) => failure.test(words)));
        const bob = new Member([]);
        // The good broker has taken it; a receipt that is none has not delivered it.
        expect(await alice.send(bob, 'x')).toBe('kept');
        const published = good.packets.filter(({ cmd }) => cmd === 'publish');
        expect(published.length).toBe(1);
        listening.unsubscribe();
      });
    }

    it('is not connected to again and again', async () => {
      const bad = await startFakeBroker(lab, (_, { socket }) => {
        socket.destroy();
        return 'done';
      });
      const pauses: number[] = [];
      const scheduler: Runtime['scheduler'] = {
        now: () => systemRuntime.scheduler.now(),
        schedule: new Proxy(asyncScheduler.schedule.bind(asyncScheduler), {
          apply: (target, self, [work, delay, state]: readonly unknown[]): unknown => {
            // Those between two sessions, of which each is at most twice as long as the last.
            const isPause = typeof delay === 'number' && delay >= 500 && delay <= 60_000 && delay !== 10_000;
            if (isPause) pauses.push(delay);
            return Reflect.apply(target, self, [work, isPause ? 1 : delay, state]);
          },
        }),
      };
      const alice = new Member([bad.url], { scheduler, random: () => 1 });
      const listening = lab.use(alice.carrier.parcel$.subscribe({ error: fail }));
      await alice.until(() => alice.told.length >= 9);
      listening.unsubscribe();
      expect(pauses.slice(0, 9)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    });

    it('is given up when it accepts and then says nothing, whatever comes first', async () => {
      const silent = createServer((socket) => {
        lab.onClose(() => socket.destroy());
        socket.on('error', () => undefined).resume();
      }).listen(0, '127.0.0.1');
      lab.onClose(() => silent.close());
      await once(silent, 'listening');
      for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
        const alice = new Member([`${scheme}://127.0.0.1:${addressOf(silent).port}`], {
          scheduler: impatient({ [HANDSHAKE_MS]: 50 }),
        });
        lab.use(alice.carrier.parcel$.subscribe({ error: fail }));
        await alice.until(() => alice.told.length > 0);
        expect(alice.told[0]).withContext(scheme).toContain('does not answer');
      }
    });

    it('is given up when it does not answer any more', async () => {
      const broker = await startFakeBroker(lab, ({ cmd }) => (cmd === 'pingreq' ? 'done' : undefined));
      const alice = new Member([broker.url], { scheduler: impatient({ [PING_MS]: 50 }) });
      lab.use(alice.carrier.parcel$.subscribe({ error: fail }));
      await alice.until(() => alice.told.length >= 2);
      expect(alice.told[1]).toContain('does not answer');
      // One that acknowledges nothing is given up, too.
      const mute = await startFakeBroker(lab, ({ cmd }) => (cmd === 'publish' ? 'done' : undefined));
      const bob = await new Member([mute.url], { scheduler: impatient({ 5_000: 50 }) }).come();
      expect(await bob.send(alice, 'x')).toBe('absent');
      expect(bob.told[1]).toContain('does not answer');
    });
  });

  it('asks a broker for what it needs, and ends in order', async () => {
    const broker = await startFakeBroker(lab);
    const alice = new Member([broker.url]);
    await alice.come();
    const [connect, subscribe] = broker.packets;
    expect(connect).toEqual(
      jasmine.objectContaining({
        cmd: 'connect',
        protocolVersion: 5,
        clean: false,
        keepalive: 60,
        properties: { sessionExpiryInterval: 600, receiveMaximum: 128, maximumPacketSize: PACKET_MAX_BYTES },
      }),
    );
    expect(subscribe).toEqual(jasmine.objectContaining({ cmd: 'subscribe' }));
    const topics = subscribe?.cmd === 'subscribe' ? subscribe.subscriptions : [];
    expect(topics[0]).toEqual({ topic: inboxOf(alice.identity.peerId) ?? '', qos: 1, nl: false, rap: false, rh: 2 });
    const bob = createIdentity();
    const sent$ = alice.carrier.send$(bob.peerId, Buffer.from('x'), { keepMs: 1_500 });
    expect(await firstValueFrom(sent$)).toBe('kept');
    const published = broker.packets.find(({ cmd }) => cmd === 'publish');
    expect(published).toEqual(
      jasmine.objectContaining({ topic: inboxOf(bob.peerId), qos: 1, properties: { messageExpiryInterval: 2 } }),
    );
    alice.leave();
    while (!broker.packets.some(({ cmd }) => cmd === 'disconnect')) await new Promise(setImmediate);
    expect(broker.connections()).toBe(1);
  });

  it('keeps to what a broker of MQTT 5 says of itself', async () => {
    let atOnce = 0;
    let most = 0;
    const broker = await startFakeBroker(lab, (packet, { send }) => {
      if (packet.cmd === 'connect') {
        const properties = { receiveMaximum: 3, maximumPacketSize: 1_000, serverKeepAlive: 10 };
        send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties });
        return 'done';
      }
      if (packet.cmd !== 'publish') return undefined;
      most = Math.max(most, ++atOnce);
      setImmediate(() => {
        atOnce--;
        send({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: 0x10 });
      });
      return 'done';
    });
    const alice = await new Member([broker.url]).come();
    const bob = new Member([]);
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
    const deliveries = await Promise.all(texts.map((text) => alice.send(bob, text)));
    expect(new Set(deliveries)).toEqual(new Set(['absent']));
    expect(most).toBe(3);
    const before = broker.packets.length;
    expect(await alice.send(bob, 'x'.repeat(1_000))).toBe('absent');
    expect(broker.packets.length).toBe(before);
  });

  it('ignores what is no parcel, or was retained, and acknowledges it', async () => {
    const acknowledged = new Set<number>();
    const broker = await startFakeBroker(lab, (packet, { send }) => {
      if (packet.cmd === 'puback') acknowledged.add(packet.messageId ?? 0);
      if (packet.cmd !== 'subscribe') return undefined;
      send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1, 1] });
      const [inbox, receipts] = packet.subscriptions.map(({ topic }) => topic);
      const parcel = encodeParcel(Buffer.from('parcel'), Buffer.alloc(16));
      const of = (topic: string | undefined, payload: Buffer, messageId: number, retain = false) => {
        send({ cmd: 'publish', topic: topic ?? '', payload, qos: 1, messageId, dup: false, retain });
      };
      of(inbox, Buffer.from('garbage'), 10);
      of(inbox, parcel, 11, true);
      of(receipts, parcel, 12);
      of('another/topic', parcel, 13);
      of(inbox, parcel, 14);
      return 'done';
    });
    const alice = await new Member([broker.url]).come();
    await alice.until(() => alice.texts.length > 0);
    while (acknowledged.size < 5) await new Promise(setImmediate);
    expect(alice.texts).toEqual(['parcel']);
    expect([...acknowledged]).toEqual([10, 11, 12, 13, 14]);
  });

  it('is none for a broker that cannot be reached, or a parcel that is too long', async () => {
    const alice = new Member(['mqtt://127.0.0.1:1']);
    lab.use(alice.carrier.parcel$.subscribe({ error: fail }));
    await alice.until(() => alice.told.length > 0);
    expect(alice.told[0]).toBe('MQTT mqtt://127.0.0.1:1 cannot be reached (ECONNREFUSED)');
    expect(await alice.send(new Member([]), 'x'.repeat(16_385))).toBe('absent');
    expect(await new Member([]).send(alice, 'x')).toBe('absent');
  });
});
