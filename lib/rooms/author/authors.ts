import { ByAge } from '../../bounds/by-age.js';
import { siteBuckets, TokenBucket, type TokenBucketConfig } from '../../bounds/rate-limit.js';
import { verifierOf, type PeerId } from '../../identity.js';
import type { Verdict } from '../broadcast/interface.js';
import { signedPartOf, type SignedMessage } from './message.js';
import { SeenWindow } from './window.js';

/** What checking messages needs. */
export interface AuthorsConfig {
  /** Of the room: 32 bytes. */
  readonly topic: Uint8Array;
  /** How many authors are remembered. */
  readonly most: number;
  /** Messages that one author may write in a second, and at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/** What is remembered of an author. */
interface Author {
  readonly window: SeenWindow;
  readonly bucket: TokenBucket;
  readonly isOfAuthor: (data: Uint8Array, signature: Uint8Array) => boolean;
}

/** New authors that one neighbour may bring in a second: keys cost nothing, and each takes the place of another. */
const NEWCOMERS_PER_SECOND = 10;

/**
 * Judges messages by their authors: each is taken once, with a valid signature, and no more of an author than the limit. The authors
 * heard last are remembered; of others, old messages may be shown again, as to a newcomer.
 */
export class Authors {
  readonly #config: AuthorsConfig;
  readonly #bucket: TokenBucketConfig;
  readonly #known = new ByAge<PeerId, Author>();
  readonly #mayBring: (neighbour: PeerId) => boolean;

  constructor(config: AuthorsConfig) {
    const { perSecond, burst, now, most } = config;
    this.#config = config;
    this.#bucket = { perSecond, burst, now };
    this.#mayBring = siteBuckets({ perSecond: NEWCOMERS_PER_SECOND, burst: most, maxSites: most, now });
  }

  /** Whether a message has not been here yet, as far as is remembered. */
  isNew({ author, stream, number }: SignedMessage): boolean {
    return this.#known.get(author)?.window.isNew(stream, number) !== false;
  }

  /**
   * Judges a message; if it is accepted, it is not new any more.
   *
   * @param bytes all of it.
   * @param from the neighbour who has passed it on.
   */
  judge(message: SignedMessage, bytes: Buffer, from: PeerId): Verdict {
    const { topic, most } = this.#config;
    const { author, stream, number, signature } = message;
    if (!this.isNew(message)) return 'ignore';
    const known = this.#known.get(author);
    const entry = known ?? this.#newAuthor(author);
    if (!entry.isOfAuthor(signedPartOf(topic, bytes), signature)) return 'reject';
    if (known === undefined && !this.#mayBring(from)) return 'refuse';
    if (!entry.bucket.take()) return 'ignore';
    entry.window.add(stream, number);
    this.#known.add(author, entry);
    this.#known.keep(most);
    return 'accept';
  }

  /** Whether a message was signed by its author for this room. */
  isGenuine({ author, signature }: SignedMessage, bytes: Buffer): boolean {
    const { isOfAuthor } = this.#known.get(author) ?? this.#newAuthor(author);
    return isOfAuthor(signedPartOf(this.#config.topic, bytes), signature);
  }

  #newAuthor(author: PeerId): Author {
    return { window: new SeenWindow(), bucket: new TokenBucket(this.#bucket), isOfAuthor: verifierOf(author) };
  }
}
