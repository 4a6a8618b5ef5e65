import {
  catchError,
  connect,
  filter,
  forkJoin,
  map,
  of,
  switchMap,
  take,
  takeUntil,
  timer,
  toArray,
  type Observable,
} from 'rxjs';
import { PairingError } from '../../errors.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import { claimSlot$, giveBackSlot, type SlotClaim } from '../../rendezvous/slots.js';
import { isTakenHere$ } from './local.js';
import { settled$, type PairingHost, type Settled } from './servers.js';

/** Once there is a session, other servers are waited for so long: a session takes three round trips. */
const OTHERS_MS = 1_000;

/** A server that keeps a code for a shorter time is not used, in seconds: each code that follows is told to a person anew. */
const LEAST_SECONDS = 300;

/** A server that says so often that a number is taken which all others give is left out. */
const LONE_REFUSALS = 4;

/** A code that no server keeps is good for so long, in seconds. */
const LOCAL_SECONDS = 600;

/** How many digits the number has, in each try to find one that is free: a short one is told more easily. */
const DIGITS = [1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6];

/** A number that this node has at some servers. */
export interface Reserved {
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
export type Claimed = Map<RendezvousSession, number>;

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
      if (open.length === 0 && all.length > 0 && host.here === undefined) throw unavailable(all);
      return open;
    }),
  );
}

/** Takes a number at all servers with which there is a session soon, and on the local network; there alone where no server gives one. */
export function reserved$(claimed: Claimed, host: PairingHost): Observable<Reserved> {
  return servers$(host).pipe(switchMap((servers) => reserve$(servers, claimed, host)));
}

/** Takes one number everywhere; another one where any server, or a node of the local network, has it for somebody else. */
function reserve$(servers: readonly Open[], claimed: Claimed, host: PairingHost, tries = 0): Observable<Reserved> {
  const { runtime, here } = host;
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
  const isTakenHere = here === undefined ? of(false) : isTakenHere$(here, slot);
  return forkJoin([isTakenHere, servers.length === 0 ? of([]) : forkJoin(answers$)]).pipe(
    switchMap(([isHere, answers]) => {
      if (servers.length === 0) {
        return isHere ? reserve$(servers, claimed, host, tries + 1) : of({ slot, seconds: LOCAL_SECONDS });
      }
      const ours = answers.flatMap(({ claim }) => (claim.isOurs ? claim.seconds : []));
      const isTaken = isHere || answers.some(({ claim }) => !claim.isOurs && claim.code === 'taken');
      if (!isTaken && ours.length > 0) return of({ slot, seconds: Math.min(...ours) });
      for (const { server } of answers) giveBackSlot(server.session, slot);
      claimed.clear();
      const mayRefuse = ours.length === 0 || tries + 1 < LONE_REFUSALS;
      const willing = answers
        .filter(({ claim }) => claim.isOurs || (claim.code === 'taken' && mayRefuse))
        .map(({ server }) => server);
      // The code is good on the local network all the same.
      if (willing.length === 0 && here === undefined) throw unavailable(answers.map(refusalOf));
      return reserve$(willing, claimed, host, tries + 1);
    }),
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
