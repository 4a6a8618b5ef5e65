import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { siteOf } from '../../lib/bounds/site.js';
import type { Caller } from '../callers/caller.js';
import type { Unread, Unreading } from '../unread.js';
import type { Place } from './room.js';
import { stopReading } from './stop-reading.js';

/** A connection of an HTTP server, which has one request at a time, until it is upgraded. */
export class Connection implements Unreading {
  /** The site that it is counted by while nobody asks anything. */
  readonly #site: string;
  #answering: ServerResponse | undefined;
  #isClosing = false;

  /**
   * @param socket the socket, or the TLS stream.
   * @param caller who has connected.
   * @param unread drops the client if it does not read what it is answered.
   */
  constructor(
    readonly socket: Socket,
    readonly caller: Caller,
    readonly place: Place,
    readonly unread: Unread,
  ) {
    this.#site = place.site;
  }

  /** The site that it is counted by, which changes when another caller asks by the same proxy. */
  get site(): string {
    return this.place.site;
  }

  /** How many bytes of answers wait for the client. */
  get waiting(): number {
    return this.socket.writableLength;
  }

  drop(): void {
    this.socket.destroy();
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
    response.once('prefinish', () => {
      this.unread.look(this);
    });
    response.once('finish', () => {
      this.#answering = undefined;
    });
    return true;
  }

  /** Counts the connection by the site of whoever asks, until it is answered. Returns whether there is room for another of it. */
  countBy(caller: Caller, response: ServerResponse): boolean {
    const { place } = this;
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
    return this.place.moveTo(this.#siteOf(caller));
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
    if (this.#answering === undefined) this.socket.destroy();
  }

  #closeBehind(response: ServerResponse): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    stopReading(this.socket);
    if (!response.headersSent) response.setHeader('connection', 'close');
    this.#endBehind(response);
  }

  #endBehind(answer: ServerResponse): void {
    answer.once('finish', () => {
      this.socket.destroySoon();
    });
  }
}
