import { Subject } from 'rxjs';
import { ClosedError } from '../../../lib/errors.js';
import { createIdentity, verifySignature } from '../../../lib/identity.js';
import {
  parseSessionRequest,
  sessionProofOf,
  type SessionRequest,
} from '../../../lib/signalling/carriers/mailbox-lines.js';
import { Receipts } from '../../../lib/signalling/carriers/mailbox-receipts.js';
import {
  DeclinedError,
  sessionOver$,
  SessionRefusedError,
  type MailboxSession,
} from '../../../lib/signalling/carriers/mailbox-session.js';
import { marbles, type Marbles } from '../../support/marbles.js';
import { record } from '../../support/record.js';

const NONCE = Buffer.alloc(32, 5).toString('base64url');
const AT = { address: '192.0.2.1', port: 8080 };
const server = new URL('http://Mailbox.example.org:8080/p2p/');
const [alice, bob] = [createIdentity(), createIdentity()];

/** A session of Alice's with a server that a spec plays, in virtual time. */
function played({ scheduler }: Pick<Marbles, 'scheduler'>) {
  const lines = new Subject<string>();
  const said: { readonly at: number; readonly request: SessionRequest | undefined }[] = [];
  let isDestroyed = false;
  const readings: unknown[] = [];
  const session$ = sessionOver$(
    {
      at: AT,
      lines: {
        line$: lines,
        send: (line) => said.push({ at: scheduler.now(), request: parseSessionRequest(line) }),
        destroy: () => {
          isDestroyed = true;
          lines.error(new ClosedError('dropped here'));
        },
      },
    },
    server,
    {
      identity: alice,
      runtime: { scheduler, timeOfDay: () => 1_000_000 + scheduler.now() },
      readClock: (reading) => readings.push(reading),
    },
  );
  const recording = record(session$);
  return {
    recording,
    readings,
    said,
    verbs: () => said.map(({ at, request }) => `${at} ${request?.verb ?? 'junk'}`),
    isDestroyed: () => isDestroyed,
    hear: (...heard: readonly string[]) => {
      for (const line of heard) lines.next(line);
    },
    session: (): MailboxSession => {
      const [session] = recording.values;
      if (session === undefined) throw new Error('Expected a session');
      return session;
    },
  };
}

const message = (receipt: string) => `MESSAGE ${receipt} ${bob.peerId} 198.51.100.7 12 AAAA`;

describe("A node's session with a mailbox", () => {
  it('begins with a proof that names the server, and needs no answer to it', () => {
    marbles(({ scheduler, flush }) => {
      const { recording, hear, said, readings, session } = played({ scheduler });
      scheduler.schedule(() => {
        hear(`NONCE ${NONCE} 940000`);
      }, 100);
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, 200);
      flush();
      const [first] = said;
      const proof = first?.request?.verb === 'PROVE' ? first.request : undefined;
      const dialled = { server: 'mailbox.example.org:8080', at: AT };
      expect(proof).toEqual(jasmine.objectContaining({ peerId: alice.peerId, ...dialled }));
      const signed = sessionProofOf(NONCE, alice.peerId, dialled);
      expect(verifySignature(alice.peerId, signed, proof?.signature ?? Buffer.alloc(0))).toBeTrue();
      expect(session().family).toBe(4);
      expect(readings).toEqual([{ aheadMs: 60_050, uncertainMs: 50 }]);
    });
  });

  it('puts messages, each with its own answer, whatever their order', () => {
    marbles(({ scheduler }) => {
      const { hear, session } = played({ scheduler });
      hear(`NONCE ${NONCE} 1`);
      const put = (id: string) => record(session().put$({ to: bob.peerId, id, keepMs: 1_000, message: 'AAAA' }));
      const [one, two, three] = [put('1'), put('2'), put('3')];
      hear('DELIVERED 3', 'KEPT 1', 'DECLINED 2 recipient-full there is no room');
      expect([one.values, three.values]).toEqual([[false], [true]]);
      expect(two.error).toBeInstanceOf(DeclinedError);
      expect(two.error).toEqual(jasmine.objectContaining({ refusal: 'recipient-full', words: 'there is no room' }));
    });
  });

  it('takes, and acknowledges together what was dealt with in a moment', () => {
    marbles(({ scheduler, flush }) => {
      const { hear, said, verbs, session, recording } = played({ scheduler });
      hear(`NONCE ${NONCE} 1`);
      const receipts = new Receipts(() => scheduler.now());
      const { values } = record(session().messages$(receipts));
      scheduler.schedule(() => {
        hear(message('r1'), message('r2'));
        for (const { acknowledge } of receipts.take(values.flat())) acknowledge();
      }, 1_000);
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, 2_000);
      flush();
      expect(values.map((messages) => messages.map(({ receipt }) => receipt))).toEqual([[], ['r1'], ['r2']]);
      expect(verbs()).toEqual(['0 PROVE', '0 TAKE', '1025 ACK']);
      expect(said[2]?.request).toEqual({ verb: 'ACK', receipts: ['r1', 'r2'] });
    });
  });

  it('acknowledges at once when half of what it may have was dealt with', () => {
    marbles(({ scheduler, flush }) => {
      const { hear, verbs, session, recording } = played({ scheduler });
      hear(`NONCE ${NONCE} 1`);
      const receipts = new Receipts(() => scheduler.now());
      const { values } = record(session().messages$(receipts));
      hear(...Array.from({ length: 130 }, (_, index) => message(`r${index}`)));
      for (const { acknowledge } of receipts.take(values.flat())) acknowledge();
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, 100);
      flush();
      expect(verbs()).toEqual(['0 PROVE', '0 TAKE', '0 ACK', '25 ACK']);
    });
  });

  it('names what was dealt with since the session before, and acknowledges that', () => {
    marbles(({ scheduler, flush }) => {
      const { hear, said, session, recording } = played({ scheduler });
      const receipts = new Receipts(() => scheduler.now());
      const [parcel] = receipts.take([
        { receipt: 'r1', from: bob.peerId, message: 'AAAA', seenAt: '198.51.100.7', ageMs: 0 },
      ]);
      parcel?.acknowledge();
      hear(`NONCE ${NONCE} 1`);
      record(session().messages$(receipts));
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, 100);
      flush();
      expect(said.slice(1).map(({ request }) => request)).toEqual([
        { verb: 'TAKE', holding: ['r1'] },
        { verb: 'ACK', receipts: ['r1'] },
      ]);
    });
  });

  it('has what nobody has dealt with for ten seconds brought again, and says what it still deals with', () => {
    marbles(({ scheduler, flush }) => {
      const { hear, said, session, recording } = played({ scheduler });
      hear(`NONCE ${NONCE} 1`);
      const receipts = new Receipts(() => scheduler.now());
      const { values } = record(session().messages$(receipts));
      const taken = (receipt: string) => {
        hear(message(receipt));
        receipts.take(values.at(-1) ?? []);
      };
      taken('r1');
      scheduler.schedule(() => {
        taken('r2');
      }, 5_000);
      scheduler.schedule(() => {
        recording.subscription.unsubscribe();
      }, 12_000);
      flush();
      const takes = said.filter(({ request }) => request?.verb === 'TAKE');
      expect(takes).toEqual([
        { at: 0, request: { verb: 'TAKE', holding: [] } },
        { at: 10_000, request: { verb: 'TAKE', holding: ['r2'] } },
      ]);
    });
  });

  it('asks a silent server for a sign of life, and is given up without one', () => {
    marbles(({ scheduler, flush }) => {
      const { hear, verbs, recording, readings, isDestroyed } = played({ scheduler });
      hear(`NONCE ${NONCE} 1`);
      scheduler.schedule(() => {
        hear('PONG 1020050');
      }, 20_100);
      flush();
      expect(verbs()).toEqual(['0 PROVE', '20000 PING', '40100 PING']);
      expect([scheduler.now(), isDestroyed()]).toEqual([50_100, true]);
      expect(String(recording.error)).toContain('has said nothing for 30000 ms');
      // The clock may have been set meanwhile.
      expect(readings.at(-1)).toEqual({ aheadMs: 0, uncertainMs: 50 });
    });
  });

  it('ends with the reason of the server, or with what is no reply', () => {
    for (const [line, expected] of [
      ['REFUSED replaced a later session', new SessionRefusedError(server, 'replaced', 'a later session')],
      [
        '220 smtp.example.org ESMTP',
        jasmine.objectContaining({ message: jasmine.stringMatching(/no reply of a mailbox/) }),
      ],
    ] as const) {
      marbles(({ scheduler }) => {
        const { hear, recording, session, isDestroyed } = played({ scheduler });
        hear(`NONCE ${NONCE} 1`);
        const put = record(session().put$({ to: bob.peerId, id: '1', keepMs: 1, message: 'AAAA' }));
        hear(line);
        expect([recording.error, put.error]).toEqual([expected, expected]);
        expect(isDestroyed()).toBeTrue();
      });
    }
  });
});
