import { ownText } from '../../lib/bounds/own-text.js';
import type { PeerId } from '../../lib/identity.js';
import {
  formatPairingNotice,
  formatPairingReply,
  parsePairingNotice,
  parsePairingReply,
  type PairingCode,
  type PairingReply,
  type PairingRequest,
} from '../../lib/rendezvous/pairing-messages.js';
import { onceKnown, type Soon } from '../store/store.js';
import { channelOf, NOT_PROVEN } from './peers.js';
import type { ServerSession } from './session.js';

// A slot is in the store, under its number, with the key of the node that has it: a node at any server that shares the store finds it. What is
// counted is counted where the session is that has it.

/** Answers one request of a node that meets another by a code. */
export function handlePairing(request: PairingRequest, session: ServerSession): Soon<void> {
  const { peerId } = session;
  if (peerId === undefined) {
    session.refuse(...NOT_PROVEN);
    return undefined;
  }
  switch (request.verb) {
    case 'INVITE':
      return orUnavailable(invite(request.slot, peerId, session), () => {
        noSlot(request.slot, 'store-unavailable', session);
      });
    case 'REVOKE':
      if (session.slots.close(request.slot, session)) session.forget('slots', String(request.slot));
      return undefined;
    case 'PAIR':
      return orUnavailable(pair(request, peerId, session), () => {
        unpaired(request.id, 'store-unavailable', session);
      });
    case 'ANSWER': {
      const { slot, id, message } = request;
      const to = session.slots.answers(slot, session, id);
      if (to === undefined) return undefined;
      const line = formatPairingReply({ verb: 'ANSWERED', id, message });
      return onceKnown(session.store.publish(channelOf(to), line), () => undefined);
    }
  }
}

/** Takes what has come on the channel of a session's key, where it is about a code. Returns whether it was. */
export function handlePairingNotice(text: string, session: ServerSession): boolean {
  const notice = parsePairingNotice(text);
  if (notice !== undefined) {
    const { slot, id, message, from } = notice;
    // Another session of the same node may have it.
    if (!session.slots.has(slot, session)) return true;
    if (session.slots.asks(slot, session, ownText(id), ownText(from)))
      session.say(formatPairingReply({ verb: 'TRIED', slot, id, message }));
    else tell(from, { verb: 'UNPAIRED', id, code: 'too-often' }, session);
    return true;
  }
  const reply = parsePairingReply(text);
  if (reply?.verb !== 'ANSWERED' && reply?.verb !== 'UNPAIRED') return false;
  session.say(text);
  return true;
}

/** A session is at its end: its slots go. */
export function leaveSlots(session: ServerSession): void {
  for (const slot of session.slots.leave(session)) session.forget('slots', String(slot));
}

function invite(slot: number, peerId: PeerId, session: ServerSession): Soon<void> {
  const { store, slots, codeMs, site } = session;
  const key = String(slot);
  return onceKnown(store.get('slots', key), (owner) => {
    if (session.isOver) return undefined;
    if (owner !== undefined && owner !== peerId) {
      noSlot(slot, 'taken', session);
      return undefined;
    }
    const refusal = slots.open(slot, session);
    if (refusal !== undefined) {
      noSlot(slot, refusal, session);
      return undefined;
    }
    return onceKnown(store.put('slots', key, peerId, codeMs, site), (isKept) => {
      if (!isKept) {
        slots.close(slot, session);
        noSlot(slot, 'table-full', session);
        return undefined;
      }
      if (!slots.has(slot, session)) return undefined;
      session.watch.count('codes', 'opened');
      session.say(formatPairingReply({ verb: 'SLOT', slot, seconds: Math.ceil(codeMs / 1_000) }));
      return undefined;
    });
  });
}

function pair(
  { slot, id, message }: Extract<PairingRequest, { readonly verb: 'PAIR' | 'ANSWER' }>,
  from: PeerId,
  session: ServerSession,
): Soon<void> {
  const { store, slots, site } = session;
  if (!slots.mayTry(site)) {
    unpaired(id, 'too-often', session);
    return undefined;
  }
  return onceKnown(store.get('slots', String(slot)), (owner) => {
    if (owner === undefined) {
      unpaired(id, 'nobody', session);
      return undefined;
    }
    const notice = formatPairingNotice({ slot, id, message, from });
    return onceKnown(store.publish(channelOf(owner), notice), (count) => {
      if (count === 0) {
        unpaired(id, 'nobody', session);
        return undefined;
      }
      session.watch.count('codeMessages', 'passed');
      return undefined;
    });
  });
}

function noSlot(slot: number, code: PairingCode, session: ServerSession): void {
  session.watch.count('codes', code === 'taken' ? 'taken' : 'refused');
  session.say(formatPairingReply({ verb: 'NOSLOT', slot, code }));
}

function unpaired(id: string, code: PairingCode, session: ServerSession): void {
  session.watch.count('codeMessages', code === 'nobody' ? 'nobody' : 'refused');
  session.say(formatPairingReply({ verb: 'UNPAIRED', id, code }));
}

/** Tells a node at any server. If that cannot be, it waits until its time is over. */
function tell(to: PeerId, reply: PairingReply, { store }: ServerSession): void {
  const told = store.publish(channelOf(to), formatPairingReply(reply));
  if (told instanceof Promise) told.catch(() => undefined);
}

/** The client is told by the id of its request that the store has failed; why, it hears, too. */
function orUnavailable(answered: Soon<void>, say: () => void): Soon<void> {
  if (!(answered instanceof Promise)) return answered;
  return answered.catch((error: unknown) => {
    say();
    throw error;
  });
}
