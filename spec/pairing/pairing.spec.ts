import { createIdentity, formatUnl } from '../../lib/index.js';
import { Invitation, type InvitationStep } from '../../lib/pairing/invitation.js';
import { Joining, type JoiningStep } from '../../lib/pairing/joining.js';
import { decodePairing, encodePairing, openLocator, sealLocator } from '../../lib/pairing/messages.js';
import { Run } from '../../lib/pairing/run.js';
import { unlOf } from '../support/locators.js';

const CODE = { slot: 7, words: ['otter', 'violet'] };
const WRONG = { slot: 7, words: ['otter', 'velvet'] };

/** A node, as far as codes are concerned. */
function nodeOf(): { readonly peerId: string; readonly unl: string } {
  const { peerId } = createIdentity();
  return { peerId, unl: formatUnl(unlOf({ peerId })) };
}

const [ALICE, BOB, CAROL] = [nodeOf(), nodeOf(), nodeOf()];

function inviting(): Invitation {
  return new Invitation({ code: CODE, peerId: ALICE.peerId, unl: () => ALICE.unl });
}

function joining(id: string, code = CODE, node = BOB): Joining {
  return new Joining({ code, id, ...node });
}

/** What a node says next; fails the spec where it says nothing. */
function saidIn(step: JoiningStep): Buffer {
  if (!('say' in step)) throw new Error(`Expected something to be said, got ${JSON.stringify(step)}`);
  return step.say;
}

function answerIn({ answer }: InvitationStep): Buffer {
  if (answer === undefined) throw new Error('Expected an answer');
  return answer;
}

/** Has two nodes say everything to each other, and tells what came of it at both. */
function meet(invitation: Invitation, other: Joining, id: string, way = 'a server') {
  const answer = answerIn(invitation.take({ way, id, message: other.first }));
  const next = other.take(answer);
  if (!('say' in next)) return { inviter: undefined, invited: next };
  const last = invitation.take({ way, id, message: next.say });
  return { inviter: last.end, invited: other.take(answerIn(last)) };
}

describe('Two nodes with the same code', () => {
  it('learn each other’s locator and key', () => {
    expect(meet(inviting(), joining('1'), '1')).toEqual({ inviter: BOB, invited: { peer: ALICE } });
  });

  it('say as much whatever their locators are, and never the same twice', () => {
    const first = ['1', '2'].map((id) => {
      const [invitation, other] = [inviting(), joining(id)];
      const answer = answerIn(invitation.take({ way: '', id, message: other.first }));
      const proof = saidIn(other.take(answer));
      const last = answerIn(invitation.take({ way: '', id, message: proof }));
      return [other.first, answer, proof, last];
    });
    expect(first[0]?.map(({ length }) => length)).toEqual([34, 34, 594, 594]);
    expect(first[1]?.map((message, index) => first[0]?.[index]?.equals(message))).toEqual([false, false, false, false]);
    const text = Buffer.concat(first.flat()).toString('latin1');
    for (const secret of ['otter', 'violet', ALICE.unl, BOB.unl]) expect(text).not.toContain(secret);
  });

  it('are a pair once: who comes second is told so, also in the middle', () => {
    const [invitation, first, second, third] = [inviting(), joining('1'), joining('2', CODE, CAROL), joining('3')];
    const answers = [first, second].map((each, index) =>
      answerIn(invitation.take({ way: '', id: `${index + 1}`, message: each.first })),
    );
    const [one = Buffer.of(), two = Buffer.of()] = answers;
    const [proof, late] = [saidIn(first.take(one)), saidIn(second.take(two))];
    expect(invitation.take({ way: '', id: '1', message: proof }).end).toEqual(BOB);
    expect(second.take(answerIn(invitation.take({ way: '', id: '2', message: late })))).toEqual({ failure: 'used' });
    expect(meet(invitation, third, '3')).toEqual({ inviter: undefined, invited: { failure: 'used' } });
  });

  it('are no pair when they are the same node', () => {
    const invitation = inviting();
    expect(meet(invitation, joining('1', CODE, ALICE), '1')).toEqual({
      inviter: undefined,
      invited: { failure: 'own' },
    });
    expect(meet(invitation, joining('2'), '2').inviter).toEqual(BOB);
  });
});

describe('Who guesses a code', () => {
  it('has three tries, by all ways together, and learns no more than that each was wrong', () => {
    const invitation = inviting();
    expect(meet(invitation, joining('1', WRONG), '1', 'one server').invited).toEqual({ failure: 'wrong' });
    expect(meet(invitation, joining('2', WRONG), '2', 'another').invited).toEqual({ failure: 'wrong' });
    expect(meet(invitation, joining('3', WRONG), '3')).toEqual({ inviter: 'wrong', invited: { failure: 'wrong' } });
    // The right words come too late.
    expect(meet(invitation, joining('4'), '4').invited).toEqual({ failure: 'closed' });
  });

  it('has no second guess in a try, and none by the id of a wrong one', () => {
    const invitation = inviting();
    const guess = joining('1', WRONG);
    const proof = saidIn(guess.take(answerIn(invitation.take({ way: '', id: '1', message: guess.first }))));
    invitation.take({ way: '', id: '1', message: proof });
    expect(invitation.take({ way: '', id: '1', message: proof }).end).toBeUndefined();
    const again = joining('1');
    expect(meet(invitation, again, '1', 'another server').invited).toEqual({ failure: 'wrong' });
    // That was no wrong try: two are left.
    meet(invitation, joining('2', WRONG), '2');
    expect(meet(invitation, joining('3'), '3').inviter).toEqual(BOB);
  });

  it('may ask by the same id at two servers, which counts once', () => {
    const invitation = inviting();
    for (const id of ['1', '2']) for (const way of ['a', 'b']) meet(invitation, joining(id, WRONG), id, way);
    expect(meet(invitation, joining('3'), '3').inviter).toEqual(BOB);
  });

  it('has used up a code with tries that it does not go on with', () => {
    const invitation = inviting();
    const ends = Array.from({ length: 17 }, (_, index) => {
      const id = String(index);
      return invitation.take({ way: '', id, message: joining(id).first }).end;
    });
    expect(ends.slice(0, 16)).toEqual(Array.from({ length: 16 }));
    expect(ends.at(-1)).toBe('crowded');
  });

  it('learns nothing by answering in the inviter’s place, and is found out', () => {
    const [honest, guess] = [joining('1'), new Invitation({ code: WRONG, peerId: CAROL.peerId, unl: () => CAROL.unl })];
    const proof = saidIn(honest.take(answerIn(guess.take({ way: '', id: '1', message: honest.first }))));
    expect(guess.take({ way: '', id: '1', message: proof }).end).toBeUndefined();
    const sealed = sealLocator(Buffer.alloc(64), 'inviter', CAROL.unl);
    const forged = encodePairing({ type: 'proof', confirmation: Buffer.alloc(64), sealed });
    expect(honest.take(forged)).toEqual({ failure: 'stranger' });
  });
});

describe('A hostile server', () => {
  it('gets nothing by sending back to a node what that has said', () => {
    const honest = joining('1');
    const proof = saidIn(honest.take(honest.first));
    expect(honest.take(proof)).toEqual({ failure: 'stranger' });
  });

  it('changes nothing unnoticed', () => {
    const outcomes = [0, 1, 2, 3].flatMap((which) =>
      [0, 1, 2, 20, 60, 70, 500, 593].map((at) => {
        let count = 0;
        const change = (message: Buffer) => {
          const changed = Buffer.from(message);
          if (count++ === which && at < changed.length) changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
          return changed;
        };
        const [invitation, other] = [inviting(), joining('1')];
        const first = change(other.first);
        const answer = invitation.take({ way: '', id: '1', message: first }).answer;
        const next = answer && other.take(change(answer));
        const last =
          next && 'say' in next ? invitation.take({ way: '', id: '1', message: change(next.say) }) : undefined;
        const end = last?.answer && other.take(change(last.answer));
        const isChanged = at < (which < 2 ? 34 : 594);
        return { isChanged, isPair: end !== undefined && 'peer' in end };
      }),
    );
    expect(outcomes.filter(({ isChanged, isPair }) => isChanged === isPair)).toEqual([]);
  });

  it('gets nothing by repeating what was said, in this try or in another', () => {
    const [invitation, other] = [inviting(), joining('1')];
    const answer = answerIn(invitation.take({ way: '', id: '1', message: other.first }));
    expect(invitation.take({ way: '', id: '1', message: other.first })).toEqual({});
    const proof = saidIn(other.take(answer));
    // The proof of one try is none of another.
    invitation.take({ way: '', id: '2', message: other.first });
    expect(decodePairing(answerIn(invitation.take({ way: '', id: '2', message: proof })))).toEqual({
      type: 'refusal',
      reason: 'wrong',
    });
    expect(other.take(answer)).toEqual({ failure: 'garbled' });
    expect(invitation.take({ way: '', id: '1', message: proof }).end).toEqual(BOB);
  });

  it('cannot exchange the slot or the try: both are part of the key', () => {
    const invitation = inviting();
    const otherSlot = joining('1', { ...CODE, slot: 8 });
    expect(meet(invitation, otherSlot, '1').invited).toEqual({ failure: 'wrong' });
    expect(meet(invitation, joining('another id'), '2').invited).toEqual({ failure: 'wrong' });
  });

  it('gets no answer to what is no message, to a proof without a share, or to a refusal', () => {
    const invitation = inviting();
    const proof = encodePairing({ type: 'proof', confirmation: Buffer.alloc(64), sealed: Buffer.alloc(528) });
    for (const message of [Buffer.of(), Buffer.of(1), Buffer.of(2, 1), proof, Buffer.of(1, 3, 0)])
      expect(invitation.take({ way: '', id: '1', message })).toEqual({});
    for (const message of [Buffer.of(), Buffer.of(1, 3, 9), Buffer.of(1, 3), proof])
      expect(joining('1').take(message)).toEqual({ failure: 'garbled' });
  });

  it('gets nowhere with points that are none, or the neutral one', () => {
    for (const share of [Buffer.alloc(32), Buffer.alloc(32, 0xff)]) {
      const message = encodePairing({ type: 'share', share });
      expect(joining('1').take(message)).toEqual({ failure: 'garbled' });
      expect(decodePairing(answerIn(inviting().take({ way: '', id: '1', message })))).toEqual({
        type: 'refusal',
        reason: 'wrong',
      });
    }
  });
});

describe('A sealed locator', () => {
  it('is opened by its key, in its direction, and only if it is one of a node with a key', () => {
    const key = Buffer.alloc(64, 1);
    const sealed = sealLocator(key, 'inviter', ALICE.unl);
    expect(openLocator(key, 'inviter', sealed)).toEqual(ALICE);
    expect(openLocator(key, 'invited', sealed)).toBeUndefined();
    expect(openLocator(Buffer.alloc(64, 2), 'inviter', sealed)).toBeUndefined();
    expect(openLocator(key, 'inviter', sealLocator(key, 'inviter', 'no locator'))).toBeUndefined();
    expect(openLocator(key, 'inviter', Buffer.alloc(3))).toBeUndefined();
  });
});

describe('A run', () => {
  it('is of one side: what it says differs by its side alone', () => {
    const random = (bytes: number) => Buffer.alloc(bytes, 5);
    const config = { code: CODE, id: '1', random };
    const [inviter, invited] = [new Run('inviter', config), new Run('invited', config)];
    expect(inviter.share).toEqual(invited.share);
    const [one, other] = [inviter.finish(invited.share), invited.finish(inviter.share)];
    expect(one?.key).toEqual(other?.key);
    expect(one?.isConfirmedBy(one.confirmation)).toBeFalse();
    expect(one?.isConfirmedBy(other?.confirmation ?? Buffer.of())).toBeTrue();
  });
});
