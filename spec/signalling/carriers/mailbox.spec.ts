import { createServer, request as httpRequest } from 'node:http';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import {
  filter,
  firstValueFrom,
  merge,
  NEVER,
  of,
  Subject,
  take as first,
  throwError,
  toArray,
  type Observable,
} from 'rxjs';
import { HttpError } from '../../../lib/errors.js';
import type { fetch$, HttpAnswer, HttpRequest } from '../../../lib/http.js';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import { NotUpgradedError } from '../../../lib/link/upgrade.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { PARCEL_MAX_BYTES } from '../../../lib/parcel.js';
import type { Carrier, Parcel } from '../../../lib/signalling/carrier.js';
import { mailboxCarrier } from '../../../lib/signalling/carriers/mailbox.js';
import {
  DeclinedError,
  mailboxSession$,
  SessionRefusedError,
  type MailboxSession,
} from '../../../lib/signalling/carriers/mailbox-session.js';
import type { SignalTrace } from '../../../lib/signalling/steps.js';
import { decodeTake, encodeTaken } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { mailboxServer$, type MailboxServerConfig } from '../../../servers/mailbox/server.js';
import { temporaryFolder } from '../../support/folder.js';
import { MailboxCaller, textsOf } from '../../support/mailbox.js';
import { marbles } from '../../support/marbles.js';
import { addressOf, Lab, newAddress } from '../../support/nodes.js';
import { record } from '../../support/record.js';
import { freePort } from '../../support/free-port.js';

const minute = { keepMs: 60_000 };

/** A server that has no sessions, or a proxy before it. */
const noSessions: typeof mailboxSession$ = (server) => throwError(() => new NotUpgradedError(server, 404, ''));

for (const way of ['by sessions', 'by requests']) {
  describe(`Signals by way of a mailbox, ${way}`, () => {
    const lab = new Lab();
    const path = temporaryFolder();
    afterEach(() => lab.close());

    async function serve(config: MailboxServerConfig = {}): Promise<{ url: URL; port: number; stop: () => void }> {
      return new Promise((resolve, reject) => {
        const subscription = lab.use(
          mailboxServer$({ bind: '127.0.0.1', port: 0, ...config }).subscribe({
            next: ({ local: { port } }) => {
              const stop = () => {
                subscription.unsubscribe();
              };
              resolve({ url: new URL(`http://127.0.0.1:${port}/`), port, stop });
            },
            error: reject,
          }),
        );
      });
    }

    function channelOf(urls: readonly URL[], identity: Identity = createIdentity(), runtime: Runtime = systemRuntime) {
      const localAddress = newAddress();
      const session$ = way === 'by sessions' ? undefined : noSessions;
      const carrier = mailboxCarrier({ identity, urls, localAddress, runtime, session$ });
      return { ...carrier, peerId: identity.peerId, localAddress };
    }

    const send = (carrier: Carrier, to: string, text: string) =>
      firstValueFrom(carrier.send$(to, Buffer.from(text), minute));

    /** Takes parcels for as long as the spec runs, and acknowledges each. */
    function collect(carrier: Carrier) {
      const arrivals = new Subject<string>();
      const texts: string[] = [];
      lab.use(
        carrier.parcel$.subscribe(({ bytes, acknowledge }) => {
          texts.push(bytes.toString());
          acknowledge();
          arrivals.next(bytes.toString());
        }),
      );
      const until = async (text: string) => {
        if (!texts.includes(text)) await firstValueFrom(arrivals.pipe(filter((other) => other === text)));
      };
      return { texts, until };
    }

    /** Sends until somebody is there. */
    async function whenPresent(carrier: Carrier, to: string): Promise<void> {
      while ((await send(carrier, to, 'hello')) !== 'delivered');
    }

    /** A port at which nobody listens. */
    async function deadUrl(): Promise<URL> {
      return new URL(`http://127.0.0.1:${await freePort()}/`);
    }

    it('are kept for who is away, and brought with who sent them and from where', async () => {
      const { url } = await serve();
      const [alice, bob] = [channelOf([url]), channelOf([url])];
      expect(await send(alice, bob.peerId, 'for later')).toBe('kept');
      const { bytes, from, seenAt } = await firstValueFrom(bob.parcel$);
      expect([bytes.toString(), from, seenAt]).toEqual(['for later', alice.peerId, alice.localAddress]);
    });

    it('are delivered to who is there, in the order in which they were sent', async () => {
      const { url } = await serve();
      const [alice, bob] = [channelOf([url]), channelOf([url])];
      const { texts, until } = collect(bob);
      await whenPresent(alice, bob.peerId);
      const sent = Array.from({ length: 20 }, (_, index) => `${index}`);
      expect(await Promise.all(sent.map((text) => send(alice, bob.peerId, text)))).toEqual(sent.map(() => 'delivered'));
      await until('19');
      expect(texts.filter((text) => text !== 'hello')).toEqual(sent);
    });

    it('are brought again until they are acknowledged, but not to who is dealing with them', async () => {
      const { url, port } = await serve();
      const [alice, identity] = [channelOf([url]), createIdentity()];
      await send(alice, identity.peerId, 'one');
      const bob = channelOf([url], identity);
      const parcels: Parcel[] = [];
      const subscription = bob.parcel$.subscribe((parcel) => parcels.push(parcel));
      await whenPresent(alice, identity.peerId);
      await send(alice, identity.peerId, 'last');
      while (parcels.at(-1)?.bytes.toString() !== 'last') await firstValueFrom(bob.parcel$);
      const texts = parcels.map(({ bytes }) => bytes.toString());
      expect(texts.filter((text) => text !== 'hello')).toEqual(['one', 'last']);
      // It ends before it has dealt with any: the next has them all.
      subscription.unsubscribe();
      const again = await firstValueFrom(bob.parcel$.pipe(first(texts.length), toArray()));
      expect(again.map(({ bytes }) => bytes.toString())).toEqual(texts);
      const rest = new MailboxCaller({ host: '127.0.0.1', port }, identity, () => Date.now() + 10_000);
      expect(textsOf(await rest.take())).toEqual(texts);
    });

    it('that are dealt with late are acknowledged all the same', async () => {
      const { url } = await serve({
        limits: { messagesPerRecipient: 1, putBurst: 100_000, requestBurst: 100_000, lineBurst: 100_000 },
      });
      const [alice, bob] = [channelOf([url]), channelOf([url])];
      const parcels: Parcel[] = [];
      lab.use(bob.parcel$.subscribe((parcel) => parcels.push(parcel)));
      await send(alice, bob.peerId, 'one');
      if (parcels.length === 0) await firstValueFrom(bob.parcel$);
      expect(await send(alice, bob.peerId, 'two')).toBe('absent');
      parcels[0]?.acknowledge();
      // There is room for another as soon as the server has deleted the first.
      while ((await send(alice, bob.peerId, 'two')) === 'absent');
      if (parcels.length === 1) await firstValueFrom(bob.parcel$);
      expect(parcels.map(({ bytes }) => bytes.toString())).toEqual(['one', 'two']);
    });

    it('survive a server that is ended and started again', async () => {
      const config = { dataFolder: path('data') };
      const before = await serve(config);
      const [alice, bob] = [channelOf([before.url]), channelOf([before.url])];
      const { texts, until } = collect(bob);
      await whenPresent(alice, bob.peerId);
      await until('hello');
      before.stop();
      while ((await send(alice, bob.peerId, 'lost')) !== 'absent');
      await serve({ ...config, port: before.port });
      while ((await send(alice, bob.peerId, 'back')) === 'absent');
      await until('back');
      expect(texts).not.toContain('lost');
    });

    it('go by every server that is there, and none disturbs another', async () => {
      const [one, other, dead] = [await serve(), await serve(), await deadUrl()];
      const alice = channelOf([dead, one.url, other.url]);
      const bob = channelOf([other.url, dead]);
      const { until } = collect(bob);
      expect(await send(alice, createIdentity().peerId, 'nobody')).toBe('kept');
      await whenPresent(alice, bob.peerId);
      await until('hello');
      expect(await send(channelOf([dead]), bob.peerId, 'lost')).toBe('absent');
      expect(await send(channelOf([]), bob.peerId, 'lost')).toBe('absent');
    });

    it('go from and to nodes whose clocks are wrong, by much or by little', async () => {
      const { url } = await serve();
      const wrong = (byMs: number) => ({ ...systemRuntime, timeOfDay: () => Date.now() + byMs });
      for (const [sender, receiver] of [
        [3_600_000, -86_400_000],
        [30_000, -30_000],
        [-30_000, 30_000],
      ] as const) {
        const alice = channelOf([url], createIdentity(), wrong(sender));
        const bob = channelOf([url], createIdentity(), wrong(receiver));
        expect(await send(alice, bob.peerId, 'on time')).toBe('kept');
        expect((await firstValueFrom(bob.parcel$)).bytes.toString()).toBe('on time');
      }
    });

    it('are not sent when they are too large, nor before they are subscribed to', async () => {
      const { url } = await serve();
      const [alice, bob] = [channelOf([url]), channelOf([url])];
      const send$ = (length: number) => alice.send$(bob.peerId, Buffer.alloc(length, 1), minute);
      void send$(1);
      expect(await firstValueFrom(send$(PARCEL_MAX_BYTES + 1))).toBe('absent');
      expect(await firstValueFrom(send$(PARCEL_MAX_BYTES))).toBe('kept');
      expect((await firstValueFrom(bob.parcel$)).bytes).toHaveSize(PARCEL_MAX_BYTES);
    });

    it('are polled for once, however many listen, and by nobody when none does', async () => {
      const asked: string[] = [];
      const server = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.once('close', () => server.emit('left'));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      lab.onClose(() => {
        server.closeAllConnections();
        server.close();
      });
      const bob = channelOf([new URL(`http://127.0.0.1:${addressOf(server).port}/`)]);
      const left = once(server, 'left');
      const begun = once(server, 'request');
      const subscriptions = [bob.parcel$.subscribe(), bob.parcel$.subscribe()];
      await begun;
      for (const subscription of subscriptions) subscription.unsubscribe();
      await left;
      expect(asked).toEqual([way === 'by sessions' ? '/mailbox/session' : '/mailbox/take']);
    });
  });
}

describe('Polling a mailbox', () => {
  const identity = createIdentity();
  const empty = { status: 200, text: encodeTaken([]) };

  /** Bob's parcels from a server that a spec plays, in virtual time; and when it was asked. */
  function polled(
    scheduler: Runtime['scheduler'],
    answer$: (request: HttpRequest, count: number) => Observable<HttpAnswer>,
  ): { carrier: Carrier; asked: number[]; takes: ReturnType<typeof decodeTake>[] } {
    const asked: number[] = [];
    const takes: ReturnType<typeof decodeTake>[] = [];
    const play$: typeof fetch$ = (request) => {
      takes.push(decodeTake(request.body ?? ''));
      return answer$(request, asked.push(scheduler.now()));
    };
    const runtime = { ...systemRuntime, scheduler, timeOfDay: () => scheduler.now(), random: () => 1 };
    const carrier = mailboxCarrier({
      identity,
      urls: [new URL('http://h/')],
      runtime,
      fetch$: play$,
      session$: noSessions,
    });
    return { carrier, asked, takes };
  }

  it('backs off from a server that fails, with jitter, up to a minute, and begins anew when it answers', () => {
    marbles(({ scheduler, flush, cold }) => {
      const { carrier, asked } = polled(scheduler, (_, count) =>
        count === 9 ? cold('a|', { a: empty }) : throwError(() => new HttpError('it is not there')),
      );
      const { subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 200_000);
      flush();
      const pauses = asked.map((time, index) => time - (asked[index - 1] ?? 0));
      expect(pauses.slice(0, 9)).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
      // At the next beat of the interval, and then after the first pause again.
      expect(pauses[9]).toBeLessThanOrEqual(200);
      expect(pauses.slice(10, 12)).toEqual([500, 1_000]);
    });
  });

  it('asks a server that answers at once no more often than the interval', () => {
    marbles(({ scheduler, flush, cold }) => {
      const { carrier, asked } = polled(scheduler, () => cold('(a|)', { a: empty }));
      const { subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 1_000);
      flush();
      expect(asked).toEqual([0, 200, 400, 600, 800]);
    });
  });

  it('gives a server up that does not answer', () => {
    marbles(({ scheduler, flush }) => {
      const { carrier, asked } = polled(scheduler, () => NEVER);
      const { subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 31_000);
      flush();
      expect(asked).toEqual([0, 30_500]);
    });
  });

  it('tells what it is dealing with, acknowledges what it has dealt with, and pauses when it is too much', () => {
    marbles(({ scheduler, flush, cold }) => {
      let count = 0;
      const full = () => ({
        status: 200,
        text: encodeTaken(
          Array.from({ length: 64 }, () => ({
            receipt: `r${count++}`,
            from: identity.peerId,
            message: 'AAAA',
            seenAt: '192.0.2.1',
            ageMs: 0,
          })),
        ),
      });
      const { carrier, takes } = polled(scheduler, () => cold('(a|)', { a: full() }));
      const { values, subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        for (const { acknowledge } of values.slice(0, 64)) acknowledge();
      }, 5_000);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 6_000);
      flush();
      expect(takes.map((take) => take?.holding.length)).toEqual([0, 64, 128, 192, 192]);
      expect(takes.map((take) => take?.acknowledge.length)).toEqual([0, 0, 0, 0, 64]);
      expect(values).toHaveSize(5 * 64);
    });
  });

  it('ends a poll that waits to acknowledge what was dealt with meanwhile, a second later', () => {
    marbles(({ scheduler, flush, cold }) => {
      const message = { receipt: 'r', from: identity.peerId, message: 'AAAA', seenAt: '192.0.2.1', ageMs: 0 };
      const { carrier, asked, takes } = polled(scheduler, (_, count) =>
        count === 1 ? cold('(a|)', { a: { status: 200, text: encodeTaken([message]) } }) : NEVER,
      );
      const { values, subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        values[0]?.acknowledge();
      }, 3_000);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 5_000);
      flush();
      expect(asked).toEqual([0, 200, 4_000]);
      expect(takes.map((take) => take?.acknowledge)).toEqual([[], [], ['r']]);
    });
  });

  it('has what nobody acknowledges brought again after ten seconds, though a poll waits', () => {
    marbles(({ scheduler, flush, cold }) => {
      const message = { receipt: 'r', from: identity.peerId, message: 'AAAA', seenAt: '192.0.2.1', ageMs: 0 };
      const brought = () => cold('(a|)', { a: { status: 200, text: encodeTaken([message]) } });
      // As a server does that brings what the owner does not hold.
      const { carrier, asked, takes } = polled(scheduler, ({ body = '' }) =>
        decodeTake(body)?.holding.length === 0 ? brought() : NEVER,
      );
      const { values, subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 12_000);
      flush();
      expect(takes.map((take) => take?.holding)).toEqual([[], ['r'], [], ['r']]);
      expect(asked).toEqual([0, 200, 11_000, 11_200]);
      expect(values).toHaveSize(2);
    });
  });

  it('takes what is no answer for a failure', () => {
    for (const answer of [
      { status: 200, text: '{}' },
      { status: 500, text: '' },
      { status: 204, text: empty.text },
    ]) {
      marbles(({ scheduler, flush, cold }) => {
        const { carrier, asked } = polled(scheduler, () => cold('(a|)', { a: answer }));
        const { values, error, subscription } = record(carrier.parcel$);
        scheduler.schedule(() => {
          subscription.unsubscribe();
        }, 2_000);
        flush();
        expect([values, error, asked]).toEqual([[], undefined, [0, 500, 1_500]]);
      });
    }
  });
});

describe('A node and a mailbox that it has sessions with', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const serve = () =>
    new Promise<number>((resolve, reject) => {
      lab.use(
        mailboxServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
          next: ({ local }) => {
            resolve(local.port);
          },
          error: reject,
        }),
      );
    });

  async function listening(server: Server): Promise<URL> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return new URL(`http://127.0.0.1:${addressOf(server).port}/`);
  }

  /** What stands between: each connection is passed on as it is. */
  const passing = (port: number, passed: (socket: Socket) => void = () => undefined) =>
    createTcpServer((socket) => {
      const onward = connect({ host: '127.0.0.1', port });
      for (const end of [socket, onward]) {
        end.on('error', () => undefined);
        lab.onClose(() => end.destroy());
      }
      socket.pipe(onward).pipe(socket);
      passed(socket);
    });

  const carrierTo = (url: URL, trace?: SignalTrace) => {
    const identity = createIdentity();
    return { ...mailboxCarrier({ identity, urls: [url], runtime: systemRuntime, trace }), peerId: identity.peerId };
  };

  async function exchange(url: URL, trace?: SignalTrace): Promise<string> {
    const [alice, bob] = [carrierTo(url, trace), carrierTo(url, trace)];
    expect(await firstValueFrom(alice.send$(bob.peerId, Buffer.from('one'), minute))).toBe('kept');
    return (await firstValueFrom(bob.parcel$)).bytes.toString();
  }

  it('asks by requests where a proxy does not pass the upgrade on', async () => {
    const port = await serve();
    const proxy = createServer((request, response) => {
      const { url: path, method, headers } = request;
      const passed = Object.entries(headers).filter(([name]) => name !== 'connection' && name !== 'upgrade');
      const onward = httpRequest(
        { host: '127.0.0.1', port, path, method, headers: Object.fromEntries(passed) },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    lab.onClose(() => {
      proxy.closeAllConnections();
    });
    const failures: unknown[] = [];
    const text = await exchange(await listening(proxy), (step) => {
      if (step.type === 'server') failures.push(step.failure);
    });
    expect(text).toBe('one');
    expect(new Set(failures)).toEqual(new Set([undefined]));
  });

  it('asks by requests where the server does not know the name by which it was called', async () => {
    expect(await exchange(await listening(passing(await serve())))).toBe('one');
  });

  it('holds one session for all that it sends, for as long as it takes', async () => {
    const port = await serve();
    const identity = createIdentity();
    let count = 0;
    const session$: typeof mailboxSession$ = (...args) => {
      count++;
      return mailboxSession$(...args);
    };
    const url = new URL(`http://127.0.0.1:${port}/`);
    const carrier = mailboxCarrier({ identity, urls: [url], runtime: systemRuntime, session$ });
    const taking = carrier.parcel$.subscribe();
    for (const text of ['one', 'two', 'three']) {
      await firstValueFrom(carrier.send$(createIdentity().peerId, Buffer.from(text), minute));
    }
    expect(count).toBe(1);
    taking.unsubscribe();
  });

  /** A carrier to a server that a spec plays, in virtual time. */
  function playedBy(scheduler: Runtime['scheduler'], session$: typeof mailboxSession$): Carrier {
    const runtime = { ...systemRuntime, scheduler, timeOfDay: () => scheduler.now(), random: () => 1 };
    return mailboxCarrier({ identity: createIdentity(), urls: [new URL('http://h/')], runtime, session$ });
  }

  const send$ = (carrier: Carrier) => carrier.send$(createIdentity().peerId, Buffer.from('signal'), minute);

  it('gives up a session that does not answer, and tries once in another', () => {
    marbles(({ scheduler, cold, expectObservable }) => {
      let count = 0;
      const carrier = playedBy(scheduler, () => {
        const gone = new Subject<MailboxSession>();
        const session: MailboxSession = {
          family: 4,
          put$: () => (count++ === 0 ? NEVER : of(true)),
          messages$: () => NEVER,
          drop: () => {
            gone.error(new HttpError('it went away'));
          },
        };
        return merge(cold('a', { a: session }), gone);
      });
      const { subscription } = record(carrier.parcel$);
      expectObservable(send$(carrier)).toBe('2500ms (d|)', { d: 'delivered' });
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 3_000);
    });
  });

  it('does not ask a server twice that is not there, or that has answered', () => {
    for (const put$ of [
      () => throwError(() => new DeclinedError(new URL('http://h/'), 'recipient-full', 'full')),
      undefined,
    ]) {
      marbles(({ scheduler, flush }) => {
        let count = 0;
        const carrier = playedBy(scheduler, () => {
          count++;
          const session = put$ && { family: 4 as const, put$, messages$: () => NEVER, drop: () => undefined };
          return session === undefined ? throwError(() => new HttpError('it is not there')) : of(session);
        });
        const { values } = record(send$(carrier));
        flush();
        expect([values, count]).toEqual([['absent'], 1]);
      });
    }
  });

  it('is left alone for half a minute by a node whose messages another program takes', () => {
    marbles(({ scheduler, flush }) => {
      const opened: number[] = [];
      const carrier = playedBy(scheduler, (server) => {
        opened.push(scheduler.now());
        const isReplaced = opened.length === 2;
        return throwError(() => new SessionRefusedError(server, isReplaced ? 'replaced' : 'idle', ''));
      });
      const { subscription } = record(carrier.parcel$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 31_000);
      flush();
      expect(opened).toEqual([0, 500, 30_500]);
    });
  });
});

describe('Putting a signal at several mailboxes', () => {
  const told = (delivered: boolean) => ({ status: 200, text: JSON.stringify({ delivered }) });

  /** A carrier to servers that a spec plays, in virtual time, each by the name of its host. */
  function channelTo(
    scheduler: Runtime['scheduler'],
    servers: Readonly<Record<string, Observable<HttpAnswer>>>,
  ): Carrier {
    const runtime = { ...systemRuntime, scheduler, timeOfDay: () => scheduler.now() };
    const urls = Object.keys(servers).map((name) => new URL(`http://${name}/`));
    const play$: typeof fetch$ = ({ url }) => servers[url.host] ?? NEVER;
    return mailboxCarrier({ identity: createIdentity(), urls, runtime, fetch$: play$, session$: noSessions });
  }

  const send$ = (carrier: Carrier) => carrier.send$(createIdentity().peerId, Buffer.from('signal'), minute);

  it('tells that one has delivered it, and goes on at the others, so that one that lies keeps nothing from them', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      const liar = cold('   --a|', { a: told(true) });
      const honest = cold(' 1s a|', { a: told(false) });
      const carrier = channelTo(scheduler, { liar, honest });
      expectObservable(send$(carrier)).toBe('--(d|)', { d: 'delivered' });
      expectSubscriptions(liar.subscriptions).toBe('  ^--!');
      expectSubscriptions(honest.subscriptions).toBe('^ 999ms -!');
    });
  });

  it('gives the others no more time than an answer may take', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      const silent = cold<HttpAnswer>('-');
      const carrier = channelTo(scheduler, { quick: cold('1s a|', { a: told(true) }), silent });
      expectObservable(send$(carrier)).toBe('1s (d|)', { d: 'delivered' });
      // As it is then asked for that long in any case.
      expectSubscriptions(silent.subscriptions).toBe('^ 4999ms !');
    });
  });

  it('is given up when nobody wants it before one has delivered it', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      const [one, other] = [cold('a|', { a: told(false) }), cold<HttpAnswer>('-')];
      expectObservable(send$(channelTo(scheduler, { one, other })), '1s !').toBe('-');
      expectSubscriptions(one.subscriptions).toBe('^!');
      expectSubscriptions(other.subscriptions).toBe('^ 999ms !');
    });
  });

  it('leaves nothing behind where a signal waits for its turn at a server that is silent', () => {
    marbles(({ scheduler, cold, flush }) => {
      const [quick, silent] = [cold('(a|)', { a: told(true) }), cold<HttpAnswer>('-')];
      const carrier = channelTo(scheduler, { quick, silent });
      const { peerId } = createIdentity();
      for (let index = 0; index < 100; index++) record(carrier.send$(peerId, Buffer.from('signal'), minute));
      flush();
      expect(quick.subscriptions).toHaveSize(100);
      expect(silent.subscriptions.filter(({ unsubscribedFrame }) => unsubscribedFrame > 5_000)).toEqual([]);
    });
  });
});
