import {
  AsyncSubject,
  catchError,
  defer,
  EMPTY,
  finalize,
  map,
  mergeMap,
  of,
  Subject,
  switchMap,
  takeUntil,
  tap,
  type Observable,
  type Subscription,
} from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import { scopeOf, type Endpoint } from '../../lib/endpoint.js';
import { reasonOf } from '../../lib/errors.js';
import { createIdentity, type PeerId } from '../../lib/identity.js';
import { secure$, secureContextOf } from '../../lib/link/tls.js';
import { within } from '../../lib/operators/within.js';
import type { Runtime } from '../../lib/runtime.js';
import type { Watch } from '../watch.js';
import type { DialLimits } from './limits.js';

/** A caller that wants to be dialled at one of its ports. */
interface Question {
  readonly endpoint: Endpoint;
  /** Who has to answer there; PyP2P's nodes prove nothing. */
  readonly peerId: PeerId | undefined;
  /** `undefined`: it is reachable, else why it is not. */
  readonly answer: (reason: string | undefined) => void;
  /** The question is refused, with this HTTP status: too many come from its address, or there is no room for it (any more). */
  readonly refuse: (status: 429 | 503) => void;
}

/** The queue of callers to dial back, with limits on simultaneous dials, on waiting callers, and on dials a minute for one site. */
export class Questions {
  readonly #question = new Subject<Observable<never>>();
  readonly #context = secureContextOf(createIdentity());
  readonly #dialling: Subscription;
  /** The address that callers know this server by, where it is one of several. */
  readonly #from: string | undefined;
  readonly #mayAsk: (host: string) => boolean;
  readonly #room: Admission<() => void>;

  constructor(
    bind: string | undefined,
    readonly limits: DialLimits,
    readonly runtime: Runtime,
    readonly watch: Watch,
  ) {
    this.#from = bind !== undefined && scopeOf(bind) !== 'unusable' ? bind : undefined;
    this.#mayAsk = siteBuckets({
      perSecond: limits.dialsPerMinute / 60,
      burst: limits.dialBurst,
      now: () => runtime.scheduler.now(),
    });
    this.#room = new Admission({ most: limits.dials + limits.waiting });
    this.#dialling = this.#question.pipe(mergeMap((answered$) => answered$, limits.dials)).subscribe();
  }

  /** Takes a question, and answers or refuses it. */
  ask(question: Question): void {
    const site = siteOf(question.endpoint.address);
    if (!this.#mayAsk(site)) {
      this.watch.refused('reachability', 'too-often', site);
      question.refuse(429);
      return;
    }
    const refuse = () => {
      this.watch.refused('reachability', 'server-full', site);
      question.refuse(503);
    };
    const gone = new AsyncSubject<void>();
    const giveWay = () => {
      gone.next();
      gone.complete();
      refuse();
    };
    const { isIn, gaveWay } = this.#room.admit(site, giveWay);
    gaveWay?.();
    if (!isIn) {
      refuse();
      return;
    }
    const answered$ = defer(() => this.#dial$(question)).pipe(
      takeUntil(gone),
      finalize(() => {
        this.#room.leave(site, giveWay);
      }),
    );
    this.#question.next(answered$);
  }

  close(): void {
    this.#dialling.unsubscribe();
  }

  #dial$({ endpoint: { address, port }, peerId, answer }: Question): Observable<never> {
    const { scheduler } = this.runtime;
    const { dialMs } = this.limits;
    return this.runtime.dial$({ host: address, port, localAddress: this.#from }).pipe(
      within(dialMs, 'It did not answer', scheduler),
      switchMap((socket) => {
        if (peerId === undefined) return of(socket);
        return secure$(socket, { context: this.#context, role: 'client', peerId }).pipe(
          within(dialMs, 'It answered, but did not prove its key', scheduler),
          map(({ stream }) => stream),
        );
      }),
      tap((stream) => {
        stream.destroy();
      }),
      map(() => undefined),
      catchError((error: unknown) => of(reasonOf(error))),
      tap((reason) => {
        this.watch.count('dialBacks', reason === undefined ? 'reachable' : 'unreachable');
        answer(reason);
      }),
      mergeMap(() => EMPTY),
    );
  }
}
