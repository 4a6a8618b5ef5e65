import { filter, map, merge, take, timer, type Observable } from 'rxjs';
import type { Runtime } from '../runtime.js';
import { ask$ } from './ask.js';
import { formatPairingRequest, parsePairingReply, type PairingReply } from './pairing-messages.js';
import type { RendezvousSession } from './session.js';

/** What a session can be asked by. */
type Asked = Pick<RendezvousSession, 'line$' | 'say'>;

/** A server that does not know codes says nothing to a request: three round trips on a slow path. */
const ANSWER_MS = 3_000;

/** What became of the wish for a slot. */
export type SlotClaim =
  | { readonly isOurs: true; readonly seconds: number }
  /** The server's word for why not; `unanswered` where it says nothing. */
  | { readonly isOurs: false; readonly code: string };

/** A message from a node that tries a slot of this node. */
export interface SlotTry {
  readonly id: string;
  readonly message: Buffer;
  /** Answers it. */
  readonly answer: (message: Buffer) => void;
}

/** Asks a server for a slot. Emits what became of it, and completes; fails when the session ends. */
export function claimSlot$(
  session: Asked,
  slot: number,
  { scheduler }: Pick<Runtime, 'scheduler'>,
): Observable<SlotClaim> {
  const answer$ = replies$(session).pipe(
    filter((reply) => reply.verb === 'SLOT' || reply.verb === 'NOSLOT'),
    filter((reply) => reply.slot === slot),
    map((reply): SlotClaim => {
      if (reply.verb === 'SLOT') return { isOurs: true, seconds: reply.seconds };
      return { isOurs: false, code: reply.code };
    }),
  );
  const silence$ = timer(ANSWER_MS, scheduler).pipe(map((): SlotClaim => ({ isOurs: false, code: 'unanswered' })));
  const asked$ = ask$(answer$, () => {
    session.say(formatPairingRequest({ verb: 'INVITE', slot }));
  });
  return merge(asked$, silence$).pipe(take(1));
}

/** Gives a slot back. */
export function giveBackSlot(session: Asked, slot: number): void {
  session.say(formatPairingRequest({ verb: 'REVOKE', slot }));
}

/** Emits when a server has no room any more for a slot that it has given to this node. Fails when the session ends. */
export function slotLost$(session: Asked, slot: number): Observable<unknown> {
  return replies$(session).pipe(
    filter((reply) => reply.verb === 'NOSLOT' && reply.slot === slot && reply.code === 'gave-way'),
  );
}

/** The messages from nodes that try a slot which this node has at a server. Fails when the session ends. */
export function slotTries$(session: Asked, slot: number): Observable<SlotTry> {
  return replies$(session).pipe(
    filter((reply) => reply.verb === 'TRIED'),
    filter((reply) => reply.slot === slot),
    map(({ id, message }) => ({
      id,
      message: Buffer.from(message, 'base64url'),
      answer: (answer) => {
        session.say(formatPairingRequest({ verb: 'ANSWER', slot, id, message: answer.toString('base64url') }));
      },
    })),
  );
}

/** What is said to a try of this node. */
export type TryReply = { readonly message: Buffer } | { readonly code: string };

/** Says a message at a slot of another node. */
export function sayAtSlot(session: Asked, slot: number, id: string, message: Buffer): void {
  session.say(formatPairingRequest({ verb: 'PAIR', slot, id, message: message.toString('base64url') }));
}

/** Tries a slot of another node by a first message. Emits what is said to the try; fails when the session ends. */
export function trySlot$(session: Asked, slot: number, id: string, first: Buffer): Observable<TryReply> {
  const reply$ = replies$(session).pipe(
    filter((reply) => reply.verb === 'ANSWERED' || reply.verb === 'UNPAIRED'),
    filter((reply) => reply.id === id),
    map((reply): TryReply =>
      reply.verb === 'ANSWERED' ? { message: Buffer.from(reply.message, 'base64url') } : { code: reply.code },
    ),
  );
  return ask$(reply$, () => {
    sayAtSlot(session, slot, id, first);
  });
}

function replies$({ line$ }: Asked): Observable<PairingReply> {
  return line$.pipe(
    map(parsePairingReply),
    filter((reply) => reply !== undefined),
  );
}
