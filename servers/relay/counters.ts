import { BehaviorSubject, type Observable } from 'rxjs';
import type { RefusalCode } from '../../lib/techniques/relay/protocol.js';
import type { Watch } from '../watch.js';
import type { Cut } from './splice.js';

/** What a relay does, for those who run it. */
export interface RelayCounters {
  /** Pairs of nodes that are joined now. */
  readonly sessions: number;
  /** Nodes that wait for their other now. */
  readonly waiting: number;
  /** Pairs of nodes that have been joined, in all. */
  readonly joined: number;
  /** Bytes that were passed on, in all, both directions together. */
  readonly bytes: number;
  /** Requests that were refused, in all, by reason. */
  readonly refused: Readonly<Partial<Record<RefusalCode, number>>>;
  /**
   * Nodes and pairs that were sent away, in all, by the limit: `unpairedMs`, `idleMs`, `bytesPerSession`, those of unread bytes, or
   * `sessions` (`gaveWay`: to a newcomer whose site has fewer).
   */
  readonly cut: Readonly<Record<Cut | 'unpaired', number>>;
}

/** Counts what a relay does. A change is emitted at once, except for bytes: these are emitted with another change, or on request. */
export class Counters {
  readonly #latest = new BehaviorSubject<RelayCounters>({
    sessions: 0,
    waiting: 0,
    joined: 0,
    bytes: 0,
    refused: {},
    cut: { unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 0 },
  });
  readonly #forget: readonly (() => void)[];
  #bytes = 0;

  /** The counters, at once and whenever they change. */
  readonly latest$: Observable<RelayCounters> = this.#latest.asObservable();

  constructor(readonly watch: Watch) {
    this.#forget = [
      watch.gauge('relaySessions', () => this.#latest.value.sessions),
      watch.gauge('relayWaiting', () => this.#latest.value.waiting),
      watch.gauge('relayBytes', () => this.#bytes),
    ];
  }

  /** Bytes were passed on. */
  passed(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Tells of the bytes, where there are more of them. */
  tellBytes(): void {
    if (this.#bytes !== this.#latest.value.bytes) this.#tell({});
  }

  /** A request was refused. */
  refused(code: RefusalCode): void {
    const { refused } = this.#latest.value;
    this.#tell({ refused: { ...refused, [code]: (refused[code] ?? 0) + 1 } });
  }

  /** A node waits for another. */
  waits(): void {
    this.#tell({ waiting: this.#latest.value.waiting + 1 });
  }

  /** A waiting node has left, or was sent away, without a meeting. */
  waitedInVain(why: Cut | 'unpaired' | undefined): void {
    if (why !== undefined) this.watch.count('relaySessions', why);
    this.#tell({ waiting: this.#latest.value.waiting - 1, ...(why !== undefined && this.#withCut(why)) });
  }

  /** A node that has waited is joined with another. */
  joined(): void {
    this.watch.count('relaySessions', 'joined');
    const { waiting, sessions, joined } = this.#latest.value;
    this.#tell({ waiting: waiting - 1, sessions: sessions + 1, joined: joined + 1 });
  }

  /** A pair was sent away; it is about to part. */
  cut(why: Cut): void {
    this.watch.count('relaySessions', why);
    this.#tell(this.#withCut(why));
  }

  /** A pair is joined no longer. */
  parted(): void {
    this.#tell({ sessions: this.#latest.value.sessions - 1 });
  }

  close(): void {
    for (const forget of this.#forget) forget();
    this.#latest.complete();
  }

  #withCut(why: Cut | 'unpaired'): Pick<RelayCounters, 'cut'> {
    const { cut } = this.#latest.value;
    return { cut: { ...cut, [why]: cut[why] + 1 } };
  }

  #tell(change: Partial<RelayCounters>): void {
    this.#latest.next({ ...this.#latest.value, ...change, bytes: this.#bytes });
  }
}
