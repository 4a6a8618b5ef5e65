import { Subscription } from 'rxjs';
import { siteOf } from '../../lib/bounds/site.js';
import { formatReply, type Dialled, type RefusalCode, type Reply } from '../../lib/rendezvous/messages.js';
import type { Runtime } from '../../lib/runtime.js';
import type { Caller } from '../callers/caller.js';
import type { ChannelListener, Store, Table } from '../store/store.js';
import type { Watch } from '../watch.js';
import type { ClientLines } from './client-lines.js';
import type { Forwarding } from './forwarding.js';

/** What a session needs. */
interface SessionContext {
  readonly store: Store;
  readonly runtime: Runtime;
  /** The port of the HTTP services on this host, which the client is told. */
  readonly httpPort: number | undefined;
  /** The id that the server has given itself. */
  readonly serverId: string;
  readonly forwarding: Forwarding;
  readonly watch: Watch;
  /** Whether the client may say so many lines. */
  readonly mayGoOn: (lines: number) => boolean;
  /** Is called when something was said. */
  readonly look: () => void;
  /** Whether the client meant this server when it dialled. */
  readonly isIntended: (dialled: Dialled) => boolean;
}

/** So many bytes of a long reply count as a line: a list of 100 nodes, of 50 KiB, costs as much as fifty lines. */
const BYTES_OF_LINE = 1_024;

/** One connection to a client, as the handlers of its requests see it. All state of the client ends with its session. */
export class ServerSession {
  /** The challenge that was given out. */
  nonce: string | undefined;
  /** The key that was proven. */
  peerId: string | undefined;
  /** A newer session with the same key took over. */
  isReplaced = false;
  /** Waits for challenges, and has nothing to say until one comes. */
  isListed = false;
  /** The nodes whose answers it waits for, by the channels on which they come. */
  readonly asked = new Map<string, Subscription>();

  readonly store: Store;
  readonly runtime: Runtime;
  readonly httpPort: number | undefined;
  readonly serverId: string;
  readonly forwarding: Forwarding;
  readonly watch: Watch;

  readonly #lines: ClientLines;
  readonly #context: SessionContext;
  readonly #atEnd = new Subscription();

  /** @param remote who the client is, as the server sees it. */
  constructor(
    lines: ClientLines,
    readonly remote: Caller,
    context: SessionContext,
  ) {
    this.#lines = lines;
    this.#context = context;
    this.store = context.store;
    this.runtime = context.runtime;
    this.httpPort = context.httpPort;
    this.serverId = context.serverId;
    this.forwarding = context.forwarding;
    this.watch = context.watch;
  }

  /** Whether the client meant this server when it dialled. */
  isIntended(dialled: Dialled): boolean {
    return this.#context.isIntended(dialled);
  }

  /** The time, in milliseconds since the epoch. */
  now(): number {
    return this.runtime.scheduler.now();
  }

  reply(reply: Reply): void {
    this.say(formatReply(reply));
  }

  /** Says a line, such as one that another session has written, as it is. */
  say(line: string): void {
    this.#lines.say(line);
    this.#context.look();
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
  async sayAtLength(make: () => Promise<string>): Promise<void> {
    if (!this.mayCause(1)) return;
    const text = await make();
    const more = Math.ceil(Buffer.byteLength(text) / BYTES_OF_LINE) - 1;
    // The reply is sent even if it exceeds the limit; the excess delays the next one.
    if (more > 0) this.#cause(more);
    this.say(text);
  }

  #cause(lines: number): boolean {
    return this.#context.mayGoOn(lines) && this.forwarding.mayForward(siteOf(this.remote.address), lines);
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
    this.decline(code, words);
    this.close();
  }

  /** Lets the client go; what was said before still arrives, but a client that does not hang up, too, is not waited for. */
  close(): void {
    this.#lines.close();
  }

  /** Does something for each message on a channel of the store, until unsubscribed from or the session is at its end. */
  listen(channel: string, next: (message: string) => void): Subscription {
    const listener: ChannelListener = {
      heard: next,
      unheard: () => {
        this.close();
      },
    };
    const listening = new Subscription(() => {
      this.store.leave(channel, listener);
    });
    Promise.resolve(this.store.listen(channel, listener)).catch(() => {
      this.close();
    });
    this.#atEnd.add(listening);
    return listening;
  }

  /** Has the store forget what it kept for this client. If the store has failed, it forgets that in time. */
  forget(table: Table, key: string): void {
    Promise.resolve(this.store.delete(table, key)).catch(() => undefined);
  }

  /** Does something when the session is at its end. */
  atEnd(action: () => void): void {
    this.#atEnd.add(action);
  }

  /** Gives up what the session holds in the store: its listing, and the channels that it listens on. */
  end(): void {
    this.#atEnd.unsubscribe();
  }
}
