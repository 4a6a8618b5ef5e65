import type { Socket } from 'node:net';
import {
  fromEvent,
  interval,
  map,
  merge,
  noop,
  share,
  Subject,
  take,
  tap,
  timer,
  type Observable,
  type Subscription,
} from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { SiteCounts } from '../../lib/bounds/site-counts.js';
import type { JoinRequest, RefusalCode } from '../../lib/techniques/relay/protocol.js';
import type { Runtime } from '../../lib/runtime.js';
import { CLOCK_TOLERANCE_MS } from '../../lib/signed-request.js';
import { Unread } from '../unread.js';
import type { Counters } from './counters.js';
import type { RelayServerLimits } from './limits.js';
import { readAhead } from './read-ahead.js';
import { splice$, TICKS } from './splice.js';
import { Tokens } from './tokens.js';

/** What {@link Sessions} needs. */
interface SessionsConfig {
  readonly limits: RelayServerLimits;
  readonly counters: Counters;
  readonly runtime: Runtime;
}

/** A node that waits for another. */
interface Waiting {
  readonly socket: Socket;
  /** The site that it is counted by. */
  readonly site: string;
  /** Unsubscribed when the other is there. */
  readonly waits: Subscription;
}

/** The sessions of a relay: a node that waits for another, and pairs of nodes that are joined. Sites share the room for them. */
export class Sessions {
  readonly #tick$: Observable<unknown>;
  readonly #sockets = new Set<Socket>();
  readonly #perSite = new SiteCounts();
  /** Called when a newcomer evicts the session. */
  readonly #room: Admission<() => void>;
  readonly #tokens: Tokens<Waiting>;
  readonly #unread: Unread;
  readonly #draining = new Subject<void>();

  constructor(readonly config: SessionsConfig) {
    const { limits, counters, runtime } = config;
    const { scheduler, timeOfDay } = runtime;
    const { idleMs, sessions, tokens } = limits;
    // What waits for one node is bounded by `bufferedBytes`.
    this.#unread = new Unread({ ...limits, unreadBytes: Number.POSITIVE_INFINITY, unreadMs: idleMs }, scheduler);
    this.#room = new Admission({ most: sessions });
    // Twice: a clock may be wrong in both directions.
    this.#tokens = new Tokens({ forMs: 2 * CLOCK_TOLERANCE_MS, maxTokens: tokens, now: timeOfDay });
    this.#tick$ = interval(idleMs / TICKS, scheduler).pipe(
      tap(() => {
        counters.tellBytes();
      }),
      share(),
    );
  }

  /** Sends away who waits for another: the other would not get in. */
  drain(): void {
    this.#draining.next();
  }

  close(): void {
    this.#unread.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Why there is no session for the sender of a request, if there is none. */
  refusalOf(join: JoinRequest, site: string): readonly [RefusalCode, string] | undefined {
    if (this.#perSite.of(site) >= this.config.limits.nodesPerHost) {
      return ['host-full', 'too many nodes at this address'];
    }
    const refusal = this.#tokens.refusalOf(join, site);
    if (refusal !== undefined) return [refusal, TOKEN_WORDS[refusal]];
    const isFull = !this.#tokens.isAwaited(join) && !this.#room.hasRoomFor(site);
    return isFull ? ['server-full', 'too many sessions'] : undefined;
  }

  /** Joins two nodes: if the other node waits already, connects the two sockets; else this one waits. The request was checked before. */
  join(join: JoinRequest, socket: Socket, site: string): void {
    this.#hold(socket, site);
    const waiting = this.#tokens.meet(join);
    if (waiting === undefined) this.#wait(join, socket, site);
    else this.#splice(waiting, socket, site);
  }

  /** A socket counts until it is closed. */
  #hold(socket: Socket, site: string): void {
    this.#sockets.add(socket);
    this.#perSite.add(site);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#perSite.remove(site);
    });
  }

  #wait(join: JoinRequest, socket: Socket, site: string): void {
    const { limits, counters, runtime } = this.config;
    const gaveWay = new Subject<'gaveWay'>();
    const overdue$ = timer(limits.unpairedMs, runtime.scheduler).pipe(map(() => 'unpaired' as const));
    const left$ = merge(fromEvent(socket, 'close'), fromEvent(socket, 'end')).pipe(map(() => undefined));
    const waits = merge(gaveWay, overdue$, left$, this.#draining.pipe(map(() => undefined)))
      .pipe(take(1))
      .subscribe({
        next: (reason) => {
          this.#tokens.leave(join.token);
          socket.destroy();
          counters.waitedInVain(reason);
        },
        error: noop,
      });
    waits.add(readAhead(socket));
    waits.add(this.#takeRoom(site, gaveWay));
    this.#tokens.wait(join, site, { socket, site, waits })?.socket.destroy();
    counters.waits();
  }

  /**
   * Takes room for one more session of a site, which must have room. A newcomer may evict the session; the returned function
   * frees its room.
   */
  #takeRoom(site: string, gaveWay: Subject<'gaveWay'>): () => void {
    const giveWay = () => {
      gaveWay.next('gaveWay');
    };
    this.#room.admit(site, giveWay).gaveWay?.();
    return () => {
      this.#room.leave(site, giveWay);
    };
  }

  #splice({ socket: first, site: firstSite, waits }: Waiting, second: Socket, secondSite: string): void {
    const { limits, counters, runtime } = this.config;
    // The room of the one that has waited is free, for both of them.
    waits.unsubscribe();
    const gaveWay = new Subject<'gaveWay'>();
    const site = this.#room.of(secondSite) > this.#room.of(firstSite) ? secondSite : firstSite;
    const leaveRoom = this.#takeRoom(site, gaveWay);
    const unread = new Subject<'unread'>();
    const watch = (socket: Socket, site: string) =>
      this.#unread.watch({
        socket,
        site,
        drop: () => {
          unread.next('unread');
        },
      });
    counters.joined();
    splice$({
      sockets: [first, second],
      limits,
      tick$: this.#tick$,
      scheduler: runtime.scheduler,
      count: (bytes) => {
        counters.passed(bytes);
      },
      looks: [watch(first, firstSite), watch(second, secondSite)],
      cut$: merge(unread, gaveWay),
    }).subscribe({
      next: (reason) => {
        counters.cut(reason);
      },
      error: noop,
      complete: () => {
        leaveRoom();
        counters.parted();
      },
    });
  }
}

const TOKEN_WORDS = {
  replayed: 'this node has joined with this token before',
  taken: 'the token is that of other nodes',
  gone: 'the other node did not wait: agree on another token',
  'server-full': 'too many tokens are in use',
} as const;
