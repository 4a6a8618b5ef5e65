import { BegunBytes } from '../../lib/bounds/begun-bytes.js';
import { WaitingBytes } from '../../lib/bounds/waiting-bytes.js';
import {
  concatMap,
  map,
  NEVER,
  retry,
  share,
  switchMap,
  take,
  timeout,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { RemoteError } from '../../lib/errors.js';
import type { CallChannel, CallHandler, CallOpening } from '../../lib/remote/channel.js';
import { call$ } from '../../lib/remote/call.js';
import { formatOf } from '../../lib/remote/format.js';
import { ServedCall } from '../../lib/remote/served-call.js';

/** One end of a channel over a network on which everything takes some time, in frames. */
class End implements CallChannel {
  readonly waiting = 0;
  other: End | undefined;
  handler: CallHandler | undefined;

  constructor(
    readonly scheduler: SchedulerLike,
    readonly oneWay: number,
  ) {}

  attach(handler: CallHandler): void {
    this.handler = handler;
  }

  write(bytes: Buffer): void {
    this.#arrive((handler) => {
      handler.onData(bytes);
    });
  }

  read(): void {
    // There is always credit.
  }

  end(): void {
    this.#arrive((handler) => {
      handler.onEnd();
    });
  }

  reset(reset: { readonly code: string; readonly message: string }): void {
    this.#arrive((handler) => {
      handler.onReset(reset);
    });
  }

  #arrive(action: (handler: CallHandler) => void): void {
    this.scheduler.schedule(() => {
      const handler = this.other?.handler;
      if (handler !== undefined) action(handler);
    }, this.oneWay);
  }
}

/** An Observable as a peer sees it who is `oneWay` frames away. */
function remote$<T>(source: () => Observable<T>, scheduler: SchedulerLike, oneWay: number): Observable<unknown> {
  const limits = { messageBytes: 1_000, remoteBytes: 1_000 };
  const format = formatOf('json');
  const open = (opening: CallOpening) => {
    const [here, there] = [new End(scheduler, oneWay), new End(scheduler, oneWay)];
    here.other = there;
    there.other = here;
    const serving = {
      ...limits,
      format,
      budget: new WaitingBytes({ most: 10_000, holders: 1 }),
      overflow: 'fail' as const,
      schemas: {},
      object: () => ({ get: source }),
      soon: (action: () => void) => {
        action();
      },
      onOver: () => undefined,
    };
    const hold = () => ({ channel: there, begun: new BegunBytes(1_000), release: () => undefined });
    const call = new ServedCall(serving, hold);
    call.begin();
    opening.onOpen({ channel: here, begun: new BegunBytes(1_000), release: () => undefined });
    return () => undefined;
  };
  return call$({ open, format, ...limits, what: '`get`', method: 'get', args: [], schema: undefined });
}

describe('A remote Observable, in marbles', () => {
  /** A value comes two frames after the subscription at the earliest: one there, one back. */
  const ONE_WAY = 1;

  const run = (test: (helpers: RunHelpers, far$: <T>(source$: Observable<T>) => Observable<unknown>) => void) => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run((helpers) => {
      test(helpers, (source$) => remote$(() => source$, scheduler, ONE_WAY));
    });
  };

  it('brings values and completion one round trip later', () => {
    run(({ cold, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold(' a-bc--|');
      const expected = '    --a-bc--|';
      expectObservable(far$(source$)).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe(' -^-----!');
    });
  });

  it('fails after its values', () => {
    run(({ cold, expectObservable }, far$) => {
      const source$ = cold(' a-b#', undefined, new TypeError('broken'));
      expectObservable(far$(source$)).toBe('--a-b#', undefined, new RemoteError('broken', 'TypeError'));
    });
  });

  it('is unsubscribed from at the peer within a one-way delay', () => {
    run(({ cold, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold('       a-b-c-d-');
      const unsubscription = '     -----!';
      expectObservable(far$(source$), unsubscription).toBe('--a-b-');
      expectSubscriptions(source$.subscriptions).toBe('-^----!');
    });
  });

  it('ends by take like a local one', () => {
    run(({ cold, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold(' a-b-c-d-');
      expectObservable(far$(source$).pipe(take(2))).toBe('--a-(b|)');
      expectSubscriptions(source$.subscriptions).toBe('-^---!');
    });
  });

  it('is unsubscribed from by switchMap', () => {
    run(({ cold, hot, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold('         a-b-c-d-e');
      const outer$ = hot('           x----y------|');
      const expected = '             --a-b--a-b-c-d-e';
      expectObservable(outer$.pipe(switchMap(() => far$(source$)))).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe(['-^----!', '------^---------']);
    });
  });

  it('is called again by retry', () => {
    run(({ cold, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold('a#');
      const expected = '    --a--a#';
      expectObservable(far$(source$).pipe(retry(1))).toBe(expected, undefined, new RemoteError('error', 'Error'));
      expectSubscriptions(source$.subscriptions).toBe(['-^!', '----^!']);
    });
  });

  it('is ended at the peer by timeout', () => {
    run(({ expectObservable, cold, expectSubscriptions }, far$) => {
      const source$ = cold('------a');
      const result$ = far$(source$).pipe(timeout({ first: 5, with: () => NEVER }));
      expectObservable(result$).toBe('-------');
      expectSubscriptions(source$.subscriptions).toBe('-^----!');
    });
  });

  it('is called once for all subscribers by share', () => {
    run(({ cold, hot, expectObservable, expectSubscriptions }, far$) => {
      const source$ = cold('a-b-c|');
      const shared$ = far$(source$).pipe(share());
      const later$ = hot('  ---x').pipe(
        take(1),
        switchMap(() => shared$),
      );
      expectObservable(shared$).toBe('--a-b-c|');
      expectObservable(later$).toBe(' ----b-c|');
      expectSubscriptions(source$.subscriptions).toBe('-^----!');
    });
  });

  it('follows another by concatMap', () => {
    run(({ cold, expectObservable }, far$) => {
      const expected = '--a--b|';
      const result$ = cold('(ab|)').pipe(concatMap((value) => far$(cold('x|').pipe(map(() => value)))));
      expectObservable(result$).toBe(expected);
    });
  });
});
