import { filter, map, mergeMap, NEVER, of, take, type Observable } from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { ask$ } from '../rendezvous/ask.js';
import type { Dialect, Talk } from '../rendezvous/dialect.js';
import { OUR_DIALECT } from '../rendezvous/our-dialect.js';
import { formatPyp2pRequest, parsePyp2pReply, type Pyp2pReply, type Pyp2pRequest } from './wire/rendezvous-messages.js';
import type { UnlV2 } from './wire/unl-version-2.js';

/** Stands for an address that the server does not tell. */
export const NO_ADDRESS = '0.0.0.0';

/** PyP2P's dialect: only PyP2P's verbs, so that it works with PyP2P's own servers. They tell no addresses and answer no pings. */
export const PYP2P_DIALECT: Dialect = {
  isReply: (line) => parsePyp2pReply(line) !== undefined,
  begin$: () =>
    of({ observed: undefined, httpPort: undefined, serverId: undefined, nonce: undefined, roundTripMs: undefined }),
  keepAlive$: () => NEVER,
  advertise: (talk, own, maxInbound) => {
    if (own.version !== 2 || own.nodeType !== 'passive') return;
    talk.say(formatPyp2pRequest({ verb: 'PASSIVE', port: own.port, maxInbound }));
  },
  nodes$: (talk, count) =>
    ask$(
      repliesIn$(talk).pipe(
        mergeMap((reply) => (reply.verb === 'NODES' ? [reply.nodes] : [])),
        take(1),
        map((nodes) => nodes.map((node) => ({ unl: unlOfNode(node), seenAt: [node.address] }))),
      ),
      () => {
        talk.say(formatPyp2pRequest({ verb: 'BOOTSTRAP', count }));
      },
    ),
  look: (localPort) => {
    const ours = OUR_DIALECT.look(localPort);
    let address = NO_ADDRESS;
    return {
      // Every server answers SOURCE with a port. Our servers answer HELLO with the address; PyP2P's ignore it.
      question: [...ours.question, formatPyp2pRequest({ verb: 'SOURCE', port: localPort })],
      seenIn: (line) => {
        address = ours.seenIn(line)?.address ?? address;
        const reply = parsePyp2pReply(line);
        return reply?.verb === 'REMOTE' ? { address, port: reply.port } : undefined;
      },
    };
  },
};

/** The replies of PyP2P's servers that are about challenges. */
export type ChallengeReply = Exclude<Pyp2pReply, { readonly verb: 'NODES' | 'REMOTE' }>;

/** The requests to PyP2P's servers that are about challenges. */
export type ChallengeRequest = Extract<
  Pyp2pRequest,
  { readonly verb: 'SIMULTANEOUS' | 'CANDIDATE' | 'ACCEPT' | 'CLEAR' }
>;

/** PyP2P's part of the protocol by which two nodes agree to open TCP simultaneously. */
export interface ChallengeTalk {
  /** Fails when the session ends. */
  readonly reply$: Observable<ChallengeReply>;
  /** Does nothing once the session has ended. */
  readonly send: (request: ChallengeRequest) => void;
}

/** Talks of challenges with the server of a session. */
export function challengeTalkIn(session: Pick<Talk, 'line$' | 'say'>): ChallengeTalk {
  return {
    reply$: repliesIn$(session).pipe(
      mergeMap((reply) => (reply.verb === 'NODES' || reply.verb === 'REMOTE' ? [] : [reply])),
    ),
    send: (request) => {
      session.say(formatPyp2pRequest(request));
    },
  };
}

function repliesIn$({ line$ }: Pick<Talk, 'line$'>): Observable<Pyp2pReply> {
  return line$.pipe(
    map(parsePyp2pReply),
    filter((reply) => reply !== undefined),
  );
}

/** PyP2P's servers name nodes by address and port only. */
function unlOfNode({ address, port }: Endpoint): UnlV2 {
  return {
    version: 2,
    nodeId: '0'.repeat(40),
    nodeType: 'passive',
    natType: 'unknown',
    forwarding: 'forwarded',
    port,
    wan: address,
    lan: address,
  };
}
