import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { siteOf } from '../../lib/bounds/site.js';
import type { Caller } from '../callers/caller.js';
import type { Place } from './room.js';

/** What a connection of an HTTP server has. */
interface ConnectionConfig {
  readonly socket: Socket;
  /** Who has connected. */
  readonly caller: Caller;
  readonly place: Place;
  /** Is called when an answer was written. */
  readonly look: () => void;
}

/** A connection of an HTTP server, which has one request at a time. */
export class Connection {
  readonly caller: Caller;
  readonly #config: ConnectionConfig;
  /** The site that it is counted by while nobody asks anything. */
  readonly #site: string;
  #answering: ServerResponse | undefined;
  #isClosing = false;

  constructor(config: ConnectionConfig) {
    this.caller = config.caller;
    this.#config = config;
    this.#site = config.place.site;
  }

  /**
   * Whether a request may be answered: only when the previous response has been handed to the system. If not, nothing more is
   * read, and the connection is closed behind that response.
   */
  isFree(response: ServerResponse): boolean {
    const before = this.#answering;
    if (before !== undefined) {
      this.#closeBehind(before);
      return false;
    }
    this.#answering = response;
    response.once('prefinish', this.#config.look);
    response.once('finish', () => {
      this.#answering = undefined;
    });
    return true;
  }

  /** Counts the connection by the site of whoever asks, until it is answered. Returns whether there is room for another of it. */
  countBy(caller: Caller, response: ServerResponse): boolean {
    const { place } = this.#config;
    const site = this.#siteOf(caller);
    if (!place.moveTo(site)) return false;
    if (site !== this.#site) {
      response.once('finish', () => {
        place.moveTo(this.#site);
      });
    }
    return true;
  }

  /** Counts the connection by a site for good: it speaks another protocol from now on. Returns whether there is room. */
  keepBy(caller: Caller): boolean {
    return this.#config.place.moveTo(this.#siteOf(caller));
  }

  /** Where a proxy does not say who asks, its connections are counted alone. */
  #siteOf({ address, whose }: Caller): string {
    return whose === 'our-proxy' ? this.#site : siteOf(address);
  }

  /** The answer that is being given is the last one: the connection is closed behind it. */
  isLast(): void {
    const answer = this.#answering;
    if (answer === undefined) return;
    if (answer.headersSent) this.#endBehind(answer);
    else answer.setHeader('connection', 'close');
  }

  /** Drops the connection unless a request is being answered: the client has had its time to ask. */
  dropSilent(): void {
    if (this.#answering === undefined) this.#config.socket.destroy();
  }

  #closeBehind(response: ServerResponse): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { socket } = this.#config;
    socket.pause();
    if (!response.headersSent) response.setHeader('connection', 'close');
    this.#endBehind(response);
  }

  #endBehind(answer: ServerResponse): void {
    answer.once('finish', () => {
      this.#config.socket.destroySoon();
    });
  }
}
