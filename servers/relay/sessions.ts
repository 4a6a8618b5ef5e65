import type { Socket } from 'node:net';
import { interval, noop, type Subscription } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { SiteCounts } from '../../lib/bounds/site-counts.js';
import type { JoinRequest, RefusalCode } from '../../lib/techniques/relay/protocol.js';
import type { Runtime } from '../../lib/runtime.js';
import { CLOCK_TOLERANCE_MS } from '../../lib/signed-request.js';
import { Timers } from '../timers.js';
import { Unread } from '../unread.js';
import { Blocks } from './blocks.js';
import type { Counters } from './counters.js';
import type { RelayServerLimits } from './limits.js';
import { ReusedBuffer } from './reused-buffer.js';
import { Splice, TICKS, type SpliceShared } from './splice.js';
import { Tokens } from './tokens.js';
import { Waiting, type WaitingShared } from './waiting.js';
import type { Member } from './way.js';

/** What {@link Sessions} needs. */
interface SessionsConfig {
  readonly limits: RelayServerLimits;
  readonly counters: Counters;
  readonly runtime: Runtime;
}

/** One session's part of the room. The room may remember it for a while when it is free again, but then not who had it. */
interface Place {
  holder: Waiting | Splice | undefined;
}

/** The sessions of a relay: a node that waits for another, and pairs of nodes that are joined. Sites share the room for them. */
export class Sessions {
  readonly #waiting = new Map<Waiting, Place>();
  readonly #pairs = new Map<Splice, Place>();
  /** Nodes whose sockets are not closed yet. */
  readonly #perSite = new SiteCounts();
  readonly #room: Admission<Place>;
  readonly #tokens: Tokens<Waiting>;
  readonly #timers: Timers;
  readonly #unread: Unread;
  readonly #shared: WaitingShared & SpliceShared;
  #ticking: Subscription | undefined;

  constructor(readonly config: SessionsConfig) {
    const { limits, runtime } = config;
    const { scheduler, timeOfDay } = runtime;
    const { idleMs, sessions, tokens } = limits;
    this.#timers = new Timers(scheduler);
    // What waits for one node is bounded by `bufferedBytes`.
    this.#unread = new Unread({ ...limits, unreadBytes: Number.POSITIVE_INFINITY, unreadMs: idleMs }, scheduler);
    this.#room = new Admission({ most: sessions });
    // Twice: a clock may be wrong in both directions.
    this.#tokens = new Tokens({ forMs: 2 * CLOCK_TOLERANCE_MS, maxTokens: tokens, now: timeOfDay });
    this.#shared = this.#share();
  }

  /** Sends away who waits for another: the other would not get in. */
  drain(): void {
    for (const waiting of this.#waiting.keys()) waiting.leave();
  }

  close(): void {
    this.#unread.close();
    this.#timers.close();
    this.#ticking?.unsubscribe();
    for (const waiting of this.#waiting.keys()) waiting.leave();
    for (const pair of this.#pairs.keys()) pair.stop();
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
    this.#perSite.add(site);
    const waiting = this.#tokens.meet(join);
    if (waiting === undefined) this.#wait(join, socket, site);
    else this.#splice(waiting, { socket, site });
  }

  #wait(join: JoinRequest, socket: Socket, site: string): void {
    const waiting = new Waiting(socket, site, join.token, this.#shared);
    waiting.start();
    this.#waiting.set(waiting, this.#takePlace(site, waiting));
    this.#tokens.wait(join, site, waiting)?.leave();
    this.config.counters.waits();
  }

  #splice(waiting: Waiting, { socket, site }: Member): void {
    waiting.meet();
    // Its place is free, for both of them.
    this.#forget(waiting, this.#waiting);
    const counted = this.#room.of(site) > this.#room.of(waiting.site) ? site : waiting.site;
    const first = { socket: waiting.socket, site: waiting.site };
    const pair = new Splice([first, { socket, site }], counted, this.#shared);
    this.#pairs.set(pair, this.#takePlace(counted, pair));
    this.#ticking ??= this.#tick();
    this.config.counters.joined();
    pair.start();
  }

  /** Takes a place for one more session of a site, which must have room. A session of another may have to go. */
  #takePlace(site: string, holder: Waiting | Splice): Place {
    const place = { holder };
    this.#room.admit(site, place).gaveWay?.holder?.giveWay();
    return place;
  }

  #forget<T extends Waiting | Splice>(holder: T, places: Map<T, Place>): void {
    const place = places.get(holder);
    places.delete(holder);
    if (place === undefined) return;
    place.holder = undefined;
    this.#room.leave(holder.site, place);
  }

  #tick(): Subscription {
    const { limits, runtime, counters } = this.config;
    return interval(limits.idleMs / TICKS, runtime.scheduler).subscribe({
      next: () => {
        counters.tellBytes();
        for (const pair of this.#pairs.keys()) pair.tick();
      },
      error: noop,
    });
  }

  #share(): WaitingShared & SpliceShared {
    const { limits, counters, runtime } = this.config;
    return {
      limits,
      unpairedMs: limits.unpairedMs,
      bufferedBytes: limits.bufferedBytes,
      scheduler: runtime.scheduler,
      timers: this.#timers,
      unread: this.#unread,
      buffer: new ReusedBuffer(),
      blocks: new Blocks(),
      waitedInVain: (waiting, why) => {
        this.#forget(waiting, this.#waiting);
        this.#tokens.leave(waiting.token);
        counters.waitedInVain(why);
      },
      passed: (bytes) => {
        counters.passed(bytes);
      },
      cut: (why) => {
        counters.cut(why);
      },
      left: ({ site }) => {
        this.#perSite.remove(site);
      },
      parted: (pair) => {
        this.#forget(pair, this.#pairs);
        if (this.#pairs.size === 0) {
          this.#ticking?.unsubscribe();
          this.#ticking = undefined;
        }
        counters.parted();
      },
    };
  }
}

const TOKEN_WORDS = {
  replayed: 'this node has joined with this token before',
  taken: 'the token is that of other nodes',
  gone: 'the other node did not wait: agree on another token',
  'server-full': 'too many tokens are in use',
} as const;
