import type { Socket } from 'node:net';
import { BehaviorSubject, defer, EMPTY, finalize, ReplaySubject, type Observable } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { siteOfCaller, type Caller } from '../callers/caller.js';
import type { Watch } from '../watch.js';

/** How many connections there may be. */
interface ConnectionLimits {
  /** In all. */
  readonly connections: number;
  /** From one site. */
  readonly connectionsPerHost: number;
}

/** The most clients that are told at the same time why they are refused. More are dropped without an answer. */
const TURNING_AWAY = { most: 64, mostOfSite: 16 };

/** Limits the number of connections. Those over the limit, and evicted ones, are refused. */
export class ConnectionLimit {
  readonly #room: Admission<() => void>;
  /** Clients that are being told that they are refused. */
  readonly #leaving = new Admission<() => void>(TURNING_AWAY);
  #arrived = 0;
  readonly #count = new BehaviorSubject(0);

  /** How many connections are in; replays the latest. */
  readonly count$: Observable<number> = this.#count.asObservable();

  constructor(
    { connections, connectionsPerHost }: ConnectionLimits,
    readonly watch: Watch,
  ) {
    this.#room = new Admission({ most: connections, mostOfSite: connectionsPerHost });
  }

  /** How many connections are in. */
  get size(): number {
    return this.#room.size;
  }

  /**
   * Serves a connection while subscribed to. The `turnedAway$` passed to `serve$` emits when the client must be told that there
   * is no room: at once, or when a newcomer evicts it.
   */
  admit$(
    socket: Socket,
    caller: Caller,
    serve$: (turnedAway$: Observable<void>) => Observable<never>,
  ): Observable<never> {
    return defer(() => {
      const site = siteOfCaller(caller, ++this.#arrived);
      const turnedAway = new ReplaySubject<void>(1);
      const drop = () => {
        socket.destroy();
      };
      const turnAway = () => {
        const { isIn, gaveWay } = this.#leaving.admit(site, drop);
        gaveWay?.();
        if (isIn) turnedAway.next();
        else {
          this.watch.refused('rendezvous', 'too-many-connections', siteOf(caller.address));
          drop();
        }
      };
      const { isIn, gaveWay } = this.#room.admit(site, turnAway);
      if (isIn) {
        this.watch.count('rendezvousSessions', 'opened');
        gaveWay?.();
      } else turnAway();
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
