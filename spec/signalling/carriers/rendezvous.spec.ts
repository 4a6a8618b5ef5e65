import { concat, defer, EMPTY, map, NEVER, of, Subject, throwError, timer, type Observable } from 'rxjs';
import type { Endpoint } from '../../../lib/endpoint.js';
import type { RendezvousMessage, RendezvousSession } from '../../../lib/rendezvous/session.js';
import type { Carrier } from '../../../lib/signalling/carrier.js';
import { rendezvousCarrier } from '../../../lib/signalling/carriers/rendezvous.js';
import { peerIdOf } from '../../support/locators.js';
import { marbles, type Marbles } from '../../support/marbles.js';
import { record } from '../../support/record.js';

const [ALICE, BOB] = [peerIdOf(1), peerIdOf(2)];
const BYTES = Buffer.from('sealed');
const OPTIONS = { keepMs: 1000 };

/** A session that a spec plays the server of. */
class FakeSession implements RendezvousSession {
  readonly server = { host: 'rv.example.org', port: 8000 };
  readonly remote = { address: '192.0.2.1', port: 8000 };
  readonly httpPort = undefined;
  readonly serverId = undefined;
  readonly nonce = undefined;
  readonly observed: Endpoint | undefined;
  readonly roundTripMs = undefined;
  readonly message$: Observable<RendezvousMessage>;
  readonly sent: [to: string, bytes: Buffer][] = [];
  readonly #messages = new Subject<RendezvousMessage>();

  /** @param answer$ what the server says to a message: whether it delivered it. */
  constructor(
    readonly answer$: Observable<boolean> = of(true),
    address?: string,
  ) {
    this.observed = address === undefined ? undefined : { address, port: 1 };
    this.message$ = this.#messages.asObservable();
  }

  /** The server passes a message on. */
  deliver(message: Buffer): void {
    this.#messages.next({ from: ALICE, message, seenAt: '192.0.2.1' });
  }

  /** The server goes away. */
  break(): void {
    this.#messages.error(new Error('the server went away'));
  }

  send$(to: string, message: Buffer): Observable<boolean> {
    return defer(() => {
      this.sent.push([to, message]);
      return this.answer$;
    });
  }

  readonly nodes$ = () => EMPTY;
  readonly advertise = () => undefined;
  readonly line$ = NEVER;
  readonly say = () => undefined;
}

interface World extends Marbles {
  readonly over: (...sessions: readonly RendezvousSession[]) => Carrier;
  readonly overChanging: (sessions$: Observable<readonly RendezvousSession[]>) => Carrier;
}

function world(spec: (world: World) => void): void {
  marbles((helpers) => {
    const overChanging = (sessions$: Observable<readonly RendezvousSession[]>) =>
      rendezvousCarrier({ sessions$, runtime: helpers });
    spec({ ...helpers, overChanging, over: (...sessions) => overChanging(concat(of(sessions), NEVER)) });
  });
}

const DELIVERED = { d: 'delivered' } as const;
const ABSENT = { a: 'absent' } as const;

describe('a parcel over the rendezvous servers', () => {
  it('goes when somebody waits for what becomes of it', () => {
    world(({ over }) => {
      const session = new FakeSession();
      const sent$ = over(session).send$(BOB, BYTES, OPTIONS);
      expect(session.sent).toEqual([]);
      record(sent$);
      expect(session.sent).toEqual([[BOB, BYTES]]);
    });
  });

  it('waits for a session where there is none at the moment, for 2 s', () => {
    world(({ cold, overChanging, expectObservable }) => {
      const [none, one] = [[], [new FakeSession()]];
      expectObservable(overChanging(cold('n 1998ms o', { n: none, o: one })).send$(BOB, BYTES, OPTIONS)).toBe(
        '1999ms (d|)',
        DELIVERED,
      );
      const replayed$ = concat(of<readonly RendezvousSession[]>([]), NEVER);
      expectObservable(overChanging(replayed$).send$(BOB, BYTES, OPTIONS)).toBe('2s (a|)', ABSENT);
    });
  });

  it('goes through the first server that can deliver it, and through no more', () => {
    world(({ over, expectObservable, flush }) => {
      const sessions = [false, true, true].map((isDelivered) => new FakeSession(timer(2).pipe(map(() => isDelivered))));
      expectObservable(over(...sessions).send$(BOB, BYTES, OPTIONS)).toBe('----(d|)', DELIVERED);
      flush();
      expect(sessions.map(({ sent }) => sent.length)).toEqual([1, 1, 0]);
    });
  });

  it('is not delivered when the peer is at none of the servers', () => {
    world(({ over, expectObservable }) => {
      const absent = () => new FakeSession(of(false));
      expectObservable(over(absent(), absent()).send$(BOB, BYTES, OPTIONS)).toBe('(a|)', ABSENT);
    });
  });

  it('goes on to the next server when one breaks, or says nothing for 5 s', () => {
    world(({ over, cold, expectObservable, expectSubscriptions }) => {
      const silent = cold<boolean>('-');
      const broken = new FakeSession(throwError(() => new Error('gone')));
      const carrier = over(broken, new FakeSession(silent), new FakeSession());
      expectObservable(carrier.send$(BOB, BYTES, OPTIONS)).toBe('5s (d|)', DELIVERED);
      expectSubscriptions(silent.subscriptions).toBe('^ 4999ms !');
    });
  });

  it('is not waited for any more when it is unsubscribed from', () => {
    world(({ over, cold, expectObservable, expectSubscriptions }) => {
      const [silent, next] = [cold<boolean>('-'), new FakeSession()];
      expectObservable(over(new FakeSession(silent), next).send$(BOB, BYTES, OPTIONS), '^--!').toBe('-');
      expectSubscriptions(silent.subscriptions).toBe('^--!');
      expect(next.sent).toEqual([]);
    });
  });

  it('goes by the family that the sender wants to be seen by, where there is one soon enough', () => {
    world(({ overChanging, expectObservable, flush, scheduler }) => {
      const four = new FakeSession(of(true), '192.0.2.7');
      const six = new FakeSession(of(true), '2001:db8::7');
      const soon$ = concat(of([four]), timer(3, scheduler).pipe(map(() => [four, six])), NEVER);
      expectObservable(overChanging(soon$).send$(BOB, BYTES, { ...OPTIONS, family: 6 })).toBe('---(d|)', DELIVERED);
      const never$ = concat(of([four]), NEVER);
      expectObservable(overChanging(never$).send$(BOB, BYTES, { ...OPTIONS, family: 6 })).toBe('5s (d|)', DELIVERED);
      flush();
      expect([four.sent.length, six.sent.length]).toEqual([1, 1]);
    });
  });
});

describe('parcels by the rendezvous servers', () => {
  it('come from every server, with who sent them and where the server sees the sender', () => {
    world(({ over }) => {
      const sessions = [new FakeSession(), new FakeSession()];
      const { values } = record(over(...sessions).parcel$);
      for (const session of sessions) session.deliver(BYTES);
      expect(values.map(({ from, bytes, seenAt }) => [from, bytes, seenAt])).toEqual([
        [ALICE, BYTES, '192.0.2.1'],
        [ALICE, BYTES, '192.0.2.1'],
      ]);
    });
  });

  it('still come over the other servers, and over a new session, when one breaks', () => {
    world(({ overChanging }) => {
      const [first, second, third] = [new FakeSession(), new FakeSession(), new FakeSession()];
      const sessions$ = new Subject<readonly RendezvousSession[]>();
      const recording = record(overChanging(sessions$.asObservable()).parcel$);
      sessions$.next([first, second]);
      first.break();
      second.deliver(BYTES);
      sessions$.next([second, third]);
      third.deliver(BYTES);
      second.deliver(BYTES);
      expect(recording.error).toBeUndefined();
      expect(recording.values).toHaveSize(3);
    });
  });
});
