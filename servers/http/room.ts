import type { Socket } from 'node:net';
import { Admission } from '../../lib/bounds/admission.js';
import type { HttpServerLimits } from './limits.js';

/**
 * Room for connections, shared by the sites of callers, so that no site takes all of it. A connection of a proxy carries one caller after
 * the other: it is counted by the site of whoever asks.
 */
export class Room {
  readonly #room: Admission<Socket>;

  constructor({ connections, connectionsPerHost }: HttpServerLimits) {
    this.#room = new Admission({ most: connections, mostOfSite: connectionsPerHost });
  }

  /** Takes a connection in, for which another may have to go. Returns its place; `undefined` when there is none. */
  enter(site: string, socket: Socket): Place | undefined {
    const { isIn, gaveWay } = this.#room.admit(site, socket);
    gaveWay?.destroy();
    return isIn ? new Place(this.#room, site, socket) : undefined;
  }
}

/** The place of one connection. */
export class Place {
  readonly #room: Admission<Socket>;
  readonly #socket: Socket;
  #site: string;

  constructor(room: Admission<Socket>, site: string, socket: Socket) {
    this.#room = room;
    this.#site = site;
    this.#socket = socket;
  }

  /** The site that it is counted by. */
  get site(): string {
    return this.#site;
  }

  /** Counts it by another site from now on. Returns whether that has room for it; if not, it is counted as before. */
  moveTo(site: string): boolean {
    if (site === this.#site) return true;
    if (!this.#room.leave(this.#site, this.#socket)) return false;
    const { isIn, gaveWay } = this.#room.admit(site, this.#socket);
    gaveWay?.destroy();
    if (isIn) this.#site = site;
    else this.#room.add(this.#site, this.#socket);
    return isIn;
  }

  leave(): void {
    this.#room.leave(this.#site, this.#socket);
  }
}
