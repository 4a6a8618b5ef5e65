import type { IPublishPacket } from 'mqtt-packet';
import { Observable, type SchedulerLike, type Subscriber, type Subscription } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { ClosedError, TimeoutError } from '../errors.js';
import { PACKET_TOO_LARGE } from './refusals.js';

/** A broker that does not acknowledge a message within this time is not there any more. */
const ANSWER_MS = 5_000;

/** Messages that wait for room: a broker takes a few at once. Each has a parcel at most, so all of them have 4 MiB. */
const MAX_WAITING = 256;

/** Messages that are on their way at most, whatever the broker takes. */
const MAX_UNDER_WAY = 64;

/** Packet ids are numbers of two bytes other than 0; 1 is that of the SUBSCRIBE. */
const FIRST_ID = 2;
const LAST_ID = 0xffff;

/** What the header, the packet id and the properties of a message take at most, in bytes. */
const OVERHEAD_BYTES = 32;

/** A message for others. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  /** For how long it is kept for those who are away, in seconds. Without it, it is for those who are there. */
  readonly keepSeconds?: number | undefined;
  /** Whether the broker is to acknowledge it (QoS 1). */
  readonly isAcknowledged: boolean;
}

/** What a broker of MQTT 5 has said of itself. */
export interface Agreed {
  readonly receiveMaximum: number | undefined;
  readonly maximumPacketSize: number | undefined;
  readonly maximumQoS: number | undefined;
}

/** What outgoing messages need of their session. */
interface OutgoingConfig {
  readonly scheduler: SchedulerLike;
  readonly send: (packet: IPublishPacket) => void;
  /** Called when the broker does not acknowledge. */
  readonly onSilence: (error: TimeoutError) => void;
}

interface Waiting {
  readonly message: Publication;
  readonly subscriber: Subscriber<number>;
}

interface UnderWay {
  readonly subscriber: Subscriber<number>;
  readonly timer: Subscription;
}

/** The messages that a session publishes: as many at once as the broker takes (MQTT 5 §4.9), the others one after the other. */
export class Outgoing {
  readonly #config: OutgoingConfig;
  readonly #waiting = new Queue<Waiting>();
  readonly #underWay = new Map<number, UnderWay>();
  #most = MAX_UNDER_WAY;
  #mostBytes = Number.POSITIVE_INFINITY;
  #acknowledges = true;
  #lastId = FIRST_ID;
  #failure: { readonly error: unknown } | undefined;

  constructor(config: OutgoingConfig) {
    this.#config = config;
  }

  /** Keeps to what the broker has said. */
  agree({ receiveMaximum, maximumPacketSize, maximumQoS }: Agreed): void {
    this.#most = Math.min(MAX_UNDER_WAY, receiveMaximum ?? MAX_UNDER_WAY) || 1;
    this.#mostBytes = maximumPacketSize ?? Number.POSITIVE_INFINITY;
    this.#acknowledges = maximumQoS !== 0;
  }

  /** See `MqttSession.publish$`. Unsubscribing takes back a message that waits. */
  publish$(message: Publication): Observable<number> {
    return new Observable((subscriber) => {
      const { topic, payload } = message;
      if (this.#failure !== undefined) {
        subscriber.error(this.#failure.error);
      } else if (Buffer.byteLength(topic) + payload.length + OVERHEAD_BYTES > this.#mostBytes) {
        subscriber.next(PACKET_TOO_LARGE);
        subscriber.complete();
      } else if (!message.isAcknowledged || !this.#acknowledges) {
        this.#config.send(packetOf(message, 0));
        subscriber.next(0);
        subscriber.complete();
      } else if (this.#waiting.length >= MAX_WAITING) {
        subscriber.error(new ClosedError(`${MAX_WAITING} messages wait already`));
      } else {
        this.#waiting.push({ message, subscriber });
        this.#sendOn();
      }
    });
  }

  /** The broker has acknowledged a message. */
  acknowledged(id: number | undefined, code: number): void {
    const under = this.#underWay.get(id ?? 0);
    if (id === undefined || under === undefined) return;
    this.#underWay.delete(id);
    under.timer.unsubscribe();
    under.subscriber.next(code);
    under.subscriber.complete();
    this.#sendOn();
  }

  /** Ends with the session. */
  end(error: unknown): void {
    this.#failure = { error };
    for (const { timer, subscriber } of this.#underWay.values()) {
      timer.unsubscribe();
      subscriber.error(error);
    }
    this.#underWay.clear();
    for (let next = this.#waiting.take(); next !== undefined; next = this.#waiting.take()) next.subscriber.error(error);
  }

  #sendOn(): void {
    while (this.#underWay.size < this.#most && this.#failure === undefined) {
      const next = this.#waiting.take();
      if (next === undefined) return;
      const { message, subscriber } = next;
      if (subscriber.closed) continue;
      const id = this.#newId();
      const timer = this.#config.scheduler.schedule(() => {
        this.#config.onSilence(new TimeoutError(`The broker did not acknowledge a message within ${ANSWER_MS} ms`));
      }, ANSWER_MS);
      this.#underWay.set(id, { subscriber, timer });
      this.#config.send(packetOf(message, id));
    }
  }

  #newId(): number {
    do {
      this.#lastId = this.#lastId >= LAST_ID ? FIRST_ID : this.#lastId + 1;
    } while (this.#underWay.has(this.#lastId));
    return this.#lastId;
  }
}

/** @param id 0 for a message that is not to be acknowledged. */
function packetOf({ topic, payload, keepSeconds }: Publication, id: number): IPublishPacket {
  return {
    cmd: 'publish',
    topic,
    payload,
    qos: id === 0 ? 0 : 1,
    dup: false,
    retain: false,
    ...(id !== 0 && { messageId: id }),
    ...(keepSeconds !== undefined && { properties: { messageExpiryInterval: keepSeconds } }),
  };
}
