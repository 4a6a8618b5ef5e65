import { randomBytes } from 'node:crypto';
import { TokenBucket } from '../bounds/rate-limit.js';
import type { Identity } from '../identity.js';
import { signMessage, streamOf } from './author/message.js';
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

  constructor(config: PublisherConfig) {
    const { perSecond, burst, now, timeOfDay } = config;
    this.#config = config;
    this.#stream = streamOf(timeOfDay(), randomBytes(2));
    this.#bucket = new TokenBucket({ perSecond, burst, now });
  }

  /** @returns `undefined` when this node has said too much. */
  sign(kind: number, payload: Uint8Array): ReadMessage | undefined {
    if (!this.#bucket.take()) return undefined;
    const { identity, topic, timeOfDay } = this.#config;
    const fields = {
      stream: this.#stream,
      number: ++this.#number,
      at: timeOfDay(),
      kind,
      payload: Buffer.from(payload),
    };
    return new ReadMessage(signMessage(identity, topic, fields));
  }
}
