import { PassThrough } from 'node:stream';
import { concat, defer, finalize, map, NEVER, of, Subject, throwError, timer, type Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { formatEndpoint } from '../../lib/endpoint.js';
import { DialError, reasonOf } from '../../lib/errors.js';
import type { Link } from '../../lib/link/link.js';
import { formatReverse, type ReverseMessage } from '../../lib/pyp2p/mailbox-messages.js';
import { answerReverse$, dialByReverseQuery } from '../../lib/pyp2p/reverse-query.js';
import type { ReverseQueryContext } from '../../lib/pyp2p/reverse-query-context.js';
import { formatUnl } from '../../lib/unl.js';
import type { UnlV2 } from '../../lib/pyp2p/wire/unl-version-2.js';
import type { Unl } from '../../lib/unl/types.js';
import { attemptOf, linkOf } from '../support/attempts.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record, type Recording } from '../support/record.js';

const NONCE = 'a1'.repeat(32);

/** This node can be dialled; the peer cannot. */
const OWN = unlOfVersion2({ nodeId: '11'.repeat(20), wan: '46.198.51.7', lan: '192.168.1.7', natType: 'preserving' });
const PEER = unlOfVersion2({ nodeId: '22'.repeat(20), wan: '45.203.113.9', lan: '192.168.1.9', nodeType: 'active' });

/** A node, its mailbox, and what it does. */
interface World extends Marbles {
  readonly context: ReverseQueryContext;
  /** What comes into the mailbox. */
  readonly message$: Subject<ReverseMessage>;
  readonly sent: (readonly [atMs: number, nodeId: string, text: string])[];
  readonly dialled: (readonly [atMs: number, endpoint: string, nonce: string])[];
  readonly links: Link[];
  readonly received: Link[];
  readonly dropped: string[];
  readonly failed: string[];
  readonly waiting: () => number;
  readonly asked: Map<string, string>;
  readonly dial: (peer?: Unl, own?: Unl) => Recording<Link>;
  readonly answer: () => Recording<never>;
  /** Has a message come after some milliseconds. */
  readonly comes: (atMs: number, ...messages: readonly ReverseMessage[]) => void;
}

interface Behaviour {
  /** What waits for the connection that was asked for. */
  readonly arrival?: (scheduler: TestScheduler) => Observable<Link>;
  /** What becomes of a dial; by default it opens after 100 ms. */
  readonly dial?: (scheduler: TestScheduler, link: Link) => Observable<Link>;
  readonly of?: Partial<ReverseQueryContext>;
}

function world({ arrival = () => NEVER, dial, of: rest }: Behaviour, spec: (world: World) => void): void {
  marbles((helpers) => {
    const { scheduler } = helpers;
    const message$ = new Subject<ReverseMessage>();
    const [sent, dialled]: [World['sent'], World['dialled']] = [[], []];
    const [links, received]: [Link[], Link[]] = [[], []];
    const [dropped, failed]: [string[], string[]] = [[], []];
    const asked = new Map<string, string>();
    let waiting = 0;
    const context: ReverseQueryContext = {
      own: () => OWN,
      message$,
      send$: (nodeId, text) =>
        defer(() => {
          sent.push([scheduler.now(), nodeId, text]);
          return timer(10, scheduler).pipe(map(() => true));
        }),
      newNonce: () => NONCE,
      arrival$: (nonce, peer, addresses) =>
        defer(() => {
          expect([nonce, peer]).toEqual([NONCE, PEER]);
          expect(addresses).toEqual([PEER.wan]);
          waiting++;
          return arrival(scheduler).pipe(finalize(() => waiting--));
        }),
      dial$: (endpoint, nonce) =>
        defer(() => {
          dialled.push([scheduler.now(), formatEndpoint(endpoint), nonce]);
          const link = { ...linkOf('reverse-query'), stream: new PassThrough() };
          links.push(link);
          return dial?.(scheduler, link) ?? timer(100, scheduler).pipe(map(() => link));
        }),
      receive: (link) => received.push(link),
      hasSlotFor: () => true,
      isConnected: () => false,
      isOnLink: (address) => address.startsWith('192.168.1.'),
      asked: {
        add: (nodeId, ownUnl) => {
          asked.set(nodeId, ownUnl);
          return () => asked.delete(nodeId);
        },
        recall: (nodeId) => asked.get(nodeId),
      },
      drop: (reason) => dropped.push(reason),
      fail: (remote, error) => failed.push(`${formatEndpoint(remote)} ${reasonOf(error)}`),
      scheduler,
      ...rest,
    };
    spec({
      ...helpers,
      context,
      message$,
      sent,
      dialled,
      links,
      received,
      dropped,
      failed,
      waiting: () => waiting,
      asked,
      dial: (peer = PEER, own = OWN) =>
        record(of(attemptOf(scheduler, { peer, own })).pipe(dialByReverseQuery(context))),
      answer: () => record(answerReverse$(context)),
      comes: (atMs, ...messages) => {
        scheduler.schedule(() => {
          for (const message of messages) message$.next(message);
        }, atMs);
      },
    });
  });
}

const connect = (fields: Partial<UnlV2> = {}, nonce = NONCE): ReverseMessage => ({
  verb: 'REVERSE_CONNECT',
  unl: { ...PEER, ...fields },
  nonce,
});
const query = (fields: Partial<UnlV2> = {}): ReverseMessage => ({ verb: 'REVERSE_QUERY', unl: { ...PEER, ...fields } });
const origin = (fields: Partial<UnlV2> = {}): ReverseMessage => ({
  verb: 'REVERSE_ORIGIN',
  unl: { ...PEER, ...fields },
});

describe('the reverse query', () => {
  const link = linkOf('reverse-query');
  const arrivesAt = (ms: number) => (scheduler: TestScheduler) =>
    concat(timer(ms, scheduler).pipe(map(() => link)), NEVER);

  it('asks the peer to dial, and takes the connection on which the nonce comes', () => {
    world({ arrival: arrivesAt(500) }, ({ dial, sent, waiting, asked, flush }) => {
      const recording = dial();
      flush();
      expect(sent).toEqual([[0, PEER.nodeId, `REVERSE_CONNECT:${formatUnl(OWN)}:${NONCE}`]]);
      expect([recording.values, recording.isCompleted, waiting()]).toEqual([[link], true, 0]);
      expect(asked)
        .withContext('for the peer will ask')
        .toEqual(new Map([[PEER.nodeId, formatUnl(OWN)]]));
    });
  });

  it('forgets the request and its nonce when it is given up', () => {
    world({}, ({ dial, waiting, asked, scheduler, flush }) => {
      const { subscription } = dial();
      scheduler.schedule(() => {
        expect([waiting(), asked.size]).toEqual([1, 1]);
        subscription.unsubscribe();
      }, 1000);
      flush();
      expect([waiting(), asked.size]).toEqual([0, 0]);
    });
  });

  it('fails when no mailbox takes the question', () => {
    world({ of: { send$: () => of(false) } }, ({ dial, waiting, asked, flush }) => {
      const { error } = dial();
      flush();
      expect(error).toBeInstanceOf(DialError);
      expect([waiting(), asked.size]).toEqual([0, 0]);
    });
  });

  it('writes a UNL that PyP2P can read, and answers with the same', () => {
    for (const natType of ['unknown', 'delta'] as const) {
      world({ arrival: arrivesAt(500) }, ({ dial, sent, answer, comes, scheduler, flush }) => {
        const { subscription } = answer();
        dial(PEER, { ...OWN, natType });
        comes(600, query());
        scheduler.schedule(() => {
          subscription.unsubscribe();
        }, 1000);
        flush();
        const unl = formatUnl({ ...OWN, natType: 'random' });
        expect(sent.map(([, , text]) => text.split(':')[1])).toEqual([unl, unl]);
      });
    }
  });

  it('fails at once when it cannot succeed', () => {
    const errorOf = (peer: Unl, own?: Unl) => {
      let failure: unknown;
      world({}, ({ dial, sent, flush }) => {
        const { error } = dial(peer, own);
        flush();
        expect(sent).toEqual([]);
        failure = error;
      });
      return failure;
    };
    expect(errorOf(unlOf())).toBeInstanceOf(DialError);
    expect(errorOf(PEER, unlOf())).toBeInstanceOf(DialError);
    expect(errorOf({ ...PEER, nodeId: '0'.repeat(40) })).toBeInstanceOf(DialError);
    for (const nodeType of ['active', 'simultaneous'] as const) {
      expect(errorOf(PEER, { ...OWN, nodeType })).toBeInstanceOf(DialError);
    }
    marbles(({ scheduler, flush }) => {
      const { error } = record(of(attemptOf(scheduler, { peer: PEER, own: OWN })).pipe(dialByReverseQuery(undefined)));
      flush();
      expect(error).toBeInstanceOf(DialError);
    });
  });
});

describe('a node that is asked to dial', () => {
  /** Answers for a time in which these messages come. */
  function answering(
    comings: readonly (readonly [atMs: number, ...messages: readonly ReverseMessage[]])[],
    behaviour: Behaviour,
    look: (world: World) => void,
    forMs = 200_000,
  ): void {
    world(behaviour, (all) => {
      const { answer, comes, scheduler, flush } = all;
      const recording = answer();
      for (const [atMs, ...messages] of comings) comes(atMs, ...messages);
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, forMs);
      flush();
      expect([recording.values, recording.error, recording.isCompleted]).toEqual([[], undefined, false]);
      look(all);
    });
  }

  it('dials, sends the nonce, asks for confirmation, and takes the connection when it comes', () => {
    answering(
      [
        [0, connect()],
        [300, origin()],
      ],
      {},
      ({ dialled, sent, received, links, failed }) => {
        expect(dialled).toEqual([[0, '45.203.113.9:50500', NONCE]]);
        expect(sent).toEqual([[100, PEER.nodeId, formatReverse({ verb: 'REVERSE_QUERY', unl: OWN })]]);
        expect([received, failed]).toEqual([links, []]);
        expect(links[0]?.stream.destroyed).toBeFalse();
      },
    );
  });

  it('closes the connection when no confirmation comes within 60 s', () => {
    answering([[0, connect()]], {}, ({ received, links, failed }) => {
      expect(received).toEqual([]);
      expect(failed).toEqual([jasmine.stringContaining('within 60000 ms')]);
      expect(links[0]?.stream.destroyed).toBeTrue();
    });
    // A moment before it would be late.
    answering(
      [
        [0, connect()],
        [60_099, origin()],
      ],
      {},
      ({ received }) => {
        expect(received).toHaveSize(1);
      },
    );
    answering(
      [
        [0, connect()],
        [60_101, origin()],
      ],
      {},
      ({ received }) => {
        expect(received).toEqual([]);
      },
    );
  });

  it('does not accept a confirmation of another node, or an earlier one', () => {
    const others = [origin({ nodeId: '33'.repeat(20) }), origin({ port: 50_501 }), origin({ wan: '45.203.113.10' })];
    answering(
      [
        [0, connect()],
        [50, origin()],
        [300, query(), ...others],
      ],
      {},
      ({ received, links }) => {
        expect(received).toEqual([]);
        expect(links[0]?.stream.destroyed).toBeTrue();
      },
    );
  });

  it('closes its open connections when it is unsubscribed from', () => {
    answering(
      [[0, connect()]],
      {},
      ({ links, received }) => {
        expect([links[0]?.stream.destroyed, received]).toEqual([true, []]);
      },
      1000,
    );
  });

  it('dials public addresses only, and never an invalid port or itself', () => {
    const wans = [
      '10.0.0.1',
      '192.168.1.1',
      '127.0.0.1',
      '169.254.1.1',
      '100.64.0.1',
      '224.0.0.1',
      '0.0.0.0',
      '255.255.255.255',
    ];
    const bad = [...wans.map((wan) => ({ wan })), { port: 0 }, { nodeId: OWN.nodeId }, { nodeId: '0'.repeat(40) }];
    answering([[0, ...bad.map((fields) => connect(fields))]], {}, ({ dialled, sent, dropped }) => {
      expect([dialled, sent]).toEqual([[], []]);
      expect(dropped).toHaveSize(bad.length);
    });
  });

  it('dials a LAN address only on its own network, and only for a node behind the same public address', () => {
    const here = { wan: OWN.wan };
    const lans = [
      connect({ ...here, lan: '192.168.1.9' }),
      connect({ ...here, lan: '192.168.2.9' }),
      connect({ ...here, lan: OWN.lan }),
      connect({ ...here, lan: '127.0.0.1' }),
      connect({ ...here, lan: '45.203.113.77' }),
    ];
    answering([[0, ...lans]], {}, ({ dialled }) => {
      expect(dialled.map(([, endpoint]) => endpoint)).toEqual(['192.168.1.9:50500']);
    });
  });

  it('dials one endpoint once at a time, and one address four times and then every ten seconds', () => {
    const refused = { dial: () => throwError(() => new DialError('refused')) };
    const flood = Array.from({ length: 300 }, (_, index) => [index * 100, connect()] as const);
    answering(flood, refused, ({ dialled }) => {
      expect(dialled.map(([atMs]) => atMs)).toEqual([0, 100, 200, 300, 10_000, 20_000]);
    });
    answering(
      [
        [0, connect(), connect()],
        [1000, connect()],
      ],
      {},
      ({ dialled }) => {
        expect(dialled.map(([atMs]) => atMs)).toEqual([0]);
      },
    );
  });

  it('dials eight endpoints at once, and twenty of all and then one a second', () => {
    const nth = (index: number) => connect({ wan: `203.0.${index >> 8}.${index & 0xff}`, nodeId: '22'.repeat(20) });
    const many = Array.from({ length: 300 }, (_, index) => nth(index));
    answering([[0, ...many]], {}, ({ dialled, dropped }) => {
      expect(dialled).toHaveSize(8);
      expect(dropped).toHaveSize(292);
    });
    const refused = { dial: () => throwError(() => new DialError('refused')) };
    answering(
      many.map((message, index) => [index * 10, message] as const),
      refused,
      ({ dialled }) => {
        expect(dialled).toHaveSize(22);
      },
    );
  });

  it('does not dial a connected node, nor dials while all slots are taken', () => {
    for (const rest of [{ isConnected: () => true }, { hasSlotFor: () => false }]) {
      answering([[0, connect()]], { of: rest }, ({ dialled, dropped }) => {
        expect([dialled.length, dropped.length]).toEqual([0, 1]);
      });
    }
  });

  it('goes on when a dial fails, the mailbox fails, or the peer hangs up', () => {
    const fails = { dial: () => throwError(() => new DialError('refused')) };
    const hangsUp = {
      dial: (scheduler: TestScheduler, link: Link) =>
        timer(100, scheduler).pipe(
          map(() => {
            scheduler.schedule(() => link.stream.emit('close'), 50);
            return link;
          }),
        ),
    };
    for (const behaviour of [fails, hangsUp, { of: { send$: () => of(false) } }]) {
      answering(
        [
          [0, connect()],
          [30_000, connect()],
        ],
        behaviour,
        ({ dialled, failed, received }) => {
          expect([dialled.length, failed.length, received.length]).toEqual([2, 2, 0]);
        },
      );
    }
  });
});

describe('a node that is asked whether it asked', () => {
  it('confirms it if it did, with the UNL of its request', () => {
    world({}, ({ answer, asked, comes, sent, dropped, scheduler, flush }) => {
      const { subscription } = answer();
      asked.set(PEER.nodeId, 'our-UNL');
      comes(100, query(), query({ nodeId: '33'.repeat(20) }));
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 1000);
      flush();
      expect(sent).toEqual([[100, PEER.nodeId, 'REVERSE_ORIGIN:our-UNL']]);
      expect(dropped).toHaveSize(1);
    });
  });

  it('confirms it twice when there is a + in the UNL, the second time as PyP2P understands it', () => {
    world({}, ({ answer, asked, comes, sent, scheduler, flush }) => {
      const { subscription } = answer();
      asked.set(PEER.nodeId, 'a+b+c');
      comes(100, query());
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 1000);
      flush();
      const texts = sent.map(([, , text]) => text);
      expect(texts).toEqual(['REVERSE_ORIGIN:a+b+c', 'REVERSE_ORIGIN:abc']);
      // As PyP2P has it.
      expect(texts[1]).toMatch(new RegExp('^REVERSE_ORIGIN:a+b+c$'));
    });
  });
});
