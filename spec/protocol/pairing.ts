import { Invitation } from '../../lib/pairing/invitation.js';
import { Joining } from '../../lib/pairing/joining.js';
import { parseCode } from '../../lib/pairing/code.js';
import { parseUnl } from '../../lib/unl.js';
import { bytesOf, type Fields, textOf } from './vectors.js';

/** What two nodes with one code say, each with random bytes that are given. */
export function pairedIn({ code: text, try: id, inviter, invited, inviterRandom, invitedRandom }: Fields): unknown {
  const code = parseCode(textOf(text));
  const nodeOf = (unl: unknown) => {
    const parsed = parseUnl(textOf(unl));
    if (parsed.version !== 3) throw new Error('Expected a UNL with a key');
    return { peerId: parsed.peerId, unl: textOf(unl) };
  };
  const [alice, bob] = [nodeOf(inviter), nodeOf(invited)];
  const tried = { way: '', id: textOf(id) };
  const invitation = new Invitation({
    code,
    peerId: alice.peerId,
    unl: () => alice.unl,
    random: () => bytesOf(inviterRandom),
  });
  const joining = new Joining({ code, id: tried.id, ...bob, random: () => bytesOf(invitedRandom) });
  const { answer } = invitation.take({ ...tried, message: joining.first });
  if (answer === undefined) throw new Error('Expected an answer');
  const next = joining.take(answer);
  if (!('say' in next)) throw new Error('Expected a proof');
  const last = invitation.take({ ...tried, message: next.say });
  if (last.answer === undefined) throw new Error('Expected a proof in answer');
  const end = joining.take(last.answer);
  return {
    messages: [joining.first, answer, next.say, last.answer],
    inviterHas: last.end,
    invitedHas: 'peer' in end ? end.peer : end,
  };
}
