import type { Socket } from 'node:net';
import { BehaviorSubject, defer, EMPTY, finalize, ReplaySubject, type Observable } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { endpointsOf } from '../../lib/link/tcp.js';

/** How many connections there may be. */
interface ConnectionLimits {
  /** In all. */
  readonly connections: number;
  /** From one site. */
  readonly connectionsPerHost: number;
}

/** So many clients at once are told why there is no room for them; more are dropped without a word. */
const TURNING_AWAY = { most: 64, mostOfSite: 16 };

/** Lets connections in, and turns away those for which there is no room, or no more room. */
export class ConnectionLimit {
  readonly #room: Admission<() => void>;
  /** Those that are being told. */
  readonly #leaving = new Admission<() => void>(TURNING_AWAY);
  readonly #count = new BehaviorSubject(0);

  /** How many connections are in; replays the latest. */
  readonly count$: Observable<number> = this.#count.asObservable();

  constructor({ connections, connectionsPerHost }: ConnectionLimits) {
    this.#room = new Admission({ most: connections, mostOfSite: connectionsPerHost });
  }

  /**
   * Serves a connection for as long as it is subscribed to. `turnedAway$`, which `serve$` is given, emits when the client has to be
   * told that there is no room for it: at once, or when it gives way to a newcomer.
   */
  admit$(socket: Socket, serve$: (turnedAway$: Observable<void>) => Observable<never>): Observable<never> {
    return defer(() => {
      const site = siteOf(endpointsOf(socket).remote.address);
      const turnedAway = new ReplaySubject<void>(1);
      const drop = () => {
        socket.destroy();
      };
      const turnAway = () => {
        const { isIn, gaveWay } = this.#leaving.admit(site, drop);
        gaveWay?.();
        if (isIn) turnedAway.next();
        else drop();
      };
      const { isIn, gaveWay } = this.#room.admit(site, turnAway);
      if (isIn) gaveWay?.();
      else turnAway();
      this.#count.next(this.#room.size);
      if (socket.destroyed) return EMPTY;
      return serve$(turnedAway.asObservable()).pipe(
        finalize(() => {
          this.#room.leave(site, turnAway);
          this.#leaving.leave(site, drop);
          this.#count.next(this.#room.size);
        }),
      );
    });
  }
}
