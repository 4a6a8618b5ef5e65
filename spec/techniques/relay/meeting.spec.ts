import { Socket } from 'node:net';
import {
  AsyncSubject,
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { DialError } from '../../../lib/errors.js';
import type { Link } from '../../../lib/link/link.js';
import type { Delivery } from '../../../lib/signalling/carrier.js';
import type { ReceivedSignal, Signal, SignalOptions } from '../../../lib/signalling/signalling.js';
import {
  askSignal,
  readAsk,
  readReply,
  replySignal,
  type RelayAsk,
  type RelayReply,
  type RelayNames,
} from '../../../lib/techniques/relay/messages.js';
import { overSignal } from '../../../lib/techniques/asks.js';
import { dialByRelay } from '../../../lib/techniques/relay/dial.js';
import { answerRelays$, placesFor } from '../../../lib/techniques/relay/answer.js';
import { bestFor } from '../../../lib/techniques/relay/known-relays.js';
import type { RelayContext } from '../../../lib/techniques/relay/context.js';
import type { Meet } from '../../../lib/techniques/relay/meeting.js';
import type { KnownRelays, Relay } from '../../../lib/techniques/relay/known-relays.js';
import type { Attempt } from '../../../lib/techniques/technique.js';
import { attemptOf, linkOf } from '../../support/attempts.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../../support/locators.js';
import { marbles } from '../../support/marbles.js';
import { record, type Recording } from '../../support/record.js';

const [ALICE, BOB, CAROL] = [peerIdOf(1), peerIdOf(2), peerIdOf(3)];
const AT = '198.51.100.7';

/** A token, the same in every run. */
const tokenOf = (byte: number) => Buffer.alloc(16, byte).toString('base64url');

/** A relay by its URL, and whatever a spec says of it. */
function relayAt(url: string, fields: Partial<Relay> = {}): Relay {
  return { url: new URL(url), at: [], id: undefined, meetings: [], roundTripMs: undefined, ...fields };
}

const NEAR = relayAt('http://near.example:8080/', { roundTripMs: 10 });
const FAR = relayAt('http://far.example:8080/', { roundTripMs: 100 });
const known = (...relays: readonly Relay[]) => concat(of<KnownRelays>({ relays, isWhole: true }), NEVER);

/** What each side says first. */
const FIRST = { client: Buffer.from('hello'), server: Buffer.from('hello, too') };

/** A context that records which relays are joined and how many sockets are open. Specs replace its other members. */
class TestRelayContext implements RelayContext {
  readonly joined: string[] = [];
  readonly roles: string[] = [];
  readonly received: Link[] = [];
  /** What the other has said first, as its signals told it. */
  readonly heard: string[] = [];
  open = 0;
  #tokens = 0;

  known$: Observable<KnownRelays> = known(NEAR, FAR);
  /** Being let in. */
  letIn$: (url: string) => Observable<unknown> = () => timer(20, this.scheduler);
  /** The other's coming. */
  come$: (url: string) => Observable<unknown> = () => timer(100, this.scheduler);
  readonly missed: string[] = [];
  admits: RelayContext['admits'] = () => true;
  mayRefuse: RelayContext['mayRefuse'] = () => true;

  constructor(readonly scheduler: TestScheduler) {}

  hasMissed(peerId: string, { hostname }: URL): boolean {
    return this.missed.includes(`${peerId.slice(0, 2)} ${hostname}`);
  }

  misses(peerId: string, { hostname }: URL): void {
    this.missed.push(`${peerId.slice(0, 2)} ${hostname}`);
  }

  newToken(): string {
    this.#tokens++;
    return tokenOf(this.#tokens);
  }

  join$(url: URL, peerId: string, token: string): Observable<Socket> {
    return defer(() => {
      this.joined.push(`${url.hostname} ${token.slice(0, 2)} ${peerId.slice(0, 2)}`);
      this.open++;
      return this.letIn$(url.hostname).pipe(
        map(() => Object.assign(new Socket(), { relay: url.hostname })),
        finalize(() => this.open--),
      );
    });
  }

  meet$: Meet = (role, _, run) =>
    new Observable((subscriber) => {
      this.roles.push(role);
      const [links, met] = [new Subject<Link>(), new AsyncSubject<void>()];
      const over$ = (socket: Socket) =>
        defer(() => {
          this.open++;
          const host = 'relay' in socket && typeof socket.relay === 'string' ? socket.relay : '';
          return this.come$(host).pipe(
            tap(() => {
              links.next(linkOf(`relay at ${host}`));
              met.next();
              met.complete();
            }),
            ignoreElements(),
            finalize(() => this.open--),
          );
        });
      const hear = (first: Buffer) => this.heard.push(String(first));
      let isHandedOver = false;
      const running = run({ first$: of(FIRST[role]), met$: met, hear, over$, link$: links.pipe(take(1)) }).subscribe({
        next: (link) => {
          isHandedOver = true;
          subscriber.next(link);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
      return () => {
        if (!isHandedOver) running.unsubscribe();
      };
    });

  receive$(link: Link): Observable<unknown> {
    this.received.push(link);
    return of(undefined);
  }
}

/** How {@link TestRelayContext} names what was joined. */
const joinedAt = (host: string, byte: number, peerId: string) =>
  `${host} ${tokenOf(byte).slice(0, 2)} ${peerId.slice(0, 2)}`;

describe('the relay', () => {
  interface World {
    readonly context: TestRelayContext;
    readonly sent: readonly {
      readonly at: number;
      readonly ask: RelayAsk;
      readonly options: SignalOptions | undefined;
    }[];
    readonly connect: () => Recording<Link>;
    readonly attempt$: Observable<Link>;
    /** Bob says something after some milliseconds, of the ask with that token. */
    readonly says: (
      afterMs: number,
      reply: { relay: string; first?: Buffer } | { refusal: string },
      given?: Partial<Said>,
    ) => void;
    readonly scheduler: TestScheduler;
    readonly flush: () => void;
  }
  interface Said {
    readonly from: string;
    readonly token: string;
    readonly attempt: string;
  }

  /** Alice's attempt to reach Bob. */
  function asking(
    spec: (world: World) => void,
    { usesRelays = true, ...fields }: Partial<Attempt> & { readonly usesRelays?: boolean } = {},
    delivery: Delivery = 'delivered',
  ): void {
    marbles(({ scheduler, flush }) => {
      const context = new TestRelayContext(scheduler);
      const signals = new Subject<ReceivedSignal>();
      const sent: { at: number; ask: RelayAsk; options: SignalOptions | undefined }[] = [];
      const send$ = (to: string, signal: Signal, options?: SignalOptions) =>
        defer(() => {
          const ask = readAsk(signal);
          expect(to).toBe(BOB);
          if (ask !== undefined) sent.push({ at: scheduler.now(), ask, options });
          return of(delivery);
        });
      const attempt = attemptOf(scheduler, {
        peer: unlOf({ peerId: BOB }),
        signalling: { signal$: signals, send$ },
        ...fields,
      });
      const attempt$ = of(attempt).pipe(dialByRelay(usesRelays ? context : undefined));
      spec({
        context,
        sent,
        attempt$,
        connect: () => record(attempt$),
        says: (afterMs, reply, { from = BOB, token = tokenOf(1), attempt: id = 'attempt' } = {}) => {
          scheduler.schedule(() => {
            signals.next({ ...replySignal({ attempt: id, token, ...reply }), from, seenAt: undefined });
          }, afterMs);
        },
        scheduler,
        flush,
      });
    });
  }

  it('asks, and goes to the best relay at once, as the TLS client', () => {
    asking(({ context, sent, connect, flush, says }) => {
      const connecting = connect();
      expect(sent.map(({ ask }) => ask)).toEqual([
        {
          attempt: 'attempt',
          token: tokenOf(1),
          relays: [
            { url: NEAR.url.href, at: [], id: undefined },
            { url: FAR.url.href, at: [], id: undefined },
          ],
          first: FIRST.client,
        },
      ]);
      expect(context.joined).toEqual([joinedAt('near.example', 1, BOB)]);
      says(80, { relay: NEAR.url.href });
      flush();
      expect(context.joined).withContext('it stays where it is').toHaveSize(1);
      expect(context.roles).toEqual(['client']);
      expect(connecting.values.map(({ technique }) => technique)).toEqual(['relay at near.example']);
      expect([connecting.isCompleted, context.open]).toEqual([true, 0]);
    });
  });

  it('hears what the peer says first with its answer', () => {
    asking(({ context, connect, flush, says }) => {
      connect();
      says(80, { relay: NEAR.url.href, first: FIRST.server });
      flush();
      expect(context.heard).toEqual(['hello, too']);
    });
  });

  it('has a link before the peer is there, and follows it elsewhere all the same', () => {
    asking(({ context, connect, flush, says, scheduler }) => {
      linkedSoon(context, scheduler);
      context.come$ = (host) => (host === 'far.example' ? timer(50, scheduler) : NEVER);
      const connecting = connect();
      says(80, { relay: FAR.url.href });
      scheduler.schedule(() => {
        expect([connecting.values.length, context.open]).toEqual([1, 1]);
      }, 60);
      flush();
      expect(context.joined).toEqual([joinedAt('near.example', 1, BOB), joinedAt('far.example', 1, BOB)]);
      expect(context.open).toBe(0);
    });
  });

  /** Has a link 20 ms after the beginning of each meeting, whether or not the peer is there. */
  const linkedSoon = (context: TestRelayContext, scheduler: TestScheduler) => {
    const meets = context.meet$;
    context.meet$ = (role, peerId, run) =>
      meets(role, peerId, (meeting) =>
        run({ ...meeting, link$: timer(20, scheduler).pipe(map(() => linkOf('relay'))) }),
      );
  };

  it('goes to another relay when the peer is missed after all at one that had seemed to work, and to that one last the next time', () => {
    const hangsUp$ = (ms: number, scheduler: TestScheduler) =>
      timer(ms, scheduler).pipe(
        map(() => {
          throw new DialError('closed');
        }),
      );
    for (const come of [hangsUp$, () => NEVER]) {
      asking(({ context, connect, flush, says, scheduler, sent }) => {
        linkedSoon(context, scheduler);
        context.come$ = (host) => (host === 'near.example' ? come(100, scheduler) : timer(50, scheduler));
        const connecting = connect();
        says(80, { relay: NEAR.url.href, first: FIRST.server });
        flush();
        expect(sent.map(({ ask }) => ask.relays.map(({ url }) => url))).toEqual([
          [NEAR.url.href, FAR.url.href],
          [FAR.url.href],
        ]);
        expect([connecting.values.length, connecting.isCompleted, context.open]).toEqual([2, true, 0]);
        expect(scheduler.now()).withContext('within what the peer has to say hello').toBeLessThan(6_000);
        connect();
        flush();
        expect(sent.at(-1)?.ask.relays.map(({ url }) => url)).toEqual([FAR.url.href, NEAR.url.href]);
      });
    }
  });

  it('fails when the peer does not come to the only relay, also when there is a link', () => {
    asking(({ context, connect, flush, says, scheduler }) => {
      context.known$ = known(NEAR);
      linkedSoon(context, scheduler);
      context.come$ = () => NEVER;
      const connecting = connect();
      says(80, { relay: NEAR.url.href, first: FIRST.server });
      flush();
      expect([connecting.values.length, context.open, scheduler.now()]).toEqual([1, 0, 5_080]);
      expect(String(connecting.error)).toMatch(/did not come to the relay http:\/\/near\.example:8080 within 5000 ms/);
    });
  });

  it('does not take a relay’s first bytes for the peer: without a link it is another’s turn', () => {
    asking(({ context, connect, flush, says, scheduler, sent }) => {
      const meets = context.meet$;
      context.meet$ = (role, peerId, run) =>
        meets(role, peerId, (meeting) => run({ ...meeting, link$: sent.length > 0 ? meeting.link$ : NEVER }));
      const connecting = connect();
      says(80, { relay: NEAR.url.href });
      flush();
      expect(sent).toHaveSize(2);
      expect(connecting.values.map(({ technique }) => technique)).toEqual(['relay at far.example']);
      expect(scheduler.now()).toBeLessThan(11_000);
    });
  });

  it('does not hear what comes with the name of a relay that it does not know', () => {
    asking(({ context, connect, flush, says }) => {
      connect();
      says(10, { relay: 'http://127.0.0.1:22/', first: FIRST.server });
      flush();
      expect(context.heard).toEqual([]);
    });
  });

  it('needs no answer when the peer comes first', () => {
    asking(({ context, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(connecting.values).toHaveSize(1);
      expect(context.open).toBe(0);
    });
  });

  it('moves to the relay where the peer is, and leaves the other', () => {
    asking(({ context, connect, flush, says, scheduler }) => {
      context.come$ = (host) => (host === 'far.example' ? timer(50, scheduler) : NEVER);
      const connecting = connect();
      says(80, { relay: FAR.url.href });
      flush();
      expect(context.joined).toEqual([joinedAt('near.example', 1, BOB), joinedAt('far.example', 1, BOB)]);
      expect(connecting.values.map(({ technique }) => technique)).toEqual(['relay at far.example']);
      expect(context.open).toBe(0);
    });
  });

  it('goes only to relays that it named, and ignores other peers and answers to other asks', () => {
    asking(({ context, connect, flush, says }) => {
      context.come$ = () => NEVER;
      const connecting = connect();
      says(10, { relay: 'http://127.0.0.1:22/' });
      says(20, { relay: FAR.url.href }, { from: CAROL });
      says(30, { relay: FAR.url.href }, { token: tokenOf(9) });
      says(40, { refusal: 'no' }, { attempt: 'another' });
      says(50, { refusal: 'no' }, { from: CAROL });
      flush();
      expect(context.joined).toEqual([joinedAt('near.example', 1, BOB)]);
      expect(connecting.values).toEqual([]);
      expect(String(connecting.error)).not.toMatch(/no$/);
    });
  });

  it('fails with the peer’s words, at once', () => {
    asking(({ context, connect, sent, flush, says }) => {
      context.come$ = () => NEVER;
      const connecting = connect();
      says(80, { refusal: 'it knows none of your relays' });
      flush();
      expect(String(connecting.error)).toMatch(/does not come to a relay: it knows none of your relays/);
      expect([sent.length, context.open]).toEqual([1, 0]);
    });
  });

  it('asks a peer that has too much to do again after a second each, each time with a new token, but not for ever', () => {
    asking(({ context, connect, sent, flush, says }) => {
      context.come$ = () => NEVER;
      const connecting = connect();
      for (let i = 0; i < 9; i++) says(80 + i * 1080, { refusal: 'not now' }, { token: tokenOf(i + 1) });
      flush();
      expect(String(connecting.error)).toMatch(/does not come to a relay: not now/);
      expect(sent.map(({ at }) => at)).toEqual([0, 1, 2, 3, 4, 5].map((i) => i * 1080));
      expect(new Set(sent.map(({ ask }) => ask.token)).size).toBe(6);
    });
  });

  it('fails when its signals get nowhere', () => {
    asking(
      ({ context, connect }) => {
        expect(String(connect().error)).toMatch(/No signal reached the peer/);
        expect(context.open).toBe(0);
      },
      {},
      'absent',
    );
  });

  it('asks again by every carrier without an answer, and waits 5 s for it, where nobody keeps the question', () => {
    asking(({ context, connect, sent, scheduler, flush }) => {
      context.come$ = () => NEVER;
      const connecting = connect();
      flush();
      expect(String(connecting.error)).toMatch(/did not answer within 5000 ms/);
      expect(sent.map(({ at, options }) => [at, options?.isEverywhere])).toEqual([
        [0, undefined],
        [2_000, true],
      ]);
      expect(new Set(sent.map(({ ask }) => ask.token)).size)
        .withContext('it is the same question')
        .toBe(1);
      expect(scheduler.now()).toBe(5_000);
    });
  });

  it('waits for a peer that may fetch the request later, and asks anew when the relay’s wait is over before', () => {
    asking(
      ({ context, connect, sent, scheduler, flush, says }) => {
        let comes = 0;
        const hangsUp$ = timer(15_000, scheduler).pipe(
          map(() => {
            throw new DialError('The other side closed the connection');
          }),
        );
        context.come$ = () => (++comes === 1 ? hangsUp$ : timer(50, scheduler));
        const connecting = connect();
        says(40_000, { relay: NEAR.url.href });
        flush();
        expect(sent.map(({ at, ask: { token }, options }) => [at, token, options?.keepMs])).toEqual([
          [0, tokenOf(1), 20],
          [40_000, tokenOf(2), 20],
        ]);
        expect(context.joined).toEqual([joinedAt('near.example', 1, BOB), joinedAt('near.example', 2, BOB)]);
        expect(connecting.values).toHaveSize(1);
      },
      {},
      'kept',
    );
  });

  it('asks anew, too, when the peer says only that the relay refuses it now', () => {
    asking(
      ({ context, connect, sent, flush, says }) => {
        let comes = 0;
        context.come$ = () => (++comes === 1 ? throwError(() => new DialError('closed')) : of(undefined));
        const connecting = connect();
        says(9_000, { refusal: 'none of your relays lets it in' });
        flush();
        expect(sent.map(({ at }) => at)).toEqual([0, 9_000]);
        expect(connecting.values).toHaveSize(1);
      },
      {},
      'kept',
    );
  });

  it('asks anew, without the relay that has let the peer in but not this node', () => {
    asking(({ context, connect, sent, flush, says, scheduler }) => {
      context.letIn$ = (host) =>
        host === 'near.example' ? throwError(() => new DialError('The relay refused: full')) : timer(20, scheduler);
      const connecting = connect();
      says(80, { relay: NEAR.url.href });
      flush();
      expect(sent.map(({ ask }) => ask.relays.map(({ url }) => url))).toEqual([
        [NEAR.url.href, FAR.url.href],
        [FAR.url.href],
      ]);
      expect(connecting.values.map(({ technique }) => technique)).toEqual(['relay at far.example']);
    });
  });

  it('fails with the relay’s words when there is no other', () => {
    asking(({ context, connect, sent, flush, says }) => {
      context.known$ = known(NEAR);
      context.letIn$ = () => throwError(() => new DialError('The relay http://near.example:8080 refused: full'));
      const connecting = connect();
      says(80, { relay: NEAR.url.href });
      flush();
      expect(String(connecting.error)).toMatch(/near\.example:8080 refused: full/);
      expect(sent).toHaveSize(1);
    });
  });

  it('waits 10 s for a peer that has said it would come', () => {
    asking(({ context, connect, flush, says, scheduler }) => {
      context.known$ = known(NEAR);
      context.come$ = () => NEVER;
      const connecting = connect();
      says(80, { relay: NEAR.url.href });
      flush();
      expect(String(connecting.error)).toMatch(/did not come to the relay http:\/\/near\.example:8080 within 10000 ms/);
      expect([scheduler.now(), context.open]).toEqual([10_080, 0]);
    });
  });

  it('holds what it has opened for as long as it goes on, and no longer', () => {
    asking(({ context, attempt$, scheduler, flush, says }) => {
      context.come$ = () => NEVER;
      const connecting = record(attempt$);
      says(80, { relay: FAR.url.href });
      scheduler.schedule(() => {
        expect(context.open).toBe(1);
        connecting.subscription.unsubscribe();
        expect(context.open).toBe(0);
      }, 500);
      flush();
    });
  });

  it('does not wait for every server once it knows one that the peer names', () => {
    const meeting = relayAt('http://10.0.0.1:8080/', { meetings: ['rv.example.org:8000'] });
    const rendezvous = [{ host: 'RV.example.org', port: 8000 }];
    for (const [relays, peer, joined] of [
      [[NEAR, meeting], unlOf({ peerId: BOB, rendezvous }), ['10.0.0.1']],
      [[NEAR], unlOf({ peerId: BOB, rendezvous }), []],
      [[NEAR], unlOf({ peerId: BOB, mailboxes: ['http://near.example:8080/box/'] }), ['near.example']],
      [[NEAR], unlOf({ peerId: BOB, dht: [{ host: 'near.example', port: 8080 }] }), ['near.example']],
    ] as const) {
      asking(
        ({ context, connect }) => {
          context.known$ = concat(of<KnownRelays>({ relays, isWhole: false }), NEVER);
          connect();
          expect(context.joined.map((text) => text.split(' ')[0])).toEqual([...joined]);
        },
        { peer },
      );
    }
  });

  it('fails with what a node lacks to use relays, and asks nobody', () => {
    const reasonFor = (fields: Parameters<typeof asking>[1], relays: readonly Relay[] = [NEAR]) => {
      let reason = '';
      asking(({ context, connect, sent }) => {
        context.known$ = known(...relays);
        reason = String(connect().error);
        expect(sent).toEqual([]);
      }, fields);
      return reason;
    };
    expect(reasonFor({}, [])).toMatch(/knows no relay: name a rendezvous server .* by `relay`/);
    expect(reasonFor({ usesRelays: false })).toMatch(/uses no relays.*`relay: false`/);
    expect(reasonFor({ usesRelays: false, own: unlOfVersion2() })).toMatch(/no key .* `security: 'tls'`/);
    expect(reasonFor({ peer: unlOfVersion2() })).toMatch(/has no key/);
  });
});

describe('the relays to name', () => {
  it('are the ones that the peer names before others, of either the nearest before others, and four at most', () => {
    const peer = unlOf({ rendezvous: [{ host: '192.0.2.9', port: 8000 }], dht: [{ host: '2001:db8::1', port: 9000 }] });
    const named = relayAt('http://rv.example:8080/', {
      meetings: ['rv.example:8000', '192.0.2.9:8000'],
      roundTripMs: 50,
    });
    const alsoNamed = relayAt('http://[2001:db8::1]:9000/');
    expect(bestFor(peer, [FAR, alsoNamed, NEAR, named])).toEqual([named, alsoNamed, NEAR, FAR]);
    expect(bestFor(peer, [alsoNamed, FAR, relayAt('http://a.example/'), relayAt('http://b.example/'), NEAR])).toEqual([
      alsoNamed,
      NEAR,
      FAR,
      relayAt('http://a.example/'),
    ]);
  });

  it('are none whose URL is too long to be sent', () => {
    expect(bestFor(unlOf(), [relayAt(`http://rv.example/${'a'.repeat(256)}/`)])).toEqual([]);
  });
});

describe('a relay that two nodes know', () => {
  const namedAs = (url: string, fields: Partial<RelayNames> = {}): RelayNames => ({
    url,
    at: [],
    id: undefined,
    ...fields,
  });
  const isFound = (named: RelayNames, own: Relay) => placesFor([named], [own]).length > 0;

  it('is found by the host and port of its URL, however that is written', () => {
    expect(isFound(namedAs('http://NEAR.example:8080'), NEAR)).toBeTrue();
    expect(isFound(namedAs('http://rv.example:80/a/'), relayAt('http://rv.example/b/'))).toBeTrue();
    expect(isFound(namedAs('https://rv.example:443/'), relayAt('https://rv.example/'))).toBeTrue();
    expect(isFound(namedAs('http://[2001:DB8:0::1]:8080/'), relayAt('http://[2001:db8::1]:8080/'))).toBeTrue();
    expect(isFound(namedAs('http://rv.example/'), relayAt('https://rv.example/'))).toBeFalse();
    expect(isFound(namedAs('http://near.example:8081/'), NEAR)).toBeFalse();
  });

  it('is found where both are connected to one address, or one is to the other’s URL', () => {
    const own = relayAt('http://a.example:8080/', { at: ['192.0.2.1:8080'] });
    expect(isFound(namedAs('http://b.example:8080/', { at: ['192.0.2.1:8080'] }), own)).toBeTrue();
    expect(isFound(namedAs('http://192.0.2.1:8080/'), own)).toBeTrue();
    expect(isFound(namedAs('http://b.example/', { at: ['192.0.2.9:80', '192.0.2.1:8080'] }), own)).toBeTrue();
    expect(isFound(namedAs('http://b.example:8080/', { at: ['192.0.2.1:8081'] }), own)).toBeFalse();
  });

  it('is found by its id, and is not another one at the same private address', () => {
    const own = relayAt('http://[2001:db8::1]:8080/', { at: ['[2001:db8::1]:8080'], id: 'one' });
    expect(isFound(namedAs('http://192.0.2.1:8080/', { at: ['192.0.2.1:8080'], id: 'one' }), own)).toBeTrue();
    expect(isFound(namedAs('http://[2001:db8::1]:8080/', { id: 'another' }), own)).toBeFalse();
    expect(isFound(namedAs('http://[2001:db8::1]:8080/'), own)).toBeTrue();
  });

  it('is the one with the same name when another claims its id', () => {
    const liar = relayAt('http://liar.example/', { id: 'one' });
    const own = relayAt('http://rv.example/', { id: 'one' });
    expect(placesFor([namedAs('http://rv.example/', { id: 'one' })], [liar, own]).map((place) => place.known)).toEqual([
      own,
    ]);
  });
});

describe('a node that is asked to a relay', () => {
  interface Asked {
    readonly context: TestRelayContext;
    readonly asks: (given?: Partial<RelayAsk>, from?: string, seenAt?: string) => void;
    readonly signals: Subject<ReceivedSignal>;
    /** What it says. */
    readonly said: readonly string[];
    /** The same, as it is read. */
    readonly replies: readonly (RelayReply | undefined)[];
    readonly recording: Recording<never>;
    readonly scheduler: TestScheduler;
    readonly flush: () => void;
  }

  const NAMES = [NEAR, FAR].map(({ url }) => ({ url: url.href, at: [], id: undefined }));

  /** Bob, who is asked. */
  function asked(spec: (world: Asked) => void): void {
    marbles(({ scheduler, flush }) => {
      const context = new TestRelayContext(scheduler);
      const signals = new Subject<ReceivedSignal>();
      const said: string[] = [];
      const replies: (RelayReply | undefined)[] = [];
      const send$ = (to: string, { kind, body }: Signal) =>
        defer(() => {
          replies.push(readReply({ kind, body }));
          said.push(`${to.slice(0, 2)} ${kind} ${String(body['relay'] ?? body['reason'])}`);
          return of<Delivery>('delivered');
        });
      const recording = record(answerRelays$({ signal$: signals, send$ }, context));
      const asks: Asked['asks'] = (given = {}, from = ALICE, seenAt = AT) => {
        signals.next({ ...askSignal({ attempt: 'one', token: tokenOf(1), relays: NAMES, ...given }), from, seenAt });
      };
      spec({ context, asks, signals, said, replies, recording, scheduler, flush });
      expect([recording.values, recording.error, recording.isCompleted]).toEqual([[], undefined, false]);
    });
  }
  const to = (peerId: string, words: string) => `${peerId.slice(0, 2)} ${words}`;

  it('goes to the first that it knows, says so meanwhile, and takes the link as the TLS server', () => {
    asked(({ context, asks, said, flush }) => {
      context.known$ = known(FAR);
      asks();
      expect(context.joined).toEqual([joinedAt('far.example', 1, ALICE)]);
      expect(said).toEqual([to(ALICE, `relay-answer ${FAR.url.href}`)]);
      flush();
      expect(context.roles).toEqual(['server']);
      expect(context.received.map(({ technique }) => technique)).toEqual(['relay at far.example']);
      expect(context.open).toBe(0);
    });
  });

  it('answers what the peer has said first, if that has said anything', () => {
    asked(({ context, asks, replies, flush }) => {
      asks();
      flush();
      expect([context.heard, replies]).toEqual([[], [{ attempt: 'one', token: tokenOf(1), relay: NEAR.url.href }]]);
      asks({ token: tokenOf(2), first: FIRST.client });
      flush();
      expect([context.heard, replies.slice(1)]).toEqual([
        ['hello'],
        [{ attempt: 'one', token: tokenOf(2), relay: NEAR.url.href, first: FIRST.server }],
      ]);
    });
  });

  it('answers when it is at the relay, though what the peer has said first is not enough for an answer', () => {
    asked(({ context, asks, replies, flush }) => {
      const meets = context.meet$;
      context.meet$ = (role, peerId, run) => meets(role, peerId, (meeting) => run({ ...meeting, first$: NEVER }));
      asks({ first: FIRST.client });
      expect(replies).toEqual([]);
      flush();
      expect(replies).toEqual([{ attempt: 'one', token: tokenOf(1), relay: NEAR.url.href }]);
    });
  });

  it('goes there by its own URL, and answers with the peer’s', () => {
    asked(({ context, asks, said }) => {
      context.known$ = known(relayAt('http://192.0.2.1:8080/', { id: 'one' }));
      asks({ relays: [{ url: 'http://rv.example:8080/', at: [], id: 'one' }] });
      expect(context.joined).toEqual([joinedAt('192.0.2.1', 1, ALICE)]);
      expect(said).toEqual([to(ALICE, 'relay-answer http://rv.example:8080/')]);
    });
  });

  it('stops when the peer withdraws the request, and goes nowhere afterwards', () => {
    asked(({ context, asks, signals, said, flush }) => {
      asks();
      expect(context.open).toBe(1);
      signals.next({ ...overSignal('one'), from: ALICE, seenAt: undefined });
      expect(context.open).toBe(0);
      asks({ token: tokenOf(2) });
      flush();
      expect(context.joined).toHaveSize(1);
      expect(said).toHaveSize(1);
    });
  });

  it('goes nowhere when it knows none of the relays, and says so', () => {
    asked(({ context, asks, said, flush }) => {
      asks({ relays: [{ url: 'http://127.0.0.1:22/', at: ['192.168.1.1:80'], id: 'one' }] });
      flush();
      expect([context.joined, context.open]).toEqual([[], 0]);
      expect(said).toEqual([to(ALICE, 'relay-refusal it knows none of your relays')]);
    });
  });

  it('says so only after its servers have answered', () => {
    asked(({ context, asks, said, flush, scheduler }) => {
      const later$ = timer(500, scheduler).pipe(map((): KnownRelays => ({ relays: [NEAR], isWhole: false })));
      context.known$ = concat(of<KnownRelays>({ relays: [], isWhole: false }), later$, NEVER);
      asks();
      expect(said).toEqual([]);
      flush();
      expect(said).toEqual([to(ALICE, `relay-answer ${NEAR.url.href}`)]);
    });
  });

  it('goes to the next relay when one refuses, and says when none is left, without details', () => {
    asked(({ context, asks, said, flush, scheduler }) => {
      const fails$ = timer(20, scheduler).pipe(switchMap(() => throwError(() => new DialError('ECONNREFUSED'))));
      context.letIn$ = (host) => (host === 'near.example' ? fails$ : timer(20, scheduler));
      asks();
      flush();
      expect(said).toEqual([NEAR, FAR].map(({ url }) => to(ALICE, `relay-answer ${url.href}`)));
      expect(context.received).toHaveSize(1);
      context.letIn$ = () => fails$;
      asks({ token: tokenOf(2) });
      flush();
      expect(said.slice(-1)).toEqual([to(ALICE, 'relay-refusal none of your relays lets it in')]);
      expect(context.open).toBe(0);
    });
  });

  it('gives up when the peer does not come', () => {
    asked(({ context, asks, scheduler, flush }) => {
      context.come$ = () => NEVER;
      asks();
      flush();
      expect([scheduler.now(), context.open, context.received]).toEqual([10_020, 0, []]);
    });
  });

  it('answers a request once, however often it comes, and only the newest of a peer', () => {
    asked(({ context, asks, flush }) => {
      context.come$ = () => NEVER;
      asks();
      asks();
      expect([context.joined.length, context.open]).toEqual([1, 1]);
      asks({ token: tokenOf(2) });
      expect([context.joined.length, context.open]).toEqual([2, 1]);
      flush();
      asks();
      expect(context.joined).toHaveSize(2);
    });
  });

  it('answers 64 at once and 16 at one address, and tells the others to come later, also those that give way', () => {
    asked(({ context, asks, said, flush }) => {
      context.come$ = () => NEVER;
      const noes = () => said.filter((words) => words.endsWith('relay-refusal not now')).length;
      for (let i = 0; i < 20; i++) asks({}, peerIdOf(100 + i));
      expect([context.joined.length, noes()]).toEqual([16, 4]);
      for (let i = 0; i < 60; i++) asks({}, peerIdOf(120 + i), `192.0.2.${i}`);
      expect([context.open, context.joined.length, noes()]).toEqual([64, 76, 16]);
      flush();
      expect(context.open).toBe(0);
      asks({}, peerIdOf(100), AT);
      asks({}, peerIdOf(119), AT);
      expect(context.joined).withContext('there is room again').toHaveSize(77);
    });
  });

  it('goes nowhere for a refused peer, and limits its refusals', () => {
    asked(({ context, asks, said }) => {
      context.admits = ({ from, seenAt }) => from !== ALICE && seenAt !== AT;
      asks();
      context.mayRefuse = () => false;
      asks({ token: tokenOf(2) });
      expect([context.joined, said]).toEqual([[], [to(ALICE, 'relay-refusal not now')]]);
    });
  });

  it('ignores other signals, and goes on after any', () => {
    asked(({ context, asks, signals, said, flush }) => {
      const good = askSignal({ attempt: 'one', token: tokenOf(1), relays: NAMES });
      for (const body of [{}, { ...good.body, relays: [] }, { ...good.body, token: '' }]) {
        signals.next({ kind: 'relay-ask', body, from: ALICE, seenAt: AT });
      }
      signals.next({ ...good, kind: 'punch-ask', from: ALICE, seenAt: AT });
      expect([context.joined, said]).toEqual([[], []]);
      context.known$ = throwError(() => new Error('lost'));
      asks();
      context.known$ = known(NEAR);
      context.come$ = () => throwError(() => new Error('a stranger'));
      asks({ token: tokenOf(2) });
      flush();
      context.come$ = () => of(undefined);
      asks({ token: tokenOf(3) });
      flush();
      expect(context.received).toHaveSize(1);
    });
  });
});
