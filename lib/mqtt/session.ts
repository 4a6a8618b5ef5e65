import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet';
import { defer, map, Observable, switchMap, type SchedulerLike, type Subscription } from 'rxjs';
import type { BrokerAddress } from '../broker-name.js';
import { ClosedError, ProtocolError, TimeoutError } from '../errors.js';
import { within } from '../operators/within.js';
import { loadMqttPacket } from '../packages.js';
import type { Runtime } from '../runtime.js';
import { Outgoing, type Publication } from './outgoing.js';
import { PACKET_MAX_BYTES, packetCodec, packetCutter, type MqttVersion, type PacketCodec } from './packets.js';
import { BringAgainError, BrokerRefusedError, FIRST_FAILURE, reasonFor, UnansweredError } from './refusals.js';
import { openStream$, type BrokerStream, type StreamConfig } from './stream.js';

/** For a broker to take a connection, and to answer a CONNECT and a SUBSCRIBE, each: a few round trips on the slowest of paths. */
const HANDSHAKE_MS = 10_000;

/** Between two PINGREQ: below the 60 s after which the worst NATs forget a connection. One that is not answered by the next ends the session. */
const PING_MS = 25_000;

/** A broker that hears nothing for one and a half times so long, in seconds, ends the session (MQTT 5 §3.1.2.10). */
const KEEP_ALIVE_SECONDS = 60;

/** How many messages a broker may send before the first of them is acknowledged. */
const MAX_UNACKNOWLEDGED = 128;

/**
 * A message that was not acknowledged by then, in milliseconds, was dropped here; to deal with one takes a few seconds at most. Brokers bring
 * messages again only to a client that connects again.
 */
const HELD_MS = 8_000;

/** The session ends when more bytes than this wait for a broker that does not read. */
const SEND_MAX_BYTES = 1_048_576;

/** QoS 1: at least once. */
const AT_LEAST_ONCE = 1;

/** Messages that were retained are not wanted: they are somebody's of old (MQTT 5 §3.8.3.1). */
const SUBSCRIPTION = { qos: AT_LEAST_ONCE, nl: false, rap: false, rh: 2 } as const;

/** What a session needs. */
export interface SessionConfig extends StreamConfig {
  readonly broker: BrokerAddress;
  readonly version: MqttVersion;
  /** At most 23 letters and digits, as every broker allows. Who knows it can take the session over. */
  readonly clientId: string;
  /** What is subscribed to. */
  readonly topics: readonly string[];
  /** For how long the broker keeps the session, and messages for it, when this node is away, in seconds. By MQTT 5 alone. */
  readonly keepSeconds: number;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$' | 'scheduler'>;
  /** Called with each message, in the order in which they come. */
  readonly onMessage: (message: BrokerMessage, session: MqttSession) => void;
}

/** A message that has come. */
export interface BrokerMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Tells the broker that the message has been dealt with, so that it need not bring it again. */
  readonly acknowledge: () => void;
}

/** A session with a broker that is open. */
export interface MqttSession {
  /** Whether the broker keeps messages for a subscriber that is away, each for its time. */
  readonly keeps: boolean;
  /**
   * Publishes a message. Emits the reason code of the broker once it has acknowledged the message, and completes; 0 at once where it is not
   * asked to.
   *
   * @throws ClosedError, and others, when the session ends before.
   */
  publish$(message: Publication): Observable<number>;
}

/**
 * Connects to a broker and subscribes. Emits the session once it can be used; unsubscribing ends it. What is kept for this node goes on
 * being kept.
 *
 * MQTT.js, the usual client, would read on only after each message was acknowledged, one after the other, and would take packets of
 * 256 MiB. So the client is this one, over the codec that MQTT.js has, too.
 *
 * @throws BrokerRefusedError when the broker refuses, UnansweredError when it ends before it has answered, and others when it cannot be reached,
 * or the session ends.
 */
export function mqttSession$(config: SessionConfig): Observable<MqttSession> {
  return defer(loadMqttPacket).pipe(
    map((codec) => packetCodec(codec, config.version)),
    switchMap((codec) =>
      openStream$(config.broker, config).pipe(
        within(HANDSHAKE_MS, 'The broker did not take the connection', config.runtime.scheduler),
        switchMap((stream) => over$(stream, codec, config)),
      ),
    ),
  );
}

function over$(stream: BrokerStream, codec: PacketCodec, config: SessionConfig): Observable<MqttSession> {
  return new Observable((subscriber) => {
    const session = new Session(stream, codec, config, {
      onReady: (ready) => {
        subscriber.next(ready);
      },
      onFailure: (error) => {
        subscriber.error(error);
      },
    });
    return () => {
      session.end();
      stream.close();
    };
  });
}

interface Told {
  readonly onReady: (session: MqttSession) => void;
  readonly onFailure: (error: unknown) => void;
}

/** What has been agreed on so far. */
type Stage = 'connecting' | 'subscribing' | 'ready' | 'over';

class Session implements MqttSession {
  keeps = false;
  readonly running: Subscription;
  readonly #outgoing: Outgoing;
  readonly #scheduler: SchedulerLike;
  /** The messages that have come and were not acknowledged, by their packet ids, each with its timer. */
  readonly #unacknowledged = new Map<number, Subscription>();
  #stage: Stage = 'connecting';
  #isPinged = false;

  constructor(
    readonly stream: BrokerStream,
    readonly codec: PacketCodec,
    readonly config: SessionConfig,
    readonly told: Told,
  ) {
    this.#scheduler = config.runtime.scheduler;
    this.#outgoing = new Outgoing({
      scheduler: this.#scheduler,
      send: (packet) => {
        this.#send(packet);
      },
      onSilence: (error) => {
        this.#fail(error);
      },
    });
    const cut = packetCutter();
    this.running = stream.chunk$.subscribe({
      next: (chunk) => {
        try {
          for (const bytes of cut(chunk)) {
            if (this.#stage === 'over') return;
            this.#read(codec.decode(bytes));
          }
        } catch (error) {
          this.#fail(error);
        }
      },
      error: (cause: unknown) => {
        this.#fail(this.#stage === 'connecting' ? new UnansweredError({ cause }) : cause);
      },
    });
    this.#in(HANDSHAKE_MS, () => {
      if (this.#stage !== 'ready') this.#fail(new TimeoutError(`The broker did not answer within ${HANDSHAKE_MS} ms`));
    });
    this.#connect();
  }

  publish$(message: Publication): Observable<number> {
    return this.#outgoing.publish$(message);
  }

  /** Ends the session in order. */
  end(): void {
    if (this.#stage !== 'over' && this.#stage !== 'connecting') this.#send({ cmd: 'disconnect', reasonCode: 0 });
    this.#over(new ClosedError('the session was ended here'));
  }

  #connect(): void {
    const { version, clientId, keepSeconds, broker } = this.config;
    const { username, password } = broker.credentials ?? {};
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      // By 3.1.1 nothing would tell the broker for how long it is to keep a session.
      clean: version !== 5,
      clientId,
      keepalive: KEEP_ALIVE_SECONDS,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
      ...(version === 5 && {
        properties: {
          sessionExpiryInterval: keepSeconds,
          receiveMaximum: MAX_UNACKNOWLEDGED,
          maximumPacketSize: PACKET_MAX_BYTES,
        },
      }),
    });
  }

  #read(packet: Packet): void {
    switch (packet.cmd) {
      case 'connack':
        this.#connected(packet);
        return;
      case 'suback':
        this.#subscribed(packet);
        return;
      case 'publish':
        this.#arrived(packet);
        return;
      case 'puback':
        this.#outgoing.acknowledged(packet.messageId, packet.reasonCode ?? 0);
        return;
      case 'pingresp':
        if (!this.#isPinged) throw new ProtocolError('Expected an answer to what was asked, got one to no PINGREQ');
        this.#isPinged = false;
        return;
      case 'disconnect':
        throw new BrokerRefusedError(reasonFor(packet.reasonCode ?? 0, this.config.version));
      default:
        throw new ProtocolError(`Expected a packet for a client, got ${packet.cmd}`);
    }
  }

  #connected({ returnCode, reasonCode, properties }: IConnackPacket): void {
    const { version, topics } = this.config;
    if (this.#stage !== 'connecting') throw new ProtocolError('Expected one CONNACK, got another');
    const code = reasonCode ?? returnCode ?? 0;
    // 1 is what a broker of 3.1.1 says.
    if (code !== 0) throw new BrokerRefusedError(reasonFor(code, version), code === 1 || code === 0x84);
    const { receiveMaximum, maximumPacketSize, maximumQoS, serverKeepAlive, sessionExpiryInterval } = properties ?? {};
    this.keeps = version === 5 && maximumQoS !== 0 && sessionExpiryInterval !== 0;
    this.#outgoing.agree({ receiveMaximum, maximumPacketSize, maximumQoS });
    this.#stage = 'subscribing';
    this.#send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: topics.map((topic) => ({ topic, ...SUBSCRIPTION })),
    });
    // A broker may ask for more than one PINGREQ in this time.
    this.#pingEvery(Math.min(PING_MS, ((serverKeepAlive ?? KEEP_ALIVE_SECONDS) || KEEP_ALIVE_SECONDS) * 500));
  }

  #subscribed({ messageId, granted }: ISubackPacket): void {
    if (this.#stage !== 'subscribing' || messageId !== 1) throw new ProtocolError('Expected one SUBACK, got another');
    const codes = Array.from(granted, Number);
    const refusal = codes.find((code) => code >= FIRST_FAILURE);
    if (refusal !== undefined || codes.length < this.config.topics.length) {
      throw new BrokerRefusedError(`subscribing, ${reasonFor(refusal ?? FIRST_FAILURE, 5)}`);
    }
    this.#stage = 'ready';
    this.told.onReady(this);
  }

  #arrived({ topic, payload, qos, messageId = 0, retain }: IPublishPacket): void {
    if (qos > AT_LEAST_ONCE || !Buffer.isBuffer(payload)) throw new ProtocolError('Expected messages of QoS 0 or 1');
    if (qos === AT_LEAST_ONCE) this.#hold(messageId);
    const acknowledge = () => {
      this.#unacknowledged.get(messageId)?.unsubscribe();
      if (this.#unacknowledged.delete(messageId)) this.#send({ cmd: 'puback', messageId });
    };
    // A broker of 3.1.1 brings those, too.
    if (retain) acknowledge();
    else
      this.config.onMessage(
        { topic, payload, acknowledge: qos === AT_LEAST_ONCE ? acknowledge : () => undefined },
        this,
      );
  }

  /** Remembers a message until it is acknowledged. Where that takes too long, the broker is to bring it again. */
  #hold(messageId: number): void {
    // Brokers of 3.1.1 may bring it again on the same connection.
    if (this.#unacknowledged.has(messageId)) return;
    if (this.#unacknowledged.size >= MAX_UNACKNOWLEDGED) {
      throw new ProtocolError(`Expected at most ${MAX_UNACKNOWLEDGED} messages before the first is acknowledged`);
    }
    const timer = this.#in(HELD_MS, () => {
      this.#fail(new BringAgainError());
    });
    this.#unacknowledged.set(messageId, timer);
  }

  #pingEvery(ms: number): void {
    this.#in(ms, () => {
      if (this.#isPinged) {
        this.#fail(new TimeoutError(`The broker did not answer within ${ms} ms`));
        return;
      }
      this.#isPinged = true;
      this.#send({ cmd: 'pingreq' });
      this.#pingEvery(ms);
    });
  }

  #in(ms: number, act: () => void): Subscription {
    const timer = this.#scheduler.schedule(act, ms);
    this.running.add(timer);
    return timer;
  }

  #send(packet: Packet): void {
    this.stream.write(this.codec.encode(packet));
    if (this.stream.waitingBytes > SEND_MAX_BYTES) this.#fail(new ClosedError('the broker does not read'));
  }

  #fail(error: unknown): void {
    if (this.#stage === 'over') return;
    this.#over(error);
    this.told.onFailure(error);
  }

  #over(error: unknown): void {
    this.#stage = 'over';
    this.running.unsubscribe();
    this.#outgoing.end(error);
  }
}
