import { EMPTY, noop, Subscription, timer, type SchedulerLike } from 'rxjs';
import { TokenBucket } from '../bounds/rate-limit.js';
import { reasonOf } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Entry } from './entry.js';
import type { RoomChannel } from './host.js';
import type { Member } from './machine.js';
import type { EntryMessage } from './wire/hello.js';
import { decodeWireMessage, encodeWireMessage, isEntry, type WireMessage } from './wire/messages.js';

/** A peer has this long to enter, in milliseconds: a few round trips on the slowest of paths. */
export const ENTRY_MS = 10_000;

/** A peer that this node leaves has this long to close its side, in milliseconds: what was sent before may still be on its way. */
const LEAVE_MS = 10_000;

/** A neighbour that has sent too much is read again after this time, in milliseconds. */
const PAUSE_MS = 100;

/** What waits for a neighbour that does not read, in bytes: more, and it is left. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

/** A neighbour that reads nothing for this time is left, in milliseconds. */
const SLOW_MS = 15_000;

/** Learns what becomes of a channel to a peer. */
export interface NeighbourHost {
  /** The peer has been let in, and has let this node in. Called once at most. */
  onEntered(neighbour: Neighbour, member: Member): void;
  /** After it has entered. */
  onMessage(neighbour: Neighbour, message: Exclude<WireMessage, EntryMessage>): void;
  /** Called once. Not after `leave` or `drop`. */
  onClosed(neighbour: Neighbour, reason: string): void;
}

/** What a channel to a peer needs. */
export interface NeighbourConfig {
  readonly channel: RoomChannel;
  /** Whether this side has opened the channel. */
  readonly isOpener: boolean;
  readonly entry: Entry;
  readonly perSecond: number;
  readonly scheduler: SchedulerLike;
  readonly host: NeighbourHost;
}

/**
 * The room's channel with a peer: lets the peer in, then reads and writes messages. A peer that sends more than it may has to wait; one
 * that does not read is left, before much waits for it.
 */
export class Neighbour {
  readonly id: PeerId;
  readonly isOpener: boolean;
  /** Whether both sides have let each other in. */
  hasEntered = false;

  readonly #config: NeighbourConfig;
  readonly #bucket: TokenBucket;
  readonly #subscription = new Subscription();
  #isOver = false;
  /** How much has been sent since the channel was full, while it is. */
  #waiting: number | undefined;

  constructor(config: NeighbourConfig) {
    const { channel, perSecond, scheduler } = config;
    this.#config = config;
    this.id = channel.connection.peerId;
    this.isOpener = config.isOpener;
    this.#bucket = new TokenBucket({ perSecond, burst: 4 * perSecond, now: () => scheduler.now() });
  }

  get connection(): RoomChannel['connection'] {
    return this.#config.channel.connection;
  }

  /** See {@link Entry.mayHaveGuessed}. */
  get mayHaveGuessed(): boolean {
    return this.#config.entry.mayHaveGuessed;
  }

  /** Begins to read, and says what is to be said first. */
  begin(): void {
    const { channel, entry, scheduler } = this.#config;
    const reading$ = channel.eachMessage$((bytes) => {
      this.#read(bytes);
      return this.#bucket.take() ? EMPTY : timer(PAUSE_MS, scheduler);
    });
    const late = scheduler.schedule(() => {
      if (!this.hasEntered) this.#fail('the peer took too long to enter');
    }, ENTRY_MS);
    this.#subscription.add(late);
    this.#subscription.add(
      reading$.subscribe({
        error: (error: unknown) => {
          this.#fail(reasonOf(error));
        },
      }),
    );
    this.#subscription.add(
      channel.closed$.subscribe({
        next: ({ message }) => {
          this.#fail(message);
        },
        error: noop,
      }),
    );
    this.#subscription.add(
      channel.drain$.subscribe({
        next: () => {
          this.#waiting = undefined;
        },
        error: noop,
      }),
    );
    this.#sendAll(entry.begin());
  }

  send(message: WireMessage): void {
    if (this.#isOver) return;
    const { channel, scheduler } = this.#config;
    const bytes = encodeWireMessage(message);
    try {
      if (channel.sendMessage(bytes)) return;
    } catch (error) {
      this.#fail(reasonOf(error));
      return;
    }
    if (this.#waiting === undefined) this.#leaveIfSlow(scheduler);
    this.#waiting = (this.#waiting ?? 0) + bytes.length;
    if (this.#waiting > MOST_WAITING_BYTES) this.#fail('the peer does not read');
  }

  /** Closes the channel after what was sent. */
  leave(): void {
    if (this.#isOver) return;
    this.#end();
    const { channel, scheduler } = this.#config;
    const late = scheduler.schedule(() => {
      channel.reset(0, 'the peer does not close its side');
    }, LEAVE_MS);
    channel.closed$.subscribe({
      next: () => {
        late.unsubscribe();
      },
      error: noop,
    });
    // Somebody has to read to the end, or the channel would stay half open.
    channel.messages$.subscribe({ error: noop });
    channel.close();
  }

  /** Closes the channel at once. */
  drop(reason: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#config.channel.reset(0, reason);
  }

  #read(bytes: Buffer): void {
    if (this.#isOver) return;
    try {
      const message = decodeWireMessage(bytes);
      if (message === undefined) return;
      if (isEntry(message)) this.#enter(message);
      else if (this.hasEntered) this.#config.host.onMessage(this, message);
      else this.#fail('the peer spoke before it had entered');
    } catch (error) {
      this.#fail(reasonOf(error));
    }
  }

  #enter(message: EntryMessage): void {
    const { send, member } = this.#config.entry.take(message);
    this.#sendAll(send);
    if (member === undefined) return;
    this.hasEntered = true;
    this.#config.host.onEntered(this, member);
  }

  #sendAll(messages: readonly EntryMessage[]): void {
    for (const message of messages) this.send(message);
  }

  #leaveIfSlow(scheduler: SchedulerLike): void {
    const late = scheduler.schedule(() => {
      if (this.#waiting !== undefined) this.#fail('the peer does not read');
    }, SLOW_MS);
    const drained = this.#config.channel.drain$.subscribe({
      next: () => {
        late.unsubscribe();
        drained.unsubscribe();
      },
      error: noop,
    });
    this.#subscription.add(late);
    this.#subscription.add(drained);
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.drop(reason);
    this.#config.host.onClosed(this, reason);
  }

  #end(): void {
    this.#isOver = true;
    this.#subscription.unsubscribe();
  }
}
