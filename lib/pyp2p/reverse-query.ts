import {
  catchError,
  defer,
  EMPTY,
  filter,
  finalize,
  fromEvent,
  ignoreElements,
  map,
  merge,
  mergeMap,
  switchMap,
  take,
  tap,
  type Observable,
} from 'rxjs';
import { formatEndpoint, isPublicUnicast, type Endpoint } from '../endpoint.js';
import { DialError } from '../errors.js';
import type { Link } from '../link/link.js';
import { within } from '../operators/within.js';
import { siteBuckets, tokenBucket } from '../bounds/rate-limit.js';
import { formatReverse, type ReverseMessage } from './mailbox-messages.js';
import { formatUnl } from '../unl.js';
import { mayDialHearsay } from '../unl/dialable.js';
import { endpointsIn } from '../unl/near.js';
import type { UnlV2 } from './wire/unl-version-2.js';
import type { Unl } from '../unl/types.js';
import type { ReverseQueryContext } from './reverse-query-context.js';
import type { Dial, TechniqueTraits } from '../techniques/technique.js';

/** What is known of PyP2P's reverse connect before there is a node. */
export const REVERSE_QUERY = {
  name: 'reverse-query',
  stage: 'signal',
  serves: ({ version, nodeType }) => version === 2 && nodeType !== 'passive',
} as const satisfies TechniqueTraits;

/** How long the peer has to confirm that it asked, in milliseconds; then the connection is closed (PyP2P). */
const ORIGIN_MS = 60_000;

/** How many dials for others run at once, each until the peer has confirmed that it asked. */
const MAX_ANSWERED = 8;

/** How often one address is dialled: enough for a few tries in a row … */
const OF_ADDRESS = { perSecond: 0.1, burst: 4 };

/** … and how often all addresses together. */
const OF_ALL = { perSecond: 1, burst: 20 };

/** How many addresses' dials are counted. */
const MAX_COUNTED = 1_000;

/**
 * PyP2P's reverse connect: a node that others can dial asks a node of PyP2P's, or one of ours in plain mode, to dial it, by way
 * of the mailbox in its UNL, since the peer cannot be dialled itself. Waits for the connection on which the nonce of the
 * question comes, from the address in the peer's UNL. Whoever has dialled asks by mailbox whether the question was ours, which
 * {@link answerReverse$} answers.
 *
 * Nobody proves anything. Whoever can read the mailbox, or what goes there, and can also send from the peer's address, can be
 * the peer, as everywhere in plain mode.
 */
export function dialByReverseQuery(context: ReverseQueryContext | undefined): Dial {
  return (attempt$) =>
    attempt$.pipe(
      switchMap(({ own, peer }) => {
        if (context === undefined) {
          throw new DialError('Only a plain net in direct mode with mailboxes takes part in PyP2P’s reverse connect');
        }
        if (peer.version !== 2 || own.version !== 2) throw new DialError('The UNL is none of PyP2P’s');
        if (!hasMailbox(peer)) throw new DialError('The UNL names no mailbox');
        if (own.nodeType !== 'passive') throw new DialError('Others cannot dial this node, so the peer need not try');
        return asking$(own, peer, context);
      }),
    );
}

function asking$(own: UnlV2, peer: UnlV2, context: ReverseQueryContext): Observable<Link> {
  return defer(() => {
    const nonce = context.newNonce();
    const unl = readableByPyp2p(own);
    const takeBack = context.asked.add(peer.nodeId, formatUnl(unl));
    let hasArrived = false;
    const asked$ = put$(peer.nodeId, { verb: 'REVERSE_CONNECT', unl, nonce }, context);
    return merge(context.arrival$(nonce, peer, addressesOf(own, peer)), asked$).pipe(
      take(1),
      tap(() => {
        hasArrived = true;
      }),
      finalize(() => {
        if (!hasArrived) takeBack();
      }),
    );
  });
}

/**
 * Dials nodes that ask for it, sends them the nonce that they name, and asks by mailbox whether it was they who did; takes the
 * connection when they say so, and closes it when they do not within 60 s. Says so itself to those that this node has asked.
 * Never emits, never fails.
 *
 * Anybody can put a question into the mailbox, in anybody's name. So only public addresses are dialled, or one of this
 * machine's own network for a node behind the same public address: eight at once, four of one address and then one every ten
 * seconds, twenty of all and then one a second. What a hostile sender can make of it is that this node opens so many
 * connections to addresses and ports of its choice and sends 64 hex digits of its choice there, nothing else; that it dials
 * nobody else meanwhile; and, when it owns the mailbox that it names, that whoever answers at the address becomes a connection
 * here, as anybody does who dials a plain node.
 */
export function answerReverse$(context: ReverseQueryContext): Observable<never> {
  const { message$, drop, scheduler } = context;
  const now = () => scheduler.now();
  const mayDial = siteBuckets({ maxSites: MAX_COUNTED, now, ...OF_ADDRESS });
  const mayDialAny = tokenBucket({ now, ...OF_ALL });
  const busy = new Set<string>();

  const reasonToDrop = (unl: UnlV2, endpoint: Endpoint): string | undefined => {
    if (!hasMailbox(unl)) return 'it names no mailbox';
    if (context.isConnected(endpoint)) return 'there is a connection already';
    if (busy.has(formatEndpoint(endpoint))) return 'it is being answered already';
    if (busy.size >= MAX_ANSWERED) return 'too many are being answered';
    if (!context.hasSlotFor(endpoint.address)) return 'all inbound slots are taken';
    if (!mayDial(endpoint.address)) return 'too many for this address';
    return mayDialAny() ? undefined : 'too many';
  };

  return message$.pipe(
    mergeMap((message): Observable<unknown> => {
      if (message.verb === 'REVERSE_QUERY') return confess$(message.unl, context);
      // REVERSE_ORIGIN is read by the dial that waits for it.
      if (message.verb !== 'REVERSE_CONNECT') return EMPTY;
      const { unl, nonce } = message;
      const endpoint = endpointFor(unl, context);
      const reason = endpoint === undefined ? 'it names no address that may be dialled' : reasonToDrop(unl, endpoint);
      if (endpoint === undefined || reason !== undefined) {
        drop(`REVERSE_CONNECT: ${reason ?? ''}`);
        return EMPTY;
      }
      const name = formatEndpoint(endpoint);
      busy.add(name);
      return dialBack$(endpoint, unl, nonce, context).pipe(
        finalize(() => {
          busy.delete(name);
        }),
      );
    }),
    ignoreElements(),
  );
}

/** Never fails. */
function dialBack$(endpoint: Endpoint, unl: UnlV2, nonce: string, context: ReverseQueryContext): Observable<unknown> {
  return context.dial$(endpoint, nonce, unl.nodeId).pipe(
    switchMap((link) => confirmed$(link, unl, context)),
    tap((link) => {
      context.receive(link);
    }),
    catchError((error: unknown) => {
      context.fail(endpoint, error);
      return EMPTY;
    }),
  );
}

/** Emits the link when the node with this UNL confirms that it asked for it. Otherwise, and when unsubscribed from, closes it. */
function confirmed$(link: Link, peer: UnlV2, context: ReverseQueryContext): Observable<Link> {
  return defer(() => {
    const own = expectVersion2(context.own());
    let isConfirmed = false;
    const origin$ = context.message$.pipe(
      filter(({ verb, unl }) => verb === 'REVERSE_ORIGIN' && formatUnl(unl) === formatUnl(peer)),
      map(() => link),
    );
    const gone$ = fromEvent(link.stream, 'close').pipe(
      map(() => {
        throw new DialError('The peer closed the connection that it had asked for');
      }),
    );
    const asked$ = put$(peer.nodeId, { verb: 'REVERSE_QUERY', unl: own }, context);
    return merge(origin$, gone$, asked$).pipe(
      within(ORIGIN_MS, 'The peer did not say that it had asked for the connection', context.scheduler),
      take(1),
      tap(() => {
        isConfirmed = true;
      }),
      finalize(() => {
        if (!isConfirmed) link.stream.destroy();
      }),
    );
  });
}

/** Confirms to a node that this node has asked it to dial, if it has. */
function confess$({ nodeId }: UnlV2, { asked, send$, drop }: ReverseQueryContext): Observable<unknown> {
  const unl = asked.recall(nodeId);
  if (unl === undefined) {
    drop('REVERSE_QUERY: this node has not asked that one');
    return EMPTY;
  }
  const answer = `REVERSE_ORIGIN:${unl}`;
  // PyP2P's nodes compare UNLs by a regular expression, in which a + has a special meaning: so the UNL is also sent without any +.
  const answers = unl.includes('+') ? [answer, answer.replaceAll('+', '')] : [answer];
  return merge(...answers.map((text) => send$(nodeId, text)));
}

/** Puts a message into a mailbox. Completes when it is there. */
function put$(nodeId: string, message: ReverseMessage, { send$ }: ReverseQueryContext): Observable<never> {
  return send$(nodeId, formatReverse(message)).pipe(
    tap((isTaken) => {
      if (!isTaken) throw new DialError('None of our mailbox servers took the message');
    }),
    ignoreElements(),
  );
}

/** PyP2P's nodes without a mailbox have an id of all zeros. */
function hasMailbox({ nodeId }: UnlV2): boolean {
  return !/^0*$/.test(nodeId);
}

/** Where the peer may dial from: its public address, or its LAN address when both share a public one. */
function addressesOf(own: UnlV2, peer: UnlV2): readonly string[] {
  return own.wan === peer.wan ? [peer.lan, peer.wan] : [peer.wan];
}

/**
 * Where a node that asks may be dialled: at its public address, or at its LAN address if it has the same public address as this node. No
 * server has seen it, so there is only its own claim; {@link mayDialHearsay} has the other rules.
 */
function endpointFor({ nodeId, wan, lan, port }: UnlV2, { own, isOnLink }: ReverseQueryContext): Endpoint | undefined {
  const self = own();
  if (self.version !== 2 || nodeId === self.nodeId || !isPublicUnicast(wan)) return undefined;
  const endpoint = { address: wan === self.wan ? lan : wan, port };
  const isOwn = endpoint.address === self.wan || endpoint.address === self.lan;
  return !isOwn && mayDialHearsay(endpoint, { at: wan }, { own: endpointsIn(self), isOnLink }) ? endpoint : undefined;
}

/** Hides a NAT type that PyP2P's nodes do not know: they could not read the UNL, and do not need the type to dial. */
function readableByPyp2p(unl: UnlV2): UnlV2 {
  return unl.natType === 'unknown' || unl.natType === 'delta' ? { ...unl, natType: 'random' } : unl;
}

function expectVersion2(unl: Unl): UnlV2 {
  if (unl.version === 2) return unl;
  throw new DialError('Only a plain net takes part in PyP2P’s reverse connect');
}
