import {
  catchError,
  concat,
  connect,
  defer,
  distinct,
  EMPTY,
  filter,
  finalize,
  forkJoin,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  tap,
  timer,
  toArray,
  type Observable,
} from 'rxjs';
import { PairingError } from '../../errors.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { formatCode, newCode } from '../../pairing/code.js';
import { Invitation, MOST_WRONG_TRIES, type InvitationStep } from '../../pairing/invitation.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import { claimSlot$, giveBackSlot, slotLost$, slotTries$, type SlotClaim } from '../../rendezvous/slots.js';
import { sessionsIn } from '../../self/findings.js';
import { formatUnl } from '../../unl.js';
import { expectInteger, invalidOption } from '../../validate.js';
import type { InviteOptions, InviteStep } from './interface.js';
import { settled$, type PairingHost, type Settled } from './servers.js';

/** Once there is a session, other servers are waited for so long: a session takes three round trips. */
const OTHERS_MS = 1_000;

/** A server that keeps a code for a shorter time is not used, in seconds: each code that follows is told to a person anew. */
const LEAST_SECONDS = 300;

/** A server that says so often that a number is taken which all others give is left out. */
const LONE_REFUSALS = 4;

/** How many digits the number has, in each try to find one that is free: a short one is told more easily. */
const DIGITS = [1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6];

/** A number that this node has at some servers. */
interface Reserved {
  readonly slot: number;
  /** For how long it is good. */
  readonly seconds: number;
}

/** What became of a claim at one server. */
interface Answer {
  readonly server: Open;
  readonly claim: SlotClaim;
}

const TOO_SHORT: SlotClaim = { isOurs: false, code: 'too-short' };

/** A server with which there is a session. */
interface Open {
  readonly name: string;
  readonly session: RendezvousSession;
}

/** The sessions at which a slot may be this node's, to be given back. */
type Claimed = Map<RendezvousSession, number>;

/** See `Net.invite$`. */
export function invite$({ words = 2, wrongTries = 0 }: InviteOptions, host: PairingHost): Observable<InviteStep> {
  return defer(() => {
    if (![2, 3].includes(words)) throw invalidOption('words', '2 or 3', words);
    expectInteger('wrongTries', wrongTries, 0, MOST_WRONG_TRIES - 1);
    const claimed: Claimed = new Map();
    return host.own$.pipe(
      take(1),
      switchMap(() => servers$(host)),
      switchMap((servers) => reserve$(servers, claimed, host)),
      switchMap((reserved) => shown$(reserved, { words, wrongTries }, claimed, host)),
      finalize(() => {
        for (const [session, slot] of claimed) giveBackSlot(session, slot);
      }),
    );
  });
}

/** The servers with which there is a session soon; those that come later are told of the code, too. */
function servers$(host: PairingHost): Observable<readonly Open[]> {
  return settled$(host).pipe(
    connect((server$) => {
      const enough$ = server$.pipe(
        filter(({ session }) => session !== undefined),
        take(1),
        switchMap(() => timer(OTHERS_MS, host.runtime.scheduler)),
      );
      return server$.pipe(takeUntil(enough$));
    }),
    toArray(),
    map((all) => {
      const open = all.flatMap(({ name, session }) => (session === undefined ? [] : [{ name, session }]));
      if (open.length === 0) throw unavailable(all);
      return open;
    }),
  );
}

/** Takes one number at all servers; another one where any of them has given it to somebody else. */
function reserve$(servers: readonly Open[], claimed: Claimed, host: PairingHost, tries = 0): Observable<Reserved> {
  const { runtime } = host;
  const digits = DIGITS[tries];
  if (digits === undefined) throw new PairingError('CODE_UNAVAILABLE', 'No number for a code is free at the servers');
  const least = 10 ** (digits - 1);
  const slot = least + Math.floor(runtime.random() * 9 * least);
  const answers$ = servers.map((server) => {
    claimed.set(server.session, slot);
    return claimSlot$(server.session, slot, runtime).pipe(
      catchError(() => of({ isOurs: false, code: 'gone' } as const)),
      map((claim): Answer => ({ server, claim: claim.isOurs && claim.seconds < LEAST_SECONDS ? TOO_SHORT : claim })),
    );
  });
  return forkJoin(answers$).pipe(
    switchMap((answers) => {
      const ours = answers.flatMap(({ claim }) => (claim.isOurs ? claim.seconds : []));
      const isTaken = answers.some(({ claim }) => !claim.isOurs && claim.code === 'taken');
      if (!isTaken && ours.length > 0) return of({ slot, seconds: Math.min(...ours) });
      for (const { server } of answers) giveBackSlot(server.session, slot);
      claimed.clear();
      const mayRefuse = ours.length === 0 || tries + 1 < LONE_REFUSALS;
      const willing = answers
        .filter(({ claim }) => claim.isOurs || (claim.code === 'taken' && mayRefuse))
        .map(({ server }) => server);
      if (willing.length === 0) throw unavailable(answers.map(refusalOf));
      return reserve$(willing, claimed, host, tries + 1);
    }),
  );
}

/** Emits the code, then who has typed it. */
function shown$(
  { slot, seconds }: Reserved,
  { words, wrongTries }: Required<Pick<InviteOptions, 'words' | 'wrongTries'>>,
  claimed: Claimed,
  { runtime, findings$, own, config }: PairingHost,
): Observable<InviteStep> {
  const code = newCode(slot, words);
  const invitation = new Invitation({ code, peerId: config.identity.peerId, unl: () => formatUnl(own()), wrongTries });
  const expiresAt = new Date(runtime.timeOfDay() + seconds * 1_000);
  const first = [...claimed.keys()];
  const later$ = sessionsIn(findings$.pipe(map(({ servers }) => servers))).pipe(mergeMap((sessions) => sessions));
  const end$ = concat(first, later$).pipe(
    distinct(),
    mergeMap((session) => {
      const claim$ = claimed.has(session) ? EMPTY : claimed$(session, slot, claimed, runtime);
      return merge(taken$(session, slot, invitation), lost$(session, slot, claimed), claim$).pipe(ignoreErrors());
    }),
    map((end): InviteStep => {
      if (typeof end !== 'string') return { step: 'paired', peer: end };
      throw SHUT[end]();
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

const SHUT: Readonly<Record<Extract<End, string>, () => PairingError>> = {
  wrong: () =>
    new PairingError(
      'CODE_WRONG',
      `The code was closed: ${MOST_WRONG_TRIES} times its words were typed wrong, or guessed`,
      undefined,
      MOST_WRONG_TRIES,
    ),
  crowded: () =>
    new PairingError('CODE_WRONG', 'The code was closed: too many nodes began to use it, and did not go on'),
  'crowded-out': () =>
    new PairingError('CODE_UNAVAILABLE', 'The server has no room for this code any more: make a new one'),
};

/** What comes of the messages at one server. */
function taken$(session: RendezvousSession, slot: number, invitation: Invitation): Observable<End> {
  const way = formatRendezvous(session.server);
  return slotTries$(session, slot).pipe(
    map(({ id, message, answer }) => {
      const step = invitation.take({ way, id, message });
      if (step.answer !== undefined) answer(step.answer);
      return step.end;
    }),
    filter((end) => end !== undefined),
  );
}

/** One server has no room any more: an end, when it was the last that had the code. */
function lost$(session: RendezvousSession, slot: number, claimed: Claimed): Observable<End> {
  return slotLost$(session, slot).pipe(
    tap(() => claimed.delete(session)),
    filter(() => claimed.size === 0),
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

const REFUSALS: Readonly<Record<string, string>> = {
  'too-many': 'has given this node, or those at its address, as many codes as it may have',
  'table-full': 'has no room for more codes',
  'store-unavailable': 'cannot use its store now',
  'too-short': `keeps codes for less than ${LEAST_SECONDS / 60} minutes`,
  unanswered: 'does not know codes: it is of an older version',
  gone: 'went away',
};

function refusalOf({ server: { name }, claim }: Answer): Pick<Settled, 'failure'> {
  const code = claim.isOurs ? '' : claim.code;
  return { failure: `The rendezvous server ${name} ${REFUSALS[code] ?? `refused: ${code}`}` };
}

function unavailable(servers: readonly Pick<Settled, 'failure'>[]): PairingError {
  const reasons = servers.flatMap(({ failure }) => failure ?? []).join('; ');
  return new PairingError('CODE_UNAVAILABLE', `There is no server to meet at by a code. ${reasons}`);
}
