import { ownText } from '../../lib/bounds/own-text.js';
import { siteOf } from '../../lib/bounds/site.js';
import { formatEndpoint } from '../../lib/endpoint.js';
import { StoreError } from '../../lib/errors.js';
import { verifyAside, type PeerId } from '../../lib/identity.js';
import {
  formatMessage,
  formatReplaced,
  formatReply,
  isMessage,
  proofOf,
  RENDEZVOUS_VERSION,
  type Request,
  type Send,
} from '../../lib/rendezvous/messages.js';
import { seenAt } from '../callers/caller.js';
import { onceKnown, type Soon } from '../store/store.js';
import { isUnlOf, toldTo } from './listed.js';
import type { ServerSession } from './session.js';
import { joinTopic, leaveTopic, leaveTopics } from './topics.js';

/** A listing ends with its session. If the server crashes, a shared store forgets it after this time. */
const LISTING_MS = 24 * 3_600_000;

// What goes from one session to another by way of the store is either the line that the other session says to its client, or this, a
// family of addresses, and a challenge: the session that began by it took over.
const REPLACED = 'REPLACED';
const REPLACED_BY = /^REPLACED ([46]) ([A-Za-z0-9_-]{43})$/;

/** How a client that has proven no key is refused what takes one. */
export const NOT_PROVEN = ['bad-proof', 'prove a key first'] as const;

/** Passes a message on: what a server does most. */
export function handleSend({ id, to, message }: Send, session: ServerSession): Soon<void> {
  const { peerId, watch, store, remote } = session;
  if (peerId === undefined) {
    watch.count('rendezvousMessages', 'refused');
    session.refuse(...NOT_PROVEN);
    return undefined;
  }
  const receivers = store.publish(channelOf(to), formatMessage(peerId, message, remote.address));
  const tell = (count: number) => {
    watch.count('rendezvousMessages', count > 0 ? 'sent' : 'absent');
    session.say(`${count > 0 ? 'SENT' : 'ABSENT'} ${id}`);
  };
  if (!(receivers instanceof Promise)) {
    tell(receivers);
    return undefined;
  }
  return receivers.then(tell, (error: unknown) => {
    // The client sends it another way at once; why, it hears, too.
    watch.count('rendezvousMessages', 'refused');
    session.say(`ABSENT ${id}`);
    throw error;
  });
}

/** Answers one request of a node that is, or is about to be, known by its key. */
export function handlePeerRequest(
  request: Exclude<Request, { readonly verb: 'SEND' }>,
  session: ServerSession,
): Soon<void> {
  switch (request.verb) {
    case 'PING':
      session.say('PONG');
      return undefined;
    case 'HELLO':
      hello(request.version, session);
      return undefined;
    case 'PROVE':
      return prove(request, session);
    case 'ADVERTISE':
    case 'WITHDRAW':
    case 'UNLS':
    case 'JOIN':
    case 'LEAVE':
      if (session.peerId !== undefined) return handleProven(request, session.peerId, session);
      session.refuse(...NOT_PROVEN);
      return undefined;
  }
}

/** A message has come on the channel of a session's key. */
export function handleNotice(text: string, session: ServerSession): void {
  if (isMessage(text)) {
    session.say(text);
    return;
  }
  const [, family, by] = REPLACED_BY.exec(text) ?? [];
  if (by === undefined) session.dropStray('notice');
  else if (family === String(session.family)) {
    session.isReplaced = true;
    leaveTopics(session);
    session.refuse('replaced', formatReplaced(by));
  }
}

/** A session is at its end: it listens no longer, and its listings go. */
export function leavePeers(session: ServerSession): void {
  const { peerId, store, family, isReplaced } = session;
  if (peerId === undefined) return;
  store.leave(channelOf(peerId), session);
  if (!isReplaced) session.forget('unls', listingOf(peerId, family));
  leaveTopics(session);
}

function hello(version: number, session: ServerSession): void {
  if (version !== RENDEZVOUS_VERSION) {
    session.refuse('bad-version', `this server speaks version ${RENDEZVOUS_VERSION}: use a program of the same age`);
    return;
  }
  session.nonce = session.newNonce();
  session.reply({ verb: 'NONCE', nonce: session.nonce, observed: seenAt(session.remote) });
}

async function prove(
  { peerId, server, at, signature }: Extract<Request, { readonly verb: 'PROVE' }>,
  session: ServerSession,
): Promise<void> {
  const { nonce } = session;
  // A nonce is good for one try.
  session.nonce = undefined;
  const isProof =
    nonce !== undefined &&
    session.peerId === undefined &&
    (await verifyAside(peerId, proofOf(nonce, peerId, { server, at }), signature));
  if (!isProof) {
    session.refuse('bad-proof', 'the signature is not the one that was asked for');
  } else if (session.isIntended({ server, at })) {
    // The line that it was part of is not kept.
    await welcome(ownText(peerId), nonce, session);
  } else {
    const words = `this server does not know itself as ${server}, nor its address as ${formatEndpoint(at)}`;
    session.refuse(
      'wrong-server',
      `${words}: behind a NAT or a proxy it has to be told its name (serve --host ${server})`,
    );
  }
}

/**
 * A node that comes back may have left a dead session behind, so the newest one counts. It may have one session for each family of
 * addresses, to be seen by both.
 */
function welcome(peerId: PeerId, nonce: string, session: ServerSession): Soon<void> {
  const { store, family } = session;
  // The client may have gone meanwhile.
  if (session.isOver) return undefined;
  session.peerId = peerId;
  const channel = channelOf(peerId);
  // While a shared store is gone, a session begins all the same: nodes of this server reach it, and all when the store is back.
  return onceKnown(withoutStore(store.publish(channel, `${REPLACED} ${family} ${nonce}`)), () => {
    if (session.isOver) return undefined;
    return onceKnown(store.listen(channel, session), () => {
      session.reply({ verb: 'WELCOME', httpPort: session.httpPort, serverId: session.serverId });
    });
  });
}

/** An answer of the store that the caller can do without. */
function withoutStore<T>(answer: Soon<T>): Soon<T | undefined> {
  if (!(answer instanceof Promise)) return answer;
  return answer.catch((error: unknown) => {
    if (!(error instanceof StoreError)) throw error;
    return undefined;
  });
}

function handleProven(
  request: Extract<Request, { readonly verb: 'ADVERTISE' | 'WITHDRAW' | 'UNLS' | 'JOIN' | 'LEAVE' }>,
  peerId: PeerId,
  session: ServerSession,
): Soon<void> {
  const { store, family } = session;
  switch (request.verb) {
    case 'ADVERTISE': {
      if (!isUnlOf(request.unl, peerId)) return undefined;
      const { address } = session.remote;
      const kept = store.put(
        'unls',
        listingOf(peerId, family),
        ownText(`${request.unl} ${address}`),
        LISTING_MS,
        siteOf(address),
      );
      return onceKnown(kept, (isKept) => {
        if (!isKept) session.declineToList();
      });
    }
    case 'WITHDRAW':
      return onceKnown(store.delete('unls', listingOf(peerId, 4)), () => store.delete('unls', listingOf(peerId, 6)));
    case 'UNLS':
      return session.sayAtLength(() =>
        // Each may be listed by both families, the asker, too.
        onceKnown(store.sample('unls', 2 * (request.count + 1)), (entries) => {
          const others = toldTo(session, entries, listingOf).filter((node) => node.peerId !== peerId);
          return formatReply({ verb: 'LISTED', id: request.id, nodes: others.slice(0, request.count) });
        }),
      );
    case 'JOIN':
      return joinTopic(request, peerId, session);
    case 'LEAVE':
      return leaveTopic(request.topic, peerId, session);
  }
}

/** A node may have a session by each family; its listings end with theirs, and it is listed as long as one is there. */
function listingOf(peerId: PeerId, family: 4 | 6): string {
  return `${peerId} ${family}`;
}

/** The channel on which a node gets what is for it, at whichever server it is. */
export function channelOf(peerId: PeerId): string {
  return `peer:${peerId}`;
}
