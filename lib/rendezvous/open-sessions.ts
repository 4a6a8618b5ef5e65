import { BehaviorSubject, distinctUntilChanged, map, type Observable } from 'rxjs';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { RendezvousSession } from './session.js';

/** The sessions of a node that are open now. */
export class OpenSessions {
  readonly #open = new BehaviorSubject<ReadonlyMap<RendezvousAddress, RendezvousSession>>(new Map());

  /** A session was opened. */
  add(session: RendezvousSession): void {
    this.#open.next(new Map(this.#open.value).set(session.server, session));
  }

  /** The session with a server is over. */
  delete(server: RendezvousAddress): void {
    const open = new Map(this.#open.value);
    if (open.delete(server)) this.#open.next(open);
  }

  /**
   * The server with which a session is open, as it was named: at once, and whenever that changes; `undefined` while it is not open, or is
   * not this node's.
   *
   * @param nonce the challenge by which the session began.
   */
  serverOf$(nonce: string): Observable<RendezvousAddress | undefined> {
    return this.#open.pipe(
      map((open) => [...open.values()].find((session) => session.nonce === nonce)?.server),
      distinctUntilChanged(),
    );
  }
}
