import { concat, defer, EMPTY, filter, firstValueFrom, map, NEVER, of, Subject, take, throwError, timer } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { DialError } from '../../../lib/errors.js';
import { createIdentity } from '../../../lib/identity.js';
import { sealingKeyOf } from '../../../lib/signalling/sealing-key.js';
import type { Link } from '../../../lib/link/link.js';
import { proveLine } from '../../support/proof.js';
import { seal } from '../../../lib/signalling/hpke.js';
import { LineClient } from '../../support/line-client.js';
import type { Delivery } from '../../../lib/signalling/carrier.js';
import type { ReceivedSignal, Signal, SignalOptions } from '../../../lib/signalling/signalling.js';
import { overSignal } from '../../../lib/techniques/asks.js';
import { dialByReverseConnect } from '../../../lib/techniques/reverse-connect/dial.js';
import { answerDialBacks$, type Reversing } from '../../../lib/techniques/reverse-connect/answer.js';
import { dialBackSignal, readDialBack } from '../../../lib/techniques/reverse-connect/messages.js';
import type { UnlEndpoint, UnlV3 } from '../../../lib/unl/types.js';
import { attemptOf, linkOf } from '../../support/attempts.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../../support/locators.js';
import { marbles } from '../../support/marbles.js';
import { Lab } from '../../support/nodes.js';
import { record } from '../../support/record.js';

const [ALICE, BOB] = [peerIdOf(1), peerIdOf(2)];
const ALICE_AT = '45.198.51.7';
const wan = (address: string, port = 4000): UnlEndpoint => ({ kind: 'wan', address, port });
const lan = (address: string, port = 4000): UnlEndpoint => ({ kind: 'lan', address, port });
const alice = unlOf({ peerId: ALICE, nodeType: 'passive', endpoints: [wan(ALICE_AT)] });
const bob = unlOf({ peerId: BOB, nodeType: 'active', endpoints: [wan('45.203.113.9')] });

describe('the reverse connect', () => {
  /** Alice's attempt to reach Bob. */
  function asking(delivery: Delivery, spec: (asked: Asking) => void, own: UnlV3 = alice): void {
    marbles(({ scheduler, flush }) => {
      const sent: [to: string, signal: Signal, options: SignalOptions | undefined][] = [];
      const signals = new Subject<ReceivedSignal>();
      const expected: string[] = [];
      const attempt = attemptOf(scheduler, {
        peer: bob,
        own,
        expect$: (technique) => {
          expected.push(technique);
          return NEVER;
        },
        signalling: {
          signal$: signals.asObservable(),
          send$: (to, signal, options) =>
            defer(() => {
              sent.push([to, signal, options]);
              return of(delivery);
            }),
        },
      });
      const recording = record(of(attempt).pipe(dialByReverseConnect));
      spec({ sent, signals, expected, recording, scheduler, flush });
    });
  }
  interface Asking {
    readonly sent: readonly [to: string, signal: Signal, options: SignalOptions | undefined][];
    readonly signals: Subject<ReceivedSignal>;
    readonly expected: readonly string[];
    readonly recording: { readonly error?: unknown; readonly values: readonly Link[] };
    readonly scheduler: TestScheduler;
    readonly flush: () => void;
  }

  it('tells the peer where this node is, for as long as the technique may take, and waits for the link', () => {
    asking('kept', ({ sent, expected, recording }) => {
      expect(sent).toEqual([[BOB, dialBackSignal('attempt', alice), { keepMs: 20, isEverywhere: true }]]);
      expect(expected).toEqual(['reverse-connect']);
      expect(recording.error).toBeUndefined();
    });
  });

  it('fails when the signal reaches nobody, and when the peer refuses, but not when somebody else does', () => {
    asking('absent', ({ recording }) => {
      expect(String(recording.error)).toMatch(/No signal reached the peer/);
    });
    asking('delivered', ({ recording, signals }) => {
      const refusal = { kind: 'dial-back-refusal', body: { attempt: 'attempt', reason: 'not\u001b now' } };
      signals.next({ ...refusal, from: ALICE, seenAt: undefined });
      signals.next({ ...refusal, body: { ...refusal.body, attempt: 'another' }, from: BOB, seenAt: undefined });
      expect(recording.error).toBeUndefined();
      signals.next({ ...refusal, from: BOB, seenAt: undefined });
      expect(String(recording.error)).toMatch(/does not dial back: not {2}now/);
    });
  });

  it('asks a peer that cannot do it yet again after a second each, but not for ever', () => {
    asking('kept', ({ sent, recording, signals, scheduler, flush }) => {
      const refusal = { kind: 'dial-back-refusal', body: { attempt: 'attempt', reason: 'not now' } };
      for (let second = 0; second < 10; second++) {
        scheduler.schedule(
          () => {
            signals.next({ ...refusal, from: BOB, seenAt: undefined });
          },
          1_000 * second + 500,
        );
      }
      const asked: number[] = [];
      for (const ms of [400, 1_400, 1_600, 3_600, 9_000])
        scheduler.schedule(() => {
          asked.push(sent.length);
        }, ms);
      flush();
      expect(asked).toEqual([1, 1, 2, 3, 4]);
      expect(String(recording.error)).toMatch(/does not dial back: not now/);
    });
  });

  it('waits twice as long as a dial may take for a peer that has the question, and as long as may be for one that has not', () => {
    asking('delivered', ({ recording, flush }) => {
      flush();
      expect(String(recording.error)).toMatch(/did not dial back within 10000 ms/);
    });
    asking('kept', ({ recording, flush }) => {
      flush();
      expect(recording.error).toBeUndefined();
    });
  });

  it('is not for nodes that cannot be dialled, nor for locators without a key', () => {
    asking(
      'kept',
      ({ sent, recording }) => {
        expect(String(recording.error)).toMatch(/cannot dial this node/);
        expect(sent).toEqual([]);
      },
      { ...alice, nodeType: 'simultaneous' },
    );
    // Bob has IPv4 alone.
    asking(
      'kept',
      ({ sent, recording }) => {
        expect(String(recording.error)).toMatch(/no endpoint that the peer could dial/);
        expect(sent).toEqual([]);
      },
      { ...alice, endpoints: [lan('2a00::1')] },
    );
    marbles(({ scheduler }) => {
      const attempt = attemptOf(scheduler, { peer: unlOfVersion2() });
      expect(String(record(of(attempt).pipe(dialByReverseConnect)).error)).toMatch(/no key/);
    });
  });
});

describe('a node that is asked to dial back', () => {
  /** Bob, who is asked. */
  function asked(given: Partial<Reversing>, spec: (world: Asked) => void): void {
    marbles(({ scheduler, flush }) => {
      const signals = new Subject<ReceivedSignal>();
      const dialled: string[] = [];
      const adopted: string[] = [];
      const refusals: unknown[] = [];
      const reversing: Reversing = {
        own: () => bob,
        admits: () => true,
        mayRefuse: () => true,
        isOnLink: (address) => address.startsWith('192.168.1.'),
        looksForItself: false,
        dial$: ({ address, port }, peerId, attemptId) => {
          expect(peerId).toBe(ALICE);
          dialled.push(`${address}:${port} ${attemptId}`);
          return timer(5, scheduler).pipe(map(() => linkOf('reverse-connect')));
        },
        satisfied$: () => NEVER,
        adopt: (_link, attemptId) => adopted.push(attemptId),
        staggerMs: 3,
        scheduler,
        ...given,
      };
      const send$ = (_to: string, { body }: Signal) => {
        refusals.push(body['reason']);
        return EMPTY;
      };
      record(answerDialBacks$({ signal$: signals, send$ }, reversing));
      const ask = (endpoints: readonly UnlEndpoint[], seenAt: string | undefined = ALICE_AT) => {
        signals.next({ ...dialBackSignal('one', { ...alice, endpoints }), from: ALICE, seenAt });
      };
      spec({ ask, signals, dialled, adopted, refusals, flush });
    });
  }
  interface Asked {
    readonly ask: (endpoints: readonly UnlEndpoint[], seenAt?: string) => void;
    readonly signals: Subject<ReceivedSignal>;
    readonly dialled: readonly string[];
    readonly adopted: readonly string[];
    readonly refusals: readonly unknown[];
    readonly flush: () => void;
  }

  it('dials where the other is seen, and takes the link for its attempt', () => {
    asked({}, ({ ask, dialled, adopted, flush }) => {
      ask([wan(ALICE_AT)]);
      flush();
      expect([dialled, adopted]).toEqual([[`${ALICE_AT}:4000 one`], ['one']]);
    });
  });

  it('dials no other address: of no third party, on no local network, and none without an observation', () => {
    const third = [
      wan('45.192.2.1'),
      wan('2a00:db8::1'),
      lan('192.168.1.1', 80),
      lan('10.0.0.1'),
      lan('127.0.0.1', 22),
    ];
    for (const seenAt of [ALICE_AT, undefined]) {
      asked({}, ({ signals, dialled, refusals, flush }) => {
        signals.next({ ...dialBackSignal('one', { ...alice, endpoints: third }), from: ALICE, seenAt });
        flush();
        expect(dialled).toEqual([]);
        expect(refusals).toEqual(['you are seen at none of the endpoints that you name']);
      });
    }
  });

  it('may be asked again by one that nobody has shown yet, where this node comes to see it', () => {
    asked({ looksForItself: true }, ({ signals, ask, dialled, refusals, flush }) => {
      const endpoints = [wan(ALICE_AT)];
      const first = { ...dialBackSignal('one', { ...alice, endpoints }), from: ALICE };
      signals.next({ ...first, seenAt: undefined });
      signals.next({ ...first, seenAt: '192.168.1.8', seenBy: '192.168.1.7' });
      ask([wan('45.192.2.1')]);
      expect(refusals).toEqual(['not now', 'not now', 'you are seen at none of the endpoints that you name']);
      ask(endpoints);
      flush();
      expect(dialled).toEqual([`${ALICE_AT}:4000 one`]);
    });
  });

  it('dials nothing but public addresses, whatever a server says of where the other is seen', () => {
    for (const seenAt of ['169.254.169.254', '192.168.1.1', '10.0.0.7', '127.0.0.1', 'fe80::1', '224.0.0.1']) {
      asked({}, ({ ask, dialled }) => {
        ask([wan(seenAt, 80), lan(seenAt, 80)], seenAt);
        expect(dialled).withContext(seenAt).toEqual([]);
      });
    }
    asked({ isOnLink: () => true }, ({ ask, dialled }) => {
      ask([lan('127.0.0.1', 22), lan('127.0.0.53', 53), lan('169.254.0.1')], '45.203.113.9');
      expect(dialled).toEqual([]);
    });
  });

  it('dials neighbours when there is only one network', () => {
    const own = () => ({ ...bob, endpoints: [lan('192.168.1.7'), wan('192.168.1.7')] });
    asked({ own }, ({ ask, dialled, flush }) => {
      ask([lan('192.168.1.8'), lan('192.168.1.9'), lan('10.0.0.1')], '192.168.1.8');
      flush();
      expect(dialled).toEqual(['192.168.1.8:4000 one']);
    });
  });

  it('dials neighbours that it has seen itself, though servers see it somewhere else', () => {
    asked({}, ({ signals, dialled, refusals, flush }) => {
      const endpoints = [wan(ALICE_AT), lan('192.168.1.8'), lan('192.168.1.9')];
      const ask = dialBackSignal('one', { ...alice, endpoints });
      signals.next({ ...ask, from: ALICE, seenAt: '192.168.1.8', seenBy: '10.0.0.7' });
      flush();
      expect([dialled, refusals]).toEqual([[], ['you are seen at none of the endpoints that you name']]);
      signals.next({ ...ask, from: ALICE, seenAt: '192.168.1.8', seenBy: '192.168.1.7' });
      flush();
      expect(dialled).toEqual(['192.168.1.8:4000 one']);
    });
  });

  it('dials neighbours on its own network, who are seen at the same address as itself', () => {
    asked({}, ({ ask, dialled, flush }) => {
      ask([lan('192.168.1.8'), lan('10.0.0.1'), wan('45.203.113.9', 5000)], '45.203.113.9');
      flush();
      expect(dialled).toEqual(['192.168.1.8:4000 one', '45.203.113.9:5000 one']);
    });
  });

  it('dials four endpoints at most, and says no more than that none answered', () => {
    const fails = { dial$: () => throwError(() => new DialError('connect ECONNREFUSED 45.198.51.7:22')) };
    asked(fails, ({ ask, refusals, flush }) => {
      ask(Array.from({ length: 9 }, (_, i) => wan(ALICE_AT, 4020 + i)));
      flush();
      expect(refusals).toEqual(['none of your endpoints answered']);
    });
    asked({}, ({ ask, dialled, flush }) => {
      ask(Array.from({ length: 9 }, (_, i) => wan(ALICE_AT, 4020 + i)));
      flush();
      expect(dialled).toHaveSize(4);
    });
  });

  it('dials no port of a well-known service', () => {
    asked({}, ({ ask, dialled, refusals, flush }) => {
      ask([22, 25, 80, 1023].map((port) => wan(ALICE_AT, port)));
      flush();
      expect(dialled).toEqual([]);
      expect(refusals).toEqual(['you are seen at none of the endpoints that you name']);
    });
  });

  it('answers no more than 32 at once, four of one address, and none that is not welcome, and goes on after anything', () => {
    asked({ dial$: () => NEVER }, ({ ask, refusals }) => {
      for (let i = 0; i < 6; i++) ask([wan(ALICE_AT)]);
      expect(refusals).toHaveSize(2);
      for (let i = 0; i < 40; i++) ask([wan(`45.198.51.${100 + i}`)], `45.198.51.${100 + i}`);
      expect(refusals).toHaveSize(2 + 40 - 28);
    });
    asked({ mayRefuse: () => false, admits: () => false }, ({ ask, refusals }) => {
      ask([wan(ALICE_AT)]);
      expect(refusals).toEqual([]);
    });
    asked({ admits: ({ from, seenAt }) => from !== ALICE && seenAt !== ALICE_AT }, ({ ask, refusals, dialled }) => {
      ask([wan(ALICE_AT)]);
      expect([refusals, dialled]).toEqual([['not now'], []]);
    });
    asked({}, ({ ask, signals, adopted, flush }) => {
      for (const body of [{}, { attempt: 'a b', unl: '' }, { attempt: 'one', unl: 'garbage' }]) {
        signals.next({ kind: 'dial-back', body, from: ALICE, seenAt: ALICE_AT });
      }
      ask([wan(ALICE_AT)]);
      flush();
      expect(adopted).toEqual(['one']);
    });
  });

  it('stops dialling when the peer withdraws its request, also before it comes, or when another technique has connected them', () => {
    const over = { ...overSignal('one'), from: ALICE, seenAt: undefined };
    asked({}, ({ ask, signals, adopted, flush }) => {
      ask([wan(ALICE_AT)]);
      signals.next({ ...over, from: BOB });
      signals.next({ ...over, body: { attempt: 'another' } });
      signals.next(over);
      flush();
      expect(adopted).toEqual([]);
    });
    asked({}, ({ ask, signals, dialled, refusals, flush }) => {
      signals.next(over);
      ask([wan(ALICE_AT)]);
      flush();
      expect([dialled, refusals]).toEqual([[], []]);
    });
    const satisfied = new Subject<undefined>();
    asked({ satisfied$: (peerId) => (peerId === ALICE ? satisfied : NEVER) }, ({ ask, adopted, flush }) => {
      ask([wan(ALICE_AT)]);
      satisfied.next(undefined);
      flush();
      expect(adopted).toEqual([]);
    });
  });

  it('refuses a locator that is not the sender’s', () => {
    const signal = { ...dialBackSignal('one', alice), seenAt: ALICE_AT };
    expect(readDialBack({ ...signal, from: ALICE })).toEqual({ attempt: 'one', unl: alice });
    expect(readDialBack({ ...signal, from: BOB })).toBeUndefined();
  });
});

describe('what a node is asked for', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('is still answered after a request from an invalid peer id', async () => {
    const { address, local } = await lab.server();
    const [here, there] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const faults = lab.collect(there.trace$.pipe(filter(({ type }) => type === 'fault' || type === 'dropped')));
    const [, unl] = await Promise.all([firstValueFrom(here.unl$), firstValueFrom(there.unl$)]);
    // Anybody can sign anything for a key of small order.
    const nobody = Buffer.alloc(32);
    nobody.writeUInt8(1);
    const signature = Buffer.alloc(64);
    signature.writeUInt8(1);
    const from = nobody.toString('base64url');
    const body = { attempt: 'one', unl: '' };
    const fields = { from, to: there.peerId, id: 'x', at: Date.now(), keepMs: 1000, kind: 'dial-back', body };
    const signed = Buffer.concat([signature, Buffer.from(JSON.stringify(fields))]);
    const key = sealingKeyOf(there.peerId) ?? nobody;
    const sealed = Buffer.concat([Buffer.of(1), seal(key, Buffer.from('rxp2p sealed signal 1'), signed)]);
    const liar = createIdentity();
    const client = await LineClient.to(local);
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    await client.ask(proveLine(client, liar, nonce));
    expect(await client.ask(`SEND 1 ${there.peerId} ${sealed.toString('base64url')}`)).toBe('SENT 1');
    client.socket.destroy();
    const connection = await firstValueFrom(here.connect$(unl, { techniques: ['reverse-connect'] }));
    expect(connection.peerId).toBe(there.peerId);
    expect(faults.map((step) => ('reason' in step ? step.reason : ''))).toEqual([
      jasmine.stringContaining('malformed'),
    ]);
  });
});

describe('a reverse connect between two nodes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('makes one connection, by the attempt of the one and the link of the other', async () => {
    const { address } = await lab.server();
    const [here, there] = [
      lab.net({ rendezvous: [address] }),
      lab.net({ rendezvous: [address], slots: { outbound: 0 } }),
    ];
    const [, unl] = await Promise.all([firstValueFrom(here.unl$), firstValueFrom(there.unl$)]);
    const arriving = firstValueFrom(there.connections$);
    const connection = await firstValueFrom(here.connect$(unl, { techniques: ['reverse-connect'] }));
    const arrived = await arriving;
    const line = firstValueFrom(arrived.lines$);
    connection.send('dialled back');
    expect(await line).toBe('dialled back');
    const paths = [connection, arrived].map(async ({ path$, direction }) => {
      const { technique } = await firstValueFrom(path$.pipe(take(1)));
      return [technique, direction];
    });
    expect(await Promise.all(paths)).toEqual([
      ['reverse-connect', 'outbound'],
      ['reverse-connect', 'inbound'],
    ]);
  });

  it('fails with the peer’s words where it is not welcome', async () => {
    const { address } = await lab.server();
    const here = lab.net({ rendezvous: [address] });
    const there = lab.net({ rendezvous: [address], acceptPeer: () => false });
    const [, unl] = await Promise.all([firstValueFrom(here.unl$), firstValueFrom(there.unl$)]);
    const failure = firstValueFrom(concat(here.connect$(unl, { techniques: ['reverse-connect'] }), EMPTY));
    await expectAsync(failure).toBeRejectedWithError(/does not dial back: not now/);
  });
});
