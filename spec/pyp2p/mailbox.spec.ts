import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { filter, firstValueFrom, NEVER, of, Subject, throwError, toArray, take, type Observable } from 'rxjs';
import { HttpError } from '../../lib/errors.js';
import type { fetch$, HttpAnswer, HttpRequest } from '../../lib/http.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { passwordOf, pyp2pMailbox, type Pyp2pMailbox } from '../../lib/pyp2p/mailbox.js';
import { encodeText } from '../../lib/pyp2p/mailbox-messages.js';
import type { TraceStep } from '../../lib/trace.js';
import { mailboxServer$, type MailboxServerConfig } from '../../servers/mailbox/server.js';
import { call } from '../support/mailbox.js';
import { marbles } from '../support/marbles.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { record } from '../support/record.js';

describe('PyP2P’s mailboxes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function serve(config: MailboxServerConfig = {}): Promise<{ url: URL; port: number; stop: () => void }> {
    return new Promise((resolve, reject) => {
      const subscription = lab.use(
        mailboxServer$({ bind: '127.0.0.1', port: 0, ...config }).subscribe({
          next: ({ local: { port } }) => {
            const stop = () => {
              subscription.unsubscribe();
            };
            resolve({ url: new URL(`http://127.0.0.1:${port}/below/`), port, stop });
          },
          error: reject,
        }),
      );
    });
  }

  /** A server that answers as a spec says. */
  async function play(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => {
      server.closeAllConnections();
      server.close();
    });
    return new URL(`http://127.0.0.1:${addressOf(server).port}/`);
  }

  const steps: TraceStep[] = [];
  beforeEach(() => {
    steps.length = 0;
  });

  function mailboxOf(urls: readonly URL[], identity: Identity = createIdentity()) {
    const trace = (step: TraceStep) => steps.push(step);
    const mailbox = pyp2pMailbox({ identity, urls, localAddress: newAddress(), runtime: systemRuntime, trace });
    return { ...mailbox, nodeId: identity.nodeId };
  }

  const send = (mailbox: Pyp2pMailbox, nodeId: string, text: string) => firstValueFrom(mailbox.send$(nodeId, text));

  /** Takes texts for as long as the spec runs. */
  function collect(mailbox: Pyp2pMailbox) {
    const arrivals = new Subject<string>();
    const texts: string[] = [];
    lab.use(
      mailbox.message$.subscribe((text) => {
        texts.push(text);
        arrivals.next(text);
      }),
    );
    const until = async (text: string) => {
      if (!texts.includes(text)) await firstValueFrom(arrivals.pipe(filter((other) => other === text)));
    };
    return { texts, until };
  }

  it('keep texts for nodes that are away, and bring them to nodes that wait', async () => {
    const { url } = await serve();
    const [alice, bob] = [mailboxOf([url]), mailboxOf([url])];
    expect(await send(alice, bob.nodeId, 'for later')).toBeTrue();
    const { texts, until } = collect(bob);
    await until('for later');
    expect(await send(alice, bob.nodeId, 'at once')).toBeTrue();
    await until('at once');
    expect(texts).toEqual(['for later', 'at once']);
  });

  it('belong to the same node again when it comes back with its key, and to no other', async () => {
    const { url } = await serve();
    const identity = createIdentity();
    const [before, after, alice] = [mailboxOf([url], identity), mailboxOf([url], identity), mailboxOf([url])];
    expect(await send(before, alice.nodeId, 'hello')).toBeTrue();
    expect(await send(alice, after.nodeId, 'welcome back')).toBeTrue();
    const thief = mailboxOf([url], { ...createIdentity(), nodeId: identity.nodeId });
    expect(await send(thief, alice.nodeId, 'not from there')).toBeFalse();
    expect(await firstValueFrom(after.message$)).toBe('welcome back');
  });

  it('work with a PyP2P node', async () => {
    const { url, port } = await serve();
    const bob = mailboxOf([url]);
    const pyp2p = { node_id: 'ab'.repeat(20), password: 'secret' };
    const ask = async (fields: Readonly<Record<string, string>>) => {
      const query = String(new URLSearchParams({ ...pyp2p, ...fields }));
      return (await call({ host: '127.0.0.1', port }, `/dht_msg.php?${query}`)).text;
    };
    expect(await ask({ call: 'register', port: '50500', network_id: 'default' })).toBe('success');
    expect(await ask({ call: 'put', dest_node_id: bob.nodeId, msg: 'a26869', list_pop: '1' })).toBe('success');
    expect(await firstValueFrom(bob.message$)).toBe('hi');
    expect(await send(bob, pyp2p.node_id, 'hi')).toBeTrue();
    expect(JSON.parse(await ask({ call: 'list', list_pop: '1' }))).toEqual(['a26869']);
    // It is no part of PyP2P's DHT.
    expect(JSON.parse(await ask({ call: 'find_neighbours', network_id: 'default' }))).toEqual([]);
  });

  it('drop and trace anything but texts', async () => {
    const { url, port } = await serve();
    const [alice, bob] = [mailboxOf([url]), mailboxOf([url])];
    const identity = createIdentity();
    const query = { node_id: identity.nodeId, password: 'secret' };
    const ask = (fields: Readonly<Record<string, string>>) =>
      call({ host: '127.0.0.1', port }, `/dht_msg.php?${String(new URLSearchParams({ ...query, ...fields }))}`);
    await ask({ call: 'register' });
    for (const msg of ['c1', 'ddffffffff', '93010203', 'a268', encodeText('x'.repeat(1025)), '80']) {
      expect((await ask({ call: 'put', dest_node_id: bob.nodeId, msg })).text).toBe('success');
    }
    const { texts, until } = collect(bob);
    await send(alice, bob.nodeId, 'last');
    await until('last');
    expect(texts).toEqual(['last']);
    expect(steps).toEqual(
      Array.from({ length: 6 }, () => ({ type: 'dropped', what: 'message', peerId: undefined, reason: 'malformed' })),
    );
  });

  it('are registered again on a server that has restarted', async () => {
    const before = await serve();
    const [alice, bob] = [mailboxOf([before.url]), mailboxOf([before.url])];
    const { until } = collect(bob);
    expect(await send(alice, bob.nodeId, 'one')).toBeTrue();
    await until('one');
    before.stop();
    while (await send(alice, bob.nodeId, 'lost'));
    await serve({ port: before.port });
    while (!(await send(alice, bob.nodeId, 'two')));
    await until('two');
  });

  it('use every server that can be reached', async () => {
    const [one, other] = [await serve(), await serve()];
    const dead = await play((request) => request.socket.destroy());
    const [alice, bob] = [mailboxOf([dead, one.url, other.url]), mailboxOf([dead, other.url])];
    const { until } = collect(bob);
    expect(await send(alice, bob.nodeId, 'hello')).toBeTrue();
    await until('hello');
    expect(await send(mailboxOf([dead]), bob.nodeId, 'lost')).toBeFalse();
    expect(await send(mailboxOf([]), bob.nodeId, 'lost')).toBeFalse();
  });

  it('are asked once for all subscribers, and not at all without one', async () => {
    const asked: string[] = [];
    const left = new Subject<undefined>();
    const url = await play((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://h/');
      asked.push(searchParams.get('call') ?? '');
      if (searchParams.get('call') === 'register') response.end('success');
      else {
        response.once('close', () => {
          left.complete();
        });
        left.next(undefined);
      }
    });
    const bob = mailboxOf([url]);
    const begun = firstValueFrom(left);
    const gone = new Promise<void>((resolve) => left.subscribe({ complete: resolve, error: resolve }));
    const subscriptions = [bob.message$.subscribe(), bob.message$.subscribe()];
    await begun;
    for (const subscription of subscriptions) subscription.unsubscribe();
    await gone;
    expect(asked).toEqual(['register', 'list']);
  });

  it('are asked nothing before somebody subscribes', async () => {
    const { url } = await serve();
    const [alice, bob] = [mailboxOf([url]), mailboxOf([url])];
    void alice.send$(bob.nodeId, 'never');
    await send(alice, bob.nodeId, 'once');
    expect(await firstValueFrom(bob.message$.pipe(take(1), toArray()))).toEqual(['once']);
  });
});

describe('The password of a PyP2P mailbox', () => {
  it('is the same at each start, and another at each server and for each key', () => {
    const [one, other] = [createIdentity(), createIdentity()];
    const at = (identity: Identity, url: string) => passwordOf(identity, new URL(url));
    expect(at(one, 'http://a.example/')).toBe(at({ ...one }, 'http://a.example/below/'));
    const passwords = [at(one, 'http://a.example/'), at(one, 'http://b.example/'), at(other, 'http://a.example/')];
    expect(new Set(passwords)).toHaveSize(3);
    for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });
});

describe('Asking a PyP2P mailbox', () => {
  const identity = createIdentity();

  /** A mailbox whose server a spec plays, in virtual time; and what it was asked, and when. */
  function played(
    scheduler: Runtime['scheduler'],
    answer$: (call: string, count: number, request: HttpRequest) => Observable<HttpAnswer>,
  ) {
    const asked: (readonly [atMs: number, call: string])[] = [];
    const steps: TraceStep[] = [];
    const play$: typeof fetch$ = (request) => {
      const name = request.url.searchParams.get('call') ?? '';
      return answer$(name, asked.push([scheduler.now(), name]), request);
    };
    const runtime = { ...systemRuntime, scheduler, random: () => 1 };
    const trace = (step: TraceStep) => steps.push(step);
    const mailbox = pyp2pMailbox({ identity, urls: [new URL('http://h/')], runtime, trace, fetch$: play$ });
    return { mailbox, asked, steps };
  }

  const says = (text: string, status = 200) => of({ status, text });

  /** When a mailbox was listed that answers like this, within a time. */
  function listedAt(forMs: number, answer$: Parameters<typeof played>[1]): readonly number[] {
    const times: number[] = [];
    marbles(({ scheduler, flush }) => {
      const { mailbox, asked } = played(scheduler, answer$);
      const { subscription, error, isCompleted } = record(mailbox.message$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, forMs);
      flush();
      expect([error, isCompleted]).toEqual([undefined, false]);
      times.push(...asked.filter(([, name]) => name === 'list').map(([atMs]) => atMs));
    });
    return times;
  }

  const registered = (list: () => Observable<HttpAnswer>) => (name: string) =>
    name === 'register' ? says('success') : list();

  it('goes on at the interval when it answers at once, and never twice at a time', () => {
    expect(
      listedAt(
        1_000,
        registered(() => says('[]')),
      ),
    ).toEqual([0, 200, 400, 600, 800]);
  });

  it('begins anew when a list has waited for 30 s, without a pause', () => {
    expect(
      listedAt(
        61_000,
        registered(() => NEVER),
      ),
    ).toEqual([0, 30_000, 60_000]);
  });

  it('backs off from one that fails, with jitter, up to a minute', () => {
    const fails = () => throwError(() => new HttpError('it is not there'));
    const times = listedAt(200_000, registered(fails));
    const pauses = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(pauses).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('registers again, once, with one that refuses, and backs off from one that goes on refusing', () => {
    for (const answer of ['failure', '', '{}', 'null', '<html>']) {
      expect(
        listedAt(
          2_000,
          registered(() => says(answer)),
        ),
      )
        .withContext(answer)
        .toEqual([0, 0, 500, 500, 1_500, 1_500]);
    }
  });

  it('backs off from one that does not register, or does not answer that', () => {
    expect(listedAt(10_000, () => says('failure'))).toEqual([]);
    marbles(({ scheduler, flush }) => {
      const { mailbox, asked } = played(scheduler, () => NEVER);
      const { subscription } = record(mailbox.message$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 13_000);
      flush();
      expect(asked).toEqual([
        [0, 'register'],
        [5_500, 'register'],
        [11_500, 'register'],
      ]);
    });
  });

  it('takes no more than 64 texts of one answer', () => {
    marbles(({ scheduler, flush }) => {
      const many = JSON.stringify(Array.from({ length: 100 }, (_, index) => encodeText(`${index}`)));
      const { mailbox, steps } = played(
        scheduler,
        registered(() => says(many)),
      );
      const { values, subscription } = record(mailbox.message$);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 100);
      flush();
      expect(values).toEqual(Array.from({ length: 64 }, (_, index) => `${index}`));
      expect(steps).toEqual([jasmine.objectContaining({ type: 'dropped', reason: 'too many at once' })]);
    });
  });

  it('never reveals the password, whatever goes wrong', () => {
    const password = passwordOf(identity, new URL('http://h/'));
    const told: string[] = [];
    for (const answer$ of [
      (request: HttpRequest) => throwError(() => new HttpError(`request to ${request.url.href} failed`)),
      (request: HttpRequest) => says(request.url.href, 500),
      (request: HttpRequest) => says(JSON.stringify([request.url.href])),
    ]) {
      marbles(({ scheduler, flush }) => {
        const urls: string[] = [];
        const { mailbox, steps } = played(scheduler, (name, _, request) => {
          urls.push(request.url.href);
          return name === 'register' ? says('success') : answer$(request);
        });
        const recordings = [record(mailbox.message$), record(mailbox.send$('ab'.repeat(20), 'hello'))];
        scheduler.schedule(() => {
          for (const { subscription } of recordings) subscription.unsubscribe();
        }, 1_000);
        flush();
        expect(urls.every((url) => url.includes(password))).toBeTrue();
        told.push(JSON.stringify([steps, recordings.map(({ values, error }) => [values, error])]));
      });
    }
    expect(told).toHaveSize(3);
    expect(told.join('\n')).not.toContain(password);
  });
});
