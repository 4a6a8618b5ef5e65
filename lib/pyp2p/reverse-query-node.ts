import { randomBytes } from 'node:crypto';
import { EMPTY, filter, map, tap } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { plainLink } from './plain-connection.js';
import type { Endpoint } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import { pyp2pMailbox } from './mailbox.js';
import { parseReverse } from './mailbox-messages.js';
import { answerReverse$, dialByReverseQuery, REVERSE_QUERY } from './reverse-query.js';
import { plainName } from './wire/unl-version-2.js';
import { Pyp2pSecurity } from './security.js';
import type { Asked, ReverseQueryContext } from './reverse-query-context.js';
import { connectionKeyOf } from '../unl.js';
import type { Unl } from '../unl/types.js';
import { dialPeer$, type PeerDialConfig } from '../peers/dial.js';
import { isOnLink } from '../self/locator.js';
import type { TechniqueHost } from '../techniques/host.js';
import type { NodeTechnique } from '../techniques/technique.js';
import type { Nonces } from './nonces.js';
import type { Peers } from '../peers/peers.js';
import type { PeerStep } from '../peers/steps.js';
import type { SignalStep } from '../signalling/steps.js';

/** What making that context needs of the node. */
export interface ReverseQueryContextConfig extends PeerDialConfig {
  readonly trace: (step: PeerStep | SignalStep) => void;
  readonly peers: Peers;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  readonly nonces: Nonces;
}

/** The length of a nonce: 64 hex digits. */
const NONCE_BYTES = 32;

/** How long a request is remembered, in milliseconds: 60 s for the peer to dial, and 60 s to ask whether this node had asked for it. */
const ASKED_MS = 120_000;

/** How many requests are remembered for that time. */
const MAX_ASKED = 1_000;

/** How often a request is confirmed: anybody may ask in the peer's name, and the peer has to get an answer all the same. */
const MAX_RECALLED = 4;

/** PyP2P's reverse connect by its own mailboxes. */
export function reverseQuery(host: TechniqueHost): NodeTechnique {
  const { security, config } = host;
  const context =
    security instanceof Pyp2pSecurity && canReverseQuery(config)
      ? reverseQueryContextOf({ ...host, nonces: security.nonces })
      : undefined;
  return {
    ...REVERSE_QUERY,
    dial: dialByReverseQuery(context),
    answer$: context === undefined ? EMPTY : answerReverse$(context),
  };
}

/** PyP2P's nonces are for direct mode. */
function canReverseQuery({ mode, mailbox }: ResolvedConfig): boolean {
  return mode === 'direct' && mailbox.length > 0;
}

/** What a plain net gives to PyP2P's reverse connects: its mailboxes, its sockets, and what it remembers. */
function reverseQueryContextOf(dependencies: ReverseQueryContextConfig): ReverseQueryContext {
  const { config, runtime, trace, peers, own, nonces } = dependencies;
  const { scheduler } = runtime;
  const { identity, mailbox: urls, bind } = config;
  const mailbox = pyp2pMailbox({ identity, urls, localAddress: bind, runtime, trace });
  const fail = (remote: Endpoint, error: unknown) => {
    trace({ type: 'inbound-failed', remote, reason: reasonOf(error) });
  };
  return {
    own,
    // Other texts in the mailbox are for other programs.
    message$: mailbox.message$.pipe(
      map(parseReverse),
      filter((message) => message !== undefined),
    ),
    send$: (nodeId, text) => mailbox.send$(nodeId, text),
    newNonce: () => randomBytes(NONCE_BYTES).toString('hex'),
    // The peer is known by the endpoint in its locator, not by the port that its NAT has chosen for this link.
    arrival$: (nonce, peer, addresses) =>
      nonces.arrival$(nonce, addresses).pipe(
        map((socket) => ({
          ...plainLink(socket, REVERSE_QUERY.name),
          peerId: connectionKeyOf(peer),
          hasNonce: true,
        })),
      ),
    dial$: (endpoint, nonce, nodeId) =>
      dialPeer$(endpoint, { technique: REVERSE_QUERY.name, attemptId: nodeId, peerId: undefined }, dependencies).pipe(
        tap(({ stream }) => {
          stream.write(nonce);
        }),
        map((link) => ({ ...link, hasNonce: true })),
      ),
    receive: (link) => {
      if (peers.hasInboundSlotFor(link.remote.address)) {
        peers.adopt(link, { direction: 'inbound' });
      } else {
        link.stream.destroy();
        fail(link.remote, 'all inbound slots are taken');
      }
    },
    hasSlotFor: (address) => peers.hasInboundSlotFor(address),
    isConnected: (endpoint) => peers.get(plainName(endpoint)) !== undefined,
    isOnLink,
    asked: askedOf(() => scheduler.now()),
    drop: (reason) => {
      trace({ type: 'dropped', what: 'message', peerId: undefined, reason });
    },
    fail,
    scheduler,
  };
}

interface Question {
  readonly ownUnl: string;
  readonly until: number;
  recalled: number;
}

function askedOf(now: () => number): Asked {
  // The oldest first.
  const questions = new Map<string, Question>();
  return {
    add: (nodeId, ownUnl) => {
      const question = { ownUnl, until: now() + ASKED_MS, recalled: 0 };
      questions.delete(nodeId);
      questions.set(nodeId, question);
      const [oldest] = questions.keys();
      if (questions.size > MAX_ASKED && oldest !== undefined) questions.delete(oldest);
      return () => {
        if (questions.get(nodeId) === question) questions.delete(nodeId);
      };
    },
    recall: (nodeId) => {
      const question = questions.get(nodeId);
      if (question === undefined || question.until <= now() || question.recalled >= MAX_RECALLED) return undefined;
      question.recalled++;
      return question.ownUnl;
    },
  };
}
