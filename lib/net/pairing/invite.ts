import {
  concat,
  defer,
  distinct,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  switchMap,
  take,
  takeWhile,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { PairingError, type PairingErrorCode } from '../../errors.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { formatCode, newCode } from '../../pairing/code.js';
import { Invitation, MOST_WRONG_TRIES, type InvitationStep } from '../../pairing/invitation.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import { claimSlot$, giveBackSlot, slotLost$, slotTries$ } from '../../rendezvous/slots.js';
import { sessionsIn } from '../../self/findings.js';
import { formatUnl } from '../../unl.js';
import { expectInteger, invalidOption } from '../../validate.js';
import type { InviteOptions, InviteStep } from './interface.js';
import { triesHere$, type LocalTried } from './local.js';
import { reserved$, type Claimed, type Reserved } from './reserve.js';
import type { PairingHost } from './servers.js';

/** See `Net.invite$`. */
export function invite$({ words = 2, wrongTries = 0 }: InviteOptions, host: PairingHost): Observable<InviteStep> {
  return defer(() => {
    if (![2, 3].includes(words)) throw invalidOption('words', '2 or 3', words);
    expectInteger('wrongTries', wrongTries, 0, MOST_WRONG_TRIES - 1);
    const claimed: Claimed = new Map();
    return host.own$.pipe(
      take(1),
      switchMap(() => reserved$(claimed, host)),
      switchMap((reserved) => shown$(reserved, { words, wrongTries }, claimed, host)),
      finalize(() => {
        for (const [session, slot] of claimed) giveBackSlot(session, slot);
      }),
    );
  });
}

/** Emits the code, then who has typed it. */
function shown$(
  { slot, seconds }: Reserved,
  { words, wrongTries }: Required<Pick<InviteOptions, 'words' | 'wrongTries'>>,
  claimed: Claimed,
  { runtime, findings$, own, config, here }: PairingHost,
): Observable<InviteStep> {
  const code = newCode(slot, words);
  const invitation = new Invitation({ code, peerId: config.identity.peerId, unl: () => formatUnl(own()), wrongTries });
  const expiresAt = new Date(runtime.timeOfDay() + seconds * 1_000);
  const first = [...claimed.keys()];
  const later$ = sessionsIn(findings$.pipe(map(({ servers }) => servers))).pipe(mergeMap((sessions) => sessions));
  const atServers$ = concat(first, later$).pipe(
    distinct(),
    mergeMap((session) => {
      const claim$ = claimed.has(session) ? EMPTY : claimed$(session, slot, claimed, runtime);
      const way = formatRendezvous(session.server);
      const tried$ = slotTries$(session, slot).pipe(map((tried) => ({ way, ...tried })));
      return merge(taken$(tried$, invitation), lost$(session, slot, claimed, here !== undefined), claim$).pipe(
        ignoreErrors(),
      );
    }),
  );
  const here$ = here === undefined ? EMPTY : taken$(triesHere$(here, slot), invitation);
  const end$ = merge(atServers$, here$).pipe(
    map((end): InviteStep => {
      if (typeof end !== 'string') return { step: 'paired', peer: end };
      const { code: name, message } = SHUT[end];
      throw new PairingError(name, message, undefined, invitation.wrongTries);
    }),
  );
  const expired$ = timer(seconds * 1_000, runtime.scheduler).pipe(
    map(() => {
      const message = `Nobody has typed the code within ${Math.round(seconds / 60)} minutes`;
      throw new PairingError('CODE_EXPIRED', message, undefined, invitation.wrongTries);
    }),
  );
  const code$ = of<InviteStep>({ step: 'code', code: formatCode(code), expiresAt });
  return merge(end$, expired$, code$).pipe(takeWhile(({ step }) => step !== 'paired', true));
}

/** How an invitation ends. */
type End = NonNullable<InvitationStep['end']> | 'crowded-out';

const SHUT: Readonly<Record<Extract<End, string>, { readonly code: PairingErrorCode; readonly message: string }>> = {
  wrong: {
    code: 'CODE_WRONG',
    message: `The code was closed: ${MOST_WRONG_TRIES} times its words were typed wrong, or guessed`,
  },
  crowded: {
    code: 'CODE_WRONG',
    message: 'The code was closed: too many nodes began to use it, and did not go on',
  },
  'crowded-out': {
    code: 'CODE_UNAVAILABLE',
    message: 'The server has no room for this code any more: make a new one',
  },
};

/** What comes of the messages of those who try the code. */
function taken$(tried$: Observable<LocalTried>, invitation: Invitation): Observable<End> {
  return tried$.pipe(
    map(({ way, id, message, answer }) => {
      const step = invitation.take({ way, id, message });
      if (step.answer !== undefined) answer(step.answer);
      return step.end;
    }),
    filter((end) => end !== undefined),
  );
}

/** One server has no room any more: an end, when it was the last that had the code, and the code is not shown on the local network. */
function lost$(session: RendezvousSession, slot: number, claimed: Claimed, isHere: boolean): Observable<End> {
  return slotLost$(session, slot).pipe(
    tap(() => claimed.delete(session)),
    filter(() => claimed.size === 0 && !isHere),
    map(() => 'crowded-out' as const),
  );
}

/** Has the same number at a server that has come later, or has come back, if it is free there. */
function claimed$(
  session: RendezvousSession,
  slot: number,
  claimed: Claimed,
  runtime: PairingHost['runtime'],
): Observable<never> {
  return defer(() => {
    claimed.set(session, slot);
    return claimSlot$(session, slot, runtime);
  }).pipe(
    tap(({ isOurs }) => {
      if (!isOurs) claimed.delete(session);
    }),
    ignoreElements(),
  );
}
