import { Admission } from '../../lib/bounds/admission.js';

/** How many connections there may be. */
interface ConnectionLimits {
  /** In all. */
  readonly connections: number;
  /** From one site. */
  readonly connectionsPerHost: number;
}

/** A client that may have to go. */
interface Guest {
  readonly site: string;
  /** Is told why it has to go. */
  turnAway(): void;
  /** Has to go without a word. */
  drop(): void;
}

/** The most clients that are told at the same time why they are refused. More are dropped without an answer. */
const TURNING_AWAY = { most: 64, mostOfSite: 16 };

/** Limits the number of connections. Those over the limit, and evicted ones, are refused. */
export class ConnectionLimit<T extends Guest> {
  readonly #room: Admission<T>;
  /** Clients that are being told that they are refused. */
  readonly #leaving = new Admission<T>(TURNING_AWAY);

  /** @param dropped is told of a client that is dropped without an answer. */
  constructor(
    { connections, connectionsPerHost }: ConnectionLimits,
    readonly dropped: (guest: T) => void,
  ) {
    this.#room = new Admission({ most: connections, mostOfSite: connectionsPerHost });
  }

  /** How many connections are in. */
  get size(): number {
    return this.#room.size;
  }

  /** Whether there is room for a client of a site, or at least for telling it that there is none: if not, nothing is made for it. */
  mayCome(site: string): boolean {
    return this.#room.hasRoomFor(site) || this.#leaving.hasRoomFor(site);
  }

  /** Takes a client in, or turns it away, or another one that has to make room for it. Returns whether it is in. */
  admit(guest: T): boolean {
    const { isIn, gaveWay } = this.#room.admit(guest.site, guest);
    if (!isIn) this.#turnAway(guest);
    else if (gaveWay !== undefined) this.#turnAway(gaveWay);
    return isIn;
  }

  /** A client is gone. */
  left(guest: T): void {
    this.#room.leave(guest.site, guest);
    this.#leaving.leave(guest.site, guest);
  }

  #turnAway(guest: T): void {
    const { isIn, gaveWay } = this.#leaving.admit(guest.site, guest);
    gaveWay?.drop();
    if (isIn) guest.turnAway();
    else {
      this.dropped(guest);
      guest.drop();
    }
  }
}
