import { randomBytes } from 'node:crypto';
import { TokenBucket } from '../bounds/rate-limit.js';
import type { Identity } from '../identity.js';
import { KIND, signMessage, streamOf } from './author/message.js';
import { ReadMessage } from './wire/broadcast.js';

/** What saying something in a room needs. */
interface PublisherConfig {
  readonly identity: Identity;
  readonly topic: Uint8Array;
  readonly perSecond: number;
  readonly burst: number;
  /** A clock that never jumps, in milliseconds, … */
  readonly now: () => number;
  /** … and the time of day. */
  readonly timeOfDay: () => number;
}

/** Signs and numbers what this node says in one room, no more than others take of it. */
export class Publisher {
  readonly #config: PublisherConfig;
  readonly #stream: string;
  readonly #bucket: TokenBucket;
  #number = 0;
  /** When this node has last said that it is there: later records take the place of earlier ones, wherever the clock was set to meanwhile. */
  #hereAt = 0;

  constructor(config: PublisherConfig) {
    const { perSecond, burst, now, timeOfDay } = config;
    this.#config = config;
    this.#stream = streamOf(timeOfDay(), randomBytes(2));
    this.#bucket = new TokenBucket({ perSecond, burst, now });
  }

  /** @returns `undefined` when this node has said too much. */
  sign(kind: number, payload: Uint8Array): ReadMessage | undefined {
    if (!this.#bucket.take()) return undefined;
    return new ReadMessage(this.#sign(kind, ++this.#number, this.#config.timeOfDay(), payload));
  }

  /** What this node shows of its being there. */
  signHere(payload: Uint8Array): Buffer {
    this.#hereAt = Math.max(this.#hereAt + 1, this.#config.timeOfDay());
    return this.#sign(KIND.here, 0, this.#hereAt, payload);
  }

  #sign(kind: number, number: number, at: number, payload: Uint8Array): Buffer {
    const { identity, topic } = this.#config;
    return signMessage(identity, topic, { stream: this.#stream, number, at, kind, payload: Buffer.from(payload) });
  }
}
