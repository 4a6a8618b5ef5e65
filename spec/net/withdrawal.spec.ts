import { randomBytes } from 'node:crypto';
import {
  defer,
  filter,
  finalize,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  of,
  ReplaySubject,
  Subject,
  switchMap,
  take,
  tap,
} from 'rxjs';
import { createIdentity, type Net } from '../../lib/index.js';
import { encodeHello } from '../../lib/link/handshake.js';
import { FRAME } from '../../lib/link/frames.js';
import { withdrawalOf } from '../../lib/net/withdrawal.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import type { Delivery } from '../../lib/signalling/carrier.js';
import type { Signal } from '../../lib/signalling/signalling.js';
import { overSignal } from '../../lib/techniques/asks.js';
import type { Technique } from '../../lib/techniques/technique.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import { peerIdOf, unlOf } from '../support/locators.js';
import { Lab } from '../support/nodes.js';
import { endpointOf, RawPeer } from '../support/raw-peer.js';
import { record } from '../support/record.js';

describe('an attempt that is over', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Two nodes, of which the one that is asked to dial back begins to, and gets no further before the spec lets it. */
  async function slowToDialBack() {
    const { address, local } = await lab.server();
    const here = lab.net({ rendezvous: [address] });
    const begun = new ReplaySubject<string>(1);
    const released = new ReplaySubject<void>(1);
    const ended = new ReplaySubject<string>(1);
    const dial$: Runtime['dial$'] = (config) => {
      if (config.port === local.port) return systemRuntime.dial$(config);
      return defer(() => {
        begun.next('it dials back');
        let isOpen = false;
        return released.pipe(
          switchMap(() => systemRuntime.dial$(config)),
          tap(() => {
            isOpen = true;
          }),
          finalize(() => {
            if (!isOpen) ended.next('it dials no more');
          }),
        );
      });
    };
    const there = lab.net({ rendezvous: [address], slots: { outbound: 0 } }, { ...systemRuntime, dial$ });
    const [, unl] = await Promise.all([firstValueFrom(here.unl$), firstValueFrom(there.unl$)]);
    return { here, there, unl, begun, released, ended };
  }

  /** Connections of a net but the first. */
  const ghostsOf = ({ connections$ }: Net, first: { readonly peerId: string } | undefined) =>
    connections$.pipe(
      filter((connection) => connection !== first),
      map(({ direction }) => `a connection that nobody asked for: ${direction}`),
    );

  it('gets no connection by a dial-back that comes when the one that it made has been closed', async () => {
    const { here, there, unl, begun, released, ended } = await slowToDialBack();
    const at = await endpointOf(there);
    // Dials once the peer has begun to dial back.
    const late: Technique = {
      name: 'late',
      dial: (attempt$) =>
        attempt$.pipe(
          switchMap(({ dial$ }) =>
            begun.pipe(
              take(1),
              switchMap(() => dial$(at, 'late')),
            ),
          ),
        ),
    };
    const arriving = firstValueFrom(there.connections$);
    const connection = await firstValueFrom(here.connect$(unl, { techniques: ['reverse-connect', late] }));
    const arrived = await arriving;
    const line = firstValueFrom(arrived.lines$);
    connection.send('one line');
    expect(await line).toBe('one line');
    connection.close();
    await lastValueFrom(connection.closed$);
    released.next();
    expect(await firstValueFrom(merge(ended, ghostsOf(here, connection), ghostsOf(there, arrived)))).toBe(
      'it dials no more',
    );
  });

  it('is withdrawn from a peer that is working on it, when nobody is subscribed any more', async () => {
    const { here, there, unl, begun, released, ended } = await slowToDialBack();
    const attempt = here.connect$(unl, { techniques: ['reverse-connect'] }).subscribe({ error: () => undefined });
    await firstValueFrom(begun);
    attempt.unsubscribe();
    expect(await firstValueFrom(merge(ended, ghostsOf(here, undefined), ghostsOf(there, undefined)))).toBe(
      'it dials no more',
    );
    released.next();
  });

  it('refuses a link that answers it, whatever the peer has heard, and takes one that answers none', async () => {
    const identity = createIdentity();
    const { address } = await lab.server();
    const net = lab.net({ rendezvous: [address] });
    const connections = lab.collect(net.connections$);
    const stuck: Technique = {
      name: 'stuck',
      dial: (attempt$) => attempt$.pipe(switchMap(() => new Subject<never>())),
    };
    const unl = formatUnl(unlOf({ peerId: identity.peerId }));
    expect(parseUnl(unl)).toEqual(jasmine.objectContaining({ peerId: identity.peerId }));
    const failed = firstValueFrom(net.trace$.pipe(filter((step) => step.type === 'attempt')));
    await net.start();
    const attempt = net.connect$(unl, { techniques: [stuck], timeoutMs: 50 }).subscribe({ error: () => undefined });
    const step = await failed;
    attempt.unsubscribe();
    for (const id of [step.attemptId, randomBytes(16).toString('base64url')]) {
      const peer = await RawPeer.to(net, identity);
      const hello = { connection: randomBytes(16).toString('base64url'), attempt: id };
      peer.write(FRAME.hello, encodeHello(hello));
      expect(await peer.closed()).toBe('refused');
    }
    expect(connections).toEqual([]);
    await RawPeer.greeting(net, identity);
    expect((await firstValueFrom(net.connections$)).direction).toBe('inbound');
  });
});

describe('a request of an attempt', () => {
  /** What is sent in the end, when its questions have fared so. */
  function takenBack(deliveries: readonly Delivery[], isConnected: boolean): readonly unknown[] {
    const sent: unknown[] = [];
    let fares = [...deliveries];
    const send$ = (_to: string, { kind }: Signal, options: unknown) => {
      if (kind === 'attempt-over') sent.push(options);
      const [next, ...rest] = fares;
      fares = rest;
      return next === undefined ? new Subject<Delivery>() : of(next);
    };
    const asked = withdrawalOf({ send$, signal$: new Subject() }, peerIdOf(2), 'one', 20);
    deliveries.forEach(() => record(asked.signalling.send$(peerIdOf(2), { kind: 'ask', body: {} })));
    record(asked.withdraw$(isConnected));
    return sent;
  }

  it('is withdrawn when it is kept somewhere, and when no connection tells the peer', () => {
    expect(takenBack([], false)).toEqual([]);
    expect(takenBack(['absent'], false)).toEqual([]);
    expect(takenBack(['delivered', 'delivered'], true)).toEqual([]);
    expect(takenBack(['delivered'], false)).toEqual([{ keepMs: 20, isEverywhere: false }]);
    expect(takenBack(['delivered', 'kept'], true)).toEqual([{ keepMs: 20, isEverywhere: true }]);
  });

  it('is withdrawn while it is still on its way', () => {
    const sent: Signal[] = [];
    const send$ = (_to: string, signal: Signal) => {
      sent.push(signal);
      return new Subject<Delivery>();
    };
    const asked = withdrawalOf({ send$, signal$: new Subject() }, peerIdOf(2), 'one', 20);
    record(asked.signalling.send$(peerIdOf(2), { kind: 'ask', body: {} }));
    record(asked.withdraw$(true));
    expect(sent).toEqual([{ kind: 'ask', body: {} }, overSignal('one')]);
  });
});
