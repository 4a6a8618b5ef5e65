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
  /** The time of day, in milliseconds since the epoch. */
  readonly timeOfDay: () => number;
}

/** What is remembered of an author. */
interface Author {
  readonly window: SeenWindow;
  readonly bucket: TokenBucket;
  readonly isOfAuthor: (data: Uint8Array, signature: Uint8Array) => boolean;
}

/** New authors that one neighbour may bring in a second: keys cost nothing, and each takes the place of another. */
const NEWCOMERS_PER_SECOND = 10;

/** … and at once: as few as not to have all others forgotten. */
const NEWCOMERS_BURST = 100;

/** A message that was written longer ago is not new, whatever has been forgotten of its author, in milliseconds: clocks differ by minutes. */
export const MAX_AGE_MS = 300_000;

/**
 * Judges messages by their authors: each is taken once, with a valid signature, and no more of an author than the limit. The authors
 * heard last are remembered; of others, what they have said in the last minutes may be shown again, as to a newcomer.
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
    this.#mayBring = siteBuckets({
      perSecond: NEWCOMERS_PER_SECOND,
      burst: Math.min(most, NEWCOMERS_BURST),
      maxSites: most,
      now,
    });
  }

  /** Whether a message has not been here yet, as far as is remembered. */
  isNew({ author, stream, number }: SignedMessage, isPast = false): boolean {
    return this.#known.get(author)?.window.isNew(stream, number, isPast) !== false;
  }

  /**
   * Judges a message; if it is accepted, it is not new any more.
   *
   * @param bytes all of it.
   * @param from the neighbour who has passed it on.
   * @param isPast whether this node has asked for it as one of before.
   */
  judge(message: SignedMessage, bytes: Buffer, from: PeerId, isPast = false): Verdict {
    const { topic, most, timeOfDay } = this.#config;
    const { author, stream, number, at, signature } = message;
    if (!this.isNew(message, isPast)) return 'ignore';
    const known = this.#known.get(author);
    const entry = known ?? this.#newAuthor(author);
    if (!entry.isOfAuthor(signedPartOf(topic, bytes), signature)) return 'reject';
    // Only now: the id says nothing of the time, and what is ignored under it is not taken later. It costs the author nothing.
    if (!isPast && at + MAX_AGE_MS < timeOfDay()) return 'ignore';
    if (known === undefined && !this.#mayBring(from)) return 'refuse';
    if (!entry.bucket.take()) return 'ignore';
    entry.window.add(stream, number, isPast);
    this.#known.add(author, entry);
    this.#known.keep(most);
    return 'accept';
  }

  /**
   * Whether a message was signed by its author for this room.
   *
   * @param bytes all of it.
   */
  isGenuine({ author, signature }: SignedMessage, bytes: Buffer): boolean {
    const isOfAuthor = this.#known.get(author)?.isOfAuthor ?? verifierOf(author);
    return isOfAuthor(signedPartOf(this.#config.topic, bytes), signature);
  }

  #newAuthor(author: PeerId): Author {
    return { window: new SeenWindow(), bucket: new TokenBucket(this.#bucket), isOfAuthor: verifierOf(author) };
  }
}
