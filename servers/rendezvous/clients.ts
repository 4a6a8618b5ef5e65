import { BehaviorSubject, concat, filter, ignoreElements, interval, map, take, tap, type Observable } from 'rxjs';
import { siteOf } from '../../lib/bounds/site.js';
import type { Caller } from '../callers/caller.js';
import type { ClientLines } from '../lines/client-lines.js';
import { ConnectionLimit } from './connection-limit.js';
import { ServerSession, type SessionContext } from './session.js';

/** While the server is being stopped so many clients are told at once to go, and so long after the ones before, in milliseconds. */
const DRAIN = { atOnce: 50, everyMs: 5 };

/** All clients of one rendezvous server, whatever carries their lines. */
export class Clients {
  readonly #context: SessionContext;
  readonly #sessions = new Set<ServerSession>();
  readonly #limit: ConnectionLimit<ServerSession>;
  readonly #count = new BehaviorSubject(0);
  #isClosing = false;

  /** How many connections are open; replays the latest. */
  readonly count$: Observable<number> = this.#count.asObservable();

  constructor(context: Omit<SessionContext, 'gone'>) {
    this.#context = {
      ...context,
      gone: (session) => {
        this.#limit.left(session);
        this.#sessions.delete(session);
        this.#count.next(this.size);
      },
    };
    this.#limit = new ConnectionLimit(context.limits, ({ remote }) => {
      context.watch.refused('rendezvous', 'too-many-connections', siteOf(remote.address));
    });
  }

  /** How many connections are open. */
  get size(): number {
    return this.#limit.size;
  }

  /** Whether there is room for a client of a site, or at least for telling it that there is none. */
  mayCome(site: string): boolean {
    return this.#limit.mayCome(site);
  }

  /**
   * Serves a client until its connection is gone. What a client does concerns nobody else.
   *
   * @param caller who it is.
   * @param site what its connections are counted by.
   */
  serve(lines: ClientLines, caller: Caller, site: string): void {
    const session = new ServerSession(lines, caller, site, this.#context);
    this.#sessions.add(session);
    lines.start(session);
    if (this.#isClosing) sendAway(session);
    else if (this.#limit.admit(session)) this.#context.watch.count('rendezvousSessions', 'opened');
    this.#count.next(this.size);
  }

  /**
   * Tells all clients to go elsewhere, a few at a time, so that they do not all come to another server at the same moment. Completes when
   * all have gone. Those that come meanwhile are told at once.
   */
  drain$(): Observable<never> {
    this.#isClosing = true;
    const all = [...this.#sessions];
    const told$ = interval(DRAIN.everyMs, this.#context.runtime.scheduler).pipe(
      take(Math.ceil(all.length / DRAIN.atOnce)),
      map((turn) => turn * DRAIN.atOnce),
      tap((from) => {
        for (const session of all.slice(from, from + DRAIN.atOnce)) sendAway(session);
      }),
    );
    const gone$ = this.#count.pipe(
      filter(() => this.#sessions.size === 0),
      take(1),
    );
    return concat(told$, gone$).pipe(ignoreElements());
  }

  /** Drops all clients. */
  close(): void {
    for (const session of this.#sessions) session.drop();
  }
}

function sendAway(session: ServerSession): void {
  session.refuse('closing', 'this server is being stopped: use another, or come back in a while');
}
