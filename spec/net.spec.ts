import { createServer } from 'node:net';
import { once } from 'node:events';
import {
  filter,
  firstValueFrom,
  forkJoin,
  ignoreElements,
  lastValueFrom,
  map,
  take,
  toArray,
  type Observable,
} from 'rxjs';
import {
  ClosedError,
  ConnectError,
  createIdentity,
  createNet,
  formatUnl,
  InvalidOptionError,
  InvalidTextError,
  InvalidUnlError,
  ListenError,
  parseUnl,
  PeerMismatchError,
  type Net,
  type UnlV3,
} from '../lib/index.js';
import { addressOf, failureOf, Lab, newAddress } from './support/nodes.js';
import { endpointOf } from './support/raw-peer.js';
import { freeEndpoint } from './support/free-port.js';

describe('A net', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  function unlAt(endpoint: { address: string; port: number }, peerId = createIdentity().peerId): string {
    const unl: UnlV3 = {
      version: 3,
      peerId,
      nodeType: 'passive',
      natType: { type: 'open' },
      endpoints: [{ kind: 'wan', ...endpoint }],
      rendezvous: [],
      mailboxes: [],
      dht: [],
      mqtt: [],
      extensions: [],
    };
    return formatUnl(unl);
  }

  describe('that connects by a locator', () => {
    it('exchanges lines with the node that the locator is of', async () => {
      const { here, there, net, peer } = await lab.pair();
      const heard = firstValueFrom(there.lines$);
      here.send('Sup Bob.');
      expect(await heard).toBe('Sup Bob.');
      const answer = firstValueFrom(net.lines$);
      there.send('Sup Alice.');
      expect(await answer).toEqual({ connection: here, text: 'Sup Alice.' });
      expect(here.peerId).toBe(peer.peerId);
      expect(there.peerId).toBe(net.peerId);
      expect([here.direction, there.direction]).toEqual(['outbound', 'inbound']);
    });

    it('dials from the address it is bound to', async () => {
      const bind = newAddress();
      const { there } = await lab.pair({ bind }, {});
      const path = await firstValueFrom(there.path$);
      expect(path.remote.address).toBe(bind);
      expect(path.technique).toBe('direct');
      expect(path.direct).toBeTrue();
    });

    it('measures the round trip', async () => {
      const { here } = await lab.pair();
      const { roundTripMs } = await firstValueFrom(here.path$.pipe(filter((path) => path.roundTripMs !== undefined)));
      expect(roundTripMs).toBeGreaterThanOrEqual(0);
    });

    it('hands over the connection that is there already', async () => {
      const { here, net, peer } = await lab.pair();
      const unl = await firstValueFrom(peer.unl$);
      expect(await firstValueFrom(net.connect$(unl))).toBe(here);
      expect(await firstValueFrom(net.connections$.pipe(take(1), toArray()))).toEqual([here]);
    });

    it('makes one attempt for all who wait for the same peer', async () => {
      const [net, peer] = [lab.net(), lab.net()];
      const unl = await firstValueFrom(peer.unl$);
      const steps = lab.collect(net.trace$);
      const [first, second] = await lastValueFrom(forkJoin([net.connect$(unl), net.connect$(unl)]));
      expect(first).toBe(second);
      expect(steps.filter(({ type }) => type === 'attempt').length).toBe(2); // started, succeeded
    });

    it('ends with one connection, the same on both sides, when both connect at once', async () => {
      for (let round = 0; round < 10; round++) {
        const [alice, bob] = [lab.net(), lab.net()];
        const [alicesUnl, bobsUnl] = await Promise.all([firstValueFrom(alice.unl$), firstValueFrom(bob.unl$)]);
        const heardByAlice = lab.collect(alice.lines$.pipe(map(({ text }) => text)));
        const heardByBob = lab.collect(bob.lines$.pipe(map(({ text }) => text)));
        const bothSaid = firstValueFrom(bob.lines$.pipe(filter(({ text }) => text === 'last of Alice')));
        const bothHeard = firstValueFrom(alice.lines$.pipe(filter(({ text }) => text === 'last of Bob')));
        const [toBob, toAlice] = await Promise.all([
          firstValueFrom(alice.connect$(bobsUnl)),
          firstValueFrom(bob.connect$(alicesUnl)),
        ]);
        // Said before either side can know which link is kept.
        for (const text of ['one', 'two', 'last of Alice']) toBob.send(text);
        for (const text of ['three', 'four', 'last of Bob']) toAlice.send(text);
        await Promise.all([bothSaid, bothHeard]);
        expect(heardByBob).toEqual(['one', 'two', 'last of Alice']);
        expect(heardByAlice).toEqual(['three', 'four', 'last of Bob']);
        const paths = await Promise.all([firstValueFrom(toBob.path$), firstValueFrom(toAlice.path$)]);
        expect(paths[0].local).toEqual(paths[1].remote);
        expect(paths[0].remote).toEqual(paths[1].local);
        for (const net of [alice, bob]) {
          const { slots } = await firstValueFrom(net.status$);
          expect(slots.inbound.used + slots.outbound.used).toBe(1);
        }
      }
    });

    it('fails with the outcome of every technique when nobody answers', async () => {
      const net = lab.net();
      const endpoint = await freeEndpoint(newAddress());
      const error = await failureOf(net.connect$(unlAt(endpoint)));
      if (!(error instanceof ConnectError)) throw error;
      expect(error.code).toBe('CONNECT_FAILED');
      expect(error.attempts.map(({ technique }) => technique)).toEqual([
        'direct',
        'simultaneous-open',
        'reverse-connect',
        'relay',
      ]);
      expect(error.attempts[0]?.reason).toContain(`${endpoint.address}:${endpoint.port}`);
      expect(error.attempts[0]?.reason).toContain('ECONNREFUSED');
    });

    it('sends nothing to a stranger that answers in the peer’s place', async () => {
      const [net, stranger] = [lab.net(), lab.net()];
      const local = await endpointOf(stranger);
      const connections = lab.collect(stranger.connections$);
      const turnedAway = firstValueFrom(stranger.trace$.pipe(filter(({ type }) => type === 'inbound-failed')));
      const expected = createIdentity().peerId;
      const error = await failureOf(net.connect$(unlAt(local, expected)));
      if (!(error instanceof ConnectError)) throw error;
      const cause = error.attempts[0]?.error;
      expect(cause).toBeInstanceOf(PeerMismatchError);
      expect(cause instanceof PeerMismatchError && cause.expected).toBe(expected);
      expect(cause instanceof PeerMismatchError && cause.actual).toBe(stranger.peerId);
      await turnedAway;
      expect(connections).toEqual([]);
    });

    it('refuses an invalid locator, its own, and one without a usable key', async () => {
      const net = lab.net();
      const own = await firstValueFrom(net.unl$);
      const pyp2p = 'AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=';
      for (const unl of ['garbage', own.slice(0, -3), own, pyp2p]) {
        expect(await failureOf(net.connect$(unl))).toBeInstanceOf(InvalidUnlError);
      }
      expect((await firstValueFrom(net.status$)).slots.outbound.used).toBe(0);
    });

    it('gives up when unsubscribed from, and frees what it held', async () => {
      const silent = createServer();
      silent.listen(0, newAddress());
      await once(silent, 'listening');
      const bound = addressOf(silent);
      const net = lab.net();
      const steps = lab.collect(net.trace$);
      const gone = new Promise<void>((resolve) => {
        silent.once('connection', (socket) => {
          socket.resume().once('close', () => {
            resolve();
          });
          attempt.unsubscribe();
        });
      });
      const attempt = net.connect$(unlAt(bound)).subscribe();
      await gone;
      expect(steps.filter((step) => step.type === 'attempt').map(({ outcome }) => outcome)).toEqual([
        'started',
        'cancelled',
      ]);
      silent.close();
    });

    it('gives up when the signal is aborted', async () => {
      const net = lab.net();
      const aborted = AbortSignal.abort('enough');
      const error = await failureOf(net.connect$(unlAt(await freeEndpoint(newAddress())), { signal: aborted }));
      expect(error).toBeInstanceOf(ClosedError);
      expect(error instanceof ClosedError && error.cause).toBe('enough');
    });

    it('gives up when the net is closed', async () => {
      const silent = createServer().listen(0, newAddress());
      await once(silent, 'listening');
      const bound = addressOf(silent);
      const net = lab.net();
      const dialled = once(silent, 'connection');
      const failure = failureOf(net.connect$(unlAt(bound)));
      await dialled;
      await net.close();
      expect(await failure).toBeInstanceOf(ClosedError);
      silent.close();
    });

    it('tells within the time given that a technique took too long', async () => {
      const silent = createServer().listen(0, newAddress());
      await once(silent, 'listening');
      const bound = addressOf(silent);
      const error = await failureOf(lab.net().connect$(unlAt(bound), { timeoutMs: 50 }));
      expect(error instanceof ConnectError && error.attempts[0]?.reason).toBe('It did not connect within 50 ms');
      silent.close();
    });

    it('knows no technique but its own', async () => {
      const unl = unlAt(await freeEndpoint(newAddress()));
      // As a program without types would call it.
      const options: object = { techniques: ['magic'] };
      expect(await failureOf(lab.net().connect$(unl, options))).toBeInstanceOf(InvalidOptionError);
    });
  });

  describe('that is connected to', () => {
    it('turns away a peer that the application does not want, and tells it so', async () => {
      const asked: string[] = [];
      const peer = lab.net({
        acceptPeer: (peerId) => {
          asked.push(peerId);
          return false;
        },
      });
      const net = lab.net();
      const connections = lab.collect(peer.connections$);
      const connection = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
      const reason = await lastValueFrom(connection.closed$);
      expect(reason.code).toBe('refused');
      expect(reason.by).toBe('peer');
      expect(reason.message).toContain('not welcome');
      expect(asked).toEqual([net.peerId]);
      expect(connections).toEqual([]);
    });

    it('survives an application that throws when asked', async () => {
      const peer = lab.net({
        acceptPeer: () => {
          throw new Error('no opinion');
        },
      });
      const connection = await firstValueFrom(lab.net().connect$(await firstValueFrom(peer.unl$)));
      expect((await lastValueFrom(connection.closed$)).message).toContain('no opinion');
    });

    it('turns away more than it has slots for', async () => {
      const peer = lab.net({ slots: { inbound: 1 } });
      const unl = await firstValueFrom(peer.unl$);
      const first = await firstValueFrom(lab.net().connect$(unl));
      await firstValueFrom(peer.connections$);
      const second = await firstValueFrom(lab.net().connect$(unl));
      expect((await lastValueFrom(second.closed$)).message).toContain('slots');
      const heard = firstValueFrom(peer.lines$);
      first.send('still here');
      expect((await heard).text).toBe('still here');
    });

    it('turns away a second program with the same key while the first is there', async () => {
      const identity = createIdentity();
      const { here, peer } = await lab.pair({ identity }, {});
      const twin = lab.net({ identity });
      const second = await firstValueFrom(twin.connect$(await firstValueFrom(peer.unl$)));
      const reason = await lastValueFrom(second.closed$);
      expect(reason.code).toBe('refused');
      expect(reason.message).toContain('already');
      const heard = firstValueFrom(peer.lines$);
      here.send('the first');
      expect((await heard).text).toBe('the first');
    });
  });

  it('broadcasts to all but the one a line came from', async () => {
    const hub = lab.net();
    const unl = await firstValueFrom(hub.unl$);
    const others = [lab.net(), lab.net(), lab.net()];
    const heard = others.map((net) => lab.collect(net.lines$));
    const arriving = firstValueFrom(hub.connections$.pipe(take(3), toArray()));
    for (const other of others) await firstValueFrom(other.connect$(unl));
    const [first] = await arriving;
    expect(hub.broadcast('to all')).toBe(3);
    expect(hub.broadcast('to two', first)).toBe(2);
    const firstNet = others.find(({ peerId }) => peerId === first?.peerId);
    await Promise.all(
      others.map((net) =>
        firstValueFrom(net.lines$.pipe(filter(({ text }) => text === (net === firstNet ? 'to all' : 'to two')))),
      ),
    );
    expect(heard[0]?.map(({ text }) => text)).toEqual(['to all']);
    expect(() => hub.broadcast('two\nlines')).toThrowError(InvalidTextError);
  });

  it('tells its locator at once where no server is to be asked, with its own endpoints', async () => {
    const bind = newAddress();
    const net = lab.net({ bind, port: 0 });
    const unl = parseUnl(await firstValueFrom(net.unl$));
    const { local } = await firstValueFrom(net.status$);
    expect(unl.version === 3 && unl.endpoints).toEqual([{ kind: 'lan', address: bind, port: local?.port ?? 0 }]);
    expect(unl.version === 3 && unl.peerId).toBe(net.peerId);
  });

  it('fails when the port to listen on is taken', async () => {
    const { address, port } = await endpointOf(lab.net());
    const late = lab.net({ bind: address, port });
    await expectAsync(late.start()).toBeRejectedWithError(ListenError, /EADDRINUSE/);
    expect(await failureOf(late.unl$)).toBeInstanceOf(ListenError);
  });

  it('does nothing any more once it is closed', async () => {
    const { net, there, peer } = await lab.pair();
    const over = lastValueFrom(there.closed$);
    await net.close();
    expect((await over).code).toBe('closed');
    await expectAsync(net.start()).toBeRejectedWithError(ClosedError);
    expect(await failureOf(net.connect$(await firstValueFrom(peer.unl$)))).toBeInstanceOf(ClosedError);
    expect(net.broadcast('anyone?')).toBe(0);
    expect(() => net.broadcast('two\nlines')).toThrowError(InvalidTextError);
    expect((await firstValueFrom(net.status$)).state).toBe('closed');
  });

  it('can be closed before it was started, at its start, and twice', async () => {
    const net = lab.net();
    await net.close();
    await net.close();
    const starting = lab.net();
    const started = starting.start();
    started.catch(() => undefined);
    await starting.close();
    await expectAsync(started).toBeRejectedWithError(ClosedError);
  });

  it('makes a new connection while the last one is still being closed', async () => {
    const { here, net, peer } = await lab.pair();
    here.close();
    const next = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
    expect(next).not.toBe(here);
    const heard = firstValueFrom(peer.lines$);
    next.send('again');
    expect((await heard).text).toBe('again');
  });

  it('reaches a node on this machine that is bound to loopback, without any server', async () => {
    const peer = lab.net({ bind: newAddress() });
    const net = createNet({ mode: 'direct', portMapping: false });
    const connection = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
    expect(connection.peerId).toBe(peer.peerId);
    await net.close();
  });

  it('reports in its status that it is closed', async () => {
    const net = lab.net({ rendezvous: ['127.0.0.1:9'] });
    const states = lab.collect(net.status$.pipe(map(({ state }) => state)));
    await net.close();
    expect(states.at(-1)).toBe('closed');
  });

  /** The streams of a net, each turned into its end: what it failed with, or that it has completed. */
  const endsOf = (net: Net) =>
    Promise.all(
      [net.unl$, net.connections$, net.lines$, net.status$, net.trace$].map((stream$: Observable<unknown>) =>
        lastValueFrom(stream$.pipe(ignoreElements()), { defaultValue: 'completed' }),
      ),
    );
  const allCompleted = Array.from({ length: 5 }, () => 'completed');

  it('completes its streams when it is closed on purpose, before its first locator and after', async () => {
    const early = lab.net({ rendezvous: ['127.0.0.1:9'] });
    const endsOfEarly = endsOf(early);
    await early.close();
    expect(await endsOfEarly).toEqual(allCompleted);

    const late = lab.net();
    const endsOfLate = endsOf(late);
    await firstValueFrom(late.unl$);
    await late.close();
    expect(await endsOfLate).toEqual(allCompleted);
  });

  it('completes streams that are subscribed to after it was closed', async () => {
    const net = lab.net();
    await net.close();
    expect(await endsOf(net)).toEqual(allCompleted);
  });

  it('leaves out of its locator the servers for which there is no room', async () => {
    const rendezvous = Array.from({ length: 30 }, (_, index) => `rendezvous-server-${index}.invalid:8000`);
    const net = lab.net({ rendezvous, timing: { gatherMs: 1 } });
    const unl = await firstValueFrom(net.unl$);
    const parsed = parseUnl(unl);
    expect(unl.length).toBeLessThanOrEqual(512);
    expect(parsed.version === 3 && parsed.rendezvous.length).toBeGreaterThan(3);
  });

  it('closes when its signal is aborted', async () => {
    const controller = new AbortController();
    const { there } = await lab.pair({ signal: controller.signal }, {});
    controller.abort();
    expect((await lastValueFrom(there.closed$)).code).toBe('closed');
  });

  it('says what was expected and what came when it is made wrongly', () => {
    expect(() => createNet({ mode: 'direct', port: 70_000 })).toThrowError(
      InvalidOptionError,
      'Expected `port` to be an integer from 0 to 65535, got `70000`',
    );
  });
});
