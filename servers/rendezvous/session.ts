import { TokenBucket, type TokenBucketConfig } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import { familyOf } from '../../lib/endpoint.js';
import { LineTooLongError, StoreError } from '../../lib/errors.js';
import { formatReply, type Dialled, type RefusalCode, type Reply } from '../../lib/rendezvous/messages.js';
import type { Runtime } from '../../lib/runtime.js';
import type { Caller } from '../callers/caller.js';
import { onceKnown, type ChannelListener, type Soon, type Store, type Table } from '../store/store.js';
import type { Due, Timer, Timers } from '../timers.js';
import type { Counted, Watch } from '../watch.js';
import type { ClientHandler, ClientLines } from '../lines/client-lines.js';
import { formatPairingReply } from '../../lib/rendezvous/pairing-messages.js';
import type { Forwarding } from './forwarding.js';
import { isIntended } from '../lines/intended-server.js';
import type { RendezvousServerLimits } from './limits.js';
import type { SlotOwner, Slots } from './slots.js';

/** What the sessions of a server share. */
export interface SessionContext {
  readonly store: Store;
  readonly limits: RendezvousServerLimits;
  /** How many lines each client may say. */
  readonly lineRate: TokenBucketConfig;
  readonly runtime: Runtime;
  readonly timers: Timers;
  /** The port of the HTTP services on this host, which clients are told. */
  readonly httpPort: number | undefined;
  /** The id that the server has given itself. */
  readonly serverId: string;
  readonly forwarding: Forwarding;
  readonly slots: Slots<ServerSession>;
  /** Makes a challenge. */
  readonly newNonce: () => string;
  /** The names by which clients know the server; none when it has not been told any. */
  readonly names: ReadonlySet<string>;
  readonly watch: Watch;
  readonly protocols: Protocols;
  /** Is told when the connection of a session is gone. */
  readonly gone: (session: ServerSession) => void;
}

/** What sessions say and do: the same for all of them. */
export interface Protocols {
  /** Answers a line. */
  answer(line: string, session: ServerSession): Soon<void>;
  /** A message has come on the channel of the session's key. */
  heard(message: string, session: ServerSession): void;
  /** The session is at its end: gives up what it has in the store. */
  ended(session: ServerSession): void;
}

/** Something that a session waits for, and that ends with it. */
export interface Waiting {
  end(): void;
}

/** So many bytes of a long reply count as a line: a list of 100 nodes, of 50 KiB, costs as much as fifty lines. */
const BYTES_OF_LINE = 1_024;

/**
 * One connection to a client, as the handlers of its requests see it. All state of the client ends with its session. A server has many
 * thousands: what all of them share is in their context, and what few of them need is made when they need it.
 */
export class ServerSession implements ClientHandler, ChannelListener, Due, SlotOwner {
  /** The challenge that was given out. */
  nonce: string | undefined;
  /** The key that was proven. */
  peerId: string | undefined;
  /** A newer session with the same key took over. */
  isReplaced = false;
  /** Waits for challenges, and has nothing to say until one comes. */
  isListed = false;
  /** Nothing is said or read any more. */
  isOver = false;
  /** The topics under which it is listed. */
  topics: Set<string> | undefined;
  /** What it waits for, by the channels on which that comes. */
  waiting: Map<string, Waiting> | undefined;

  readonly #lines: ClientLines;
  readonly #context: SessionContext;
  readonly #bucket: TokenBucket;
  readonly #idle: Timer;

  /**
   * @param remote who the client is, as the server sees it.
   * @param site what its connections are counted by.
   */
  constructor(
    lines: ClientLines,
    readonly remote: Caller,
    readonly site: string,
    context: SessionContext,
  ) {
    this.#lines = lines;
    this.#context = context;
    this.#bucket = new TokenBucket(context.lineRate);
    this.#idle = context.timers.of(this);
    this.#putOff();
  }

  get store(): Store {
    return this.#context.store;
  }

  get runtime(): Runtime {
    return this.#context.runtime;
  }

  get timers(): Timers {
    return this.#context.timers;
  }

  get httpPort(): number | undefined {
    return this.#context.httpPort;
  }

  get serverId(): string {
    return this.#context.serverId;
  }

  get forwarding(): Forwarding {
    return this.#context.forwarding;
  }

  get slots(): Slots<ServerSession> {
    return this.#context.slots;
  }

  /** For how long a slot is kept, in milliseconds. */
  get codeMs(): number {
    return this.#context.limits.codeMs;
  }

  get newNonce(): () => string {
    return this.#context.newNonce;
  }

  get watch(): Watch {
    return this.#context.watch;
  }

  /** The family of the client's address. */
  get family(): 4 | 6 {
    return familyOf(this.remote.address);
  }

  /** Whether the client meant this server when it dialled. */
  isIntended(dialled: Dialled): boolean {
    return isIntended(dialled, this.remote, this.#context.names);
  }

  /** The time, in milliseconds since the epoch. */
  now(): number {
    return this.runtime.scheduler.now();
  }

  reply(reply: Reply): void {
    this.say(formatReply(reply));
  }

  /** Says a line. */
  say(line: string): void {
    this.#lines.say(line);
  }

  /** The store has brought something that no server has put there, which is dropped. */
  dropStray(kind: Counted['storeStrays']): void {
    this.watch.count('storeStrays', kind);
  }

  /**
   * Whether the client may cause that many lines: they count against its limit and its site's, as if it had sent them. If not,
   * the client is told.
   */
  mayCause(lines: number): boolean {
    if (lines === 0) return true;
    const may = this.#cause(lines);
    if (!may) this.decline('too-often', 'too much was said for this client, or for its address: try again later');
    return may;
  }

  /**
   * Sends a line that may be far longer than its request. Each {@link BYTES_OF_LINE} bytes count as a line of the client's. If the
   * client may cause no line, it is told, and the line is not made.
   */
  sayAtLength(make: () => Soon<string>): Soon<void> {
    if (!this.mayCause(1)) return undefined;
    return onceKnown(make(), (text) => {
      const more = Math.ceil(Buffer.byteLength(text) / BYTES_OF_LINE) - 1;
      // The reply is sent even if it exceeds the limit; the excess delays the next one.
      if (more > 0) this.#cause(more);
      this.say(text);
    });
  }

  #cause(lines: number): boolean {
    return this.#bucket.take(lines) && this.forwarding.mayForward(siteOf(this.remote.address), lines);
  }

  /** Says why one request is refused; the session goes on. */
  decline(code: RefusalCode, words: string): void {
    this.watch.refused('rendezvous', code, siteOf(this.remote.address));
    this.reply({ verb: 'REFUSED', code, words });
  }

  /** Says that there is no room for this node in a list of the server's. */
  declineToList(): void {
    this.decline('table-full', 'this server lists as many nodes as it can');
  }

  /** Says why, and closes. */
  refuse(code: RefusalCode, words: string): void {
    if (this.isOver) return;
    this.decline(code, words);
    this.close();
  }

  /** Tells the client that there is no room for it, or no more. */
  turnAway(): void {
    this.refuse('too-many-connections', 'too many connections to this server, or from this address');
  }

  /** Lets the client go; what was said before still arrives, but a client that does not hang up, too, is not waited for. */
  close(): void {
    this.#lines.close();
  }

  /** Drops the client, with all that is still on its way. */
  drop(): void {
    this.#lines.drop();
  }

  lostSlot(slot: number): void {
    this.watch.count('codes', 'gaveWay');
    this.forget('slots', String(slot));
    this.say(formatPairingReply({ verb: 'NOSLOT', slot, code: 'gave-way' }));
  }

  /** Has the store forget what it kept for this client. If the store has failed, it forgets that in time. */
  forget(table: Table, key: string): void {
    Promise.resolve(this.store.delete(table, key, true)).catch(() => undefined);
  }

  line(text: string): Promise<void> | undefined {
    if (!this.#bucket.take()) {
      this.refuse('too-many-lines', `more than ${this.#context.limits.linesPerSecond} lines a second`);
      return undefined;
    }
    try {
      const answered = this.#context.protocols.answer(text, this);
      this.#putOff();
      if (!(answered instanceof Promise)) return undefined;
      return answered.then(
        () => {
          // It may be listed now, and a PyP2P node that waits for candidates sends nothing more.
          this.#putOff();
        },
        (error: unknown) => {
          this.#fail(error);
        },
      );
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  fault(error: Error): void {
    this.refuse(error instanceof LineTooLongError ? 'line-too-long' : 'malformed', error.message);
  }

  over(): void {
    this.isOver = true;
    this.#idle.stop();
    for (const waiting of this.waiting?.values() ?? []) waiting.end();
    this.#context.protocols.ended(this);
  }

  gone(): void {
    this.#context.gone(this);
  }

  heard(message: string): void {
    this.#context.protocols.heard(message, this);
  }

  unheard(): void {
    this.close();
  }

  /** Nothing was said for too long. */
  due(): void {
    this.refuse('idle', 'nothing was said for too long');
  }

  /** A request could not be answered. While only the store is gone, the session goes on. */
  #fail(error: unknown): void {
    if (error instanceof StoreError) this.decline('store-unavailable', 'the store of this server cannot be used now');
    else this.refuse('closing', 'this server cannot answer now');
  }

  #putOff(): void {
    const { idleMs, listedIdleMs } = this.#context.limits;
    if (!this.isOver) this.#idle.start(this.isListed ? listedIdleMs : idleMs);
  }
}
