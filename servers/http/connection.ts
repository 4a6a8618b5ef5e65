import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Caller } from '../callers/caller.js';
import type { Place } from './room.js';

/** What a connection of an HTTP server has. */
interface ConnectionConfig {
  readonly socket: Socket;
  /** Who has connected. */
  readonly caller: Caller;
  readonly place: Place;
  /** Another for each connection of the server. */
  readonly number: number;
  /** Is called when an answer was written. */
  readonly look: () => void;
}

/** A connection of an HTTP server, which has one request at a time. */
export class Connection {
  readonly caller: Caller;
  readonly number: number;
  readonly #config: ConnectionConfig;
  /** The site that it is counted by while nobody asks anything. */
  readonly #site: string;
  #answering: ServerResponse | undefined;
  #isClosing = false;

  constructor(config: ConnectionConfig) {
    this.caller = config.caller;
    this.number = config.number;
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
  countBy(site: string, response: ServerResponse): boolean {
    const { place } = this.#config;
    if (!place.moveTo(site)) return false;
    if (site !== this.#site) {
      response.once('finish', () => {
        place.moveTo(this.#site);
      });
    }
    return true;
  }

  /** Counts the connection by a site for good: it speaks another protocol from now on. Returns whether there is room. */
  keepBy(site: string): boolean {
    return this.#config.place.moveTo(site);
  }

  #closeBehind(response: ServerResponse): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { socket } = this.#config;
    socket.pause();
    if (!response.headersSent) response.setHeader('connection', 'close');
    response.once('finish', () => {
      socket.destroySoon();
    });
  }
}
