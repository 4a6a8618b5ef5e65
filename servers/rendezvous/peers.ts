import { randomBytes } from 'node:crypto';
import { siteOf } from '../../lib/bounds/site.js';
import { familyOf, formatEndpoint } from '../../lib/endpoint.js';
import { verifySignature, type PeerId } from '../../lib/identity.js';
import { formatReply, proofOf, RENDEZVOUS_VERSION, type Request } from '../../lib/rendezvous/messages.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import { listedOf } from '../../lib/unl/dialable.js';
import type { UnlV3 } from '../../lib/unl/types.js';
import { parseJsonObject } from '../../lib/validate.js';
import { seenAt } from '../callers/caller.js';
import type { Soon } from '../store/store.js';
import type { ServerSession } from './session.js';

/** A listing ends with its session. If the server crashes, a shared store forgets it after this time. */
const LISTING_MS = 24 * 3_600_000;

/** What goes from one session to another by way of the store. */
type Notice =
  | { readonly type: 'message'; readonly from: PeerId; readonly message: string; readonly seenAt: string }
  | { readonly type: 'replaced'; readonly family: 4 | 6 };

/** Answers one request of a node that is, or is about to be, known by its key. */
export async function handlePeerRequest(request: Request, session: ServerSession): Promise<void> {
  switch (request.verb) {
    case 'PING':
      session.reply({ verb: 'PONG' });
      return;
    case 'HELLO':
      hello(request.version, session);
      return;
    case 'PROVE':
      await prove(request, session);
      return;
    case 'SEND':
    case 'ADVERTISE':
    case 'WITHDRAW':
    case 'UNLS':
      if (session.peerId === undefined) {
        if (request.verb === 'SEND') session.watch.count('rendezvousMessages', 'refused');
        session.refuse('bad-proof', 'prove a key first');
      } else await handleProven(request, session.peerId, session);
  }
}

function hello(version: number, session: ServerSession): void {
  if (version !== RENDEZVOUS_VERSION) {
    session.refuse('bad-version', `this server speaks version ${RENDEZVOUS_VERSION}: use a program of the same age`);
    return;
  }
  session.nonce = randomBytes(32).toString('base64url');
  session.reply({ verb: 'NONCE', nonce: session.nonce, observed: seenAt(session.remote) });
}

async function prove(
  { peerId, server, at, signature }: Extract<Request, { readonly verb: 'PROVE' }>,
  session: ServerSession,
): Promise<void> {
  const { nonce } = session;
  // A nonce is good for one try.
  session.nonce = undefined;
  if (
    nonce === undefined ||
    session.peerId !== undefined ||
    !verifySignature(peerId, proofOf(nonce, peerId, { server, at }), signature)
  ) {
    session.refuse('bad-proof', 'the signature is not the one that was asked for');
    return;
  }
  if (!session.isIntended({ server, at })) {
    const words = `this server does not know itself as ${server}, nor its address as ${formatEndpoint(at)}`;
    session.refuse(
      'wrong-server',
      `${words}: behind a NAT or a proxy it has to be told its name (serve --host ${server})`,
    );
    return;
  }
  session.peerId = peerId;
  // A node that comes back may have left a dead session behind, so the newest one counts. It may have one session for each family
  // of addresses, to be seen by both.
  const family = familyOf(session.remote.address);
  await tell(session, peerId, { type: 'replaced', family });
  session.listen(channelOf(peerId), (text) => {
    const notice = readNotice(text);
    if (notice?.type === 'message') {
      const { from, message, seenAt } = notice;
      session.reply({ verb: 'MESSAGE', from, message: Buffer.from(message, 'base64url'), seenAt });
    } else if (notice?.family === family) {
      session.isReplaced = true;
      session.refuse('replaced', 'a newer session with the same key took over');
    }
  });
  session.atEnd(() => {
    if (!session.isReplaced) session.forget('unls', listingOf(peerId, family));
  });
  session.reply({ verb: 'WELCOME', httpPort: session.httpPort, serverId: session.serverId });
}

async function handleProven(
  request: Extract<Request, { readonly verb: 'SEND' | 'ADVERTISE' | 'WITHDRAW' | 'UNLS' }>,
  peerId: PeerId,
  session: ServerSession,
): Promise<void> {
  const { store } = session;
  switch (request.verb) {
    case 'SEND': {
      const message = request.message.toString('base64url');
      const seenFrom = session.remote.address;
      const receivers = await tell(session, request.to, { type: 'message', from: peerId, message, seenAt: seenFrom });
      session.watch.count('rendezvousMessages', receivers > 0 ? 'sent' : 'absent');
      session.reply({ verb: receivers > 0 ? 'SENT' : 'ABSENT', id: request.id });
      return;
    }
    case 'ADVERTISE': {
      if (!isUnlOf(request.unl, peerId)) return;
      const { address } = session.remote;
      const kept = await store.put(
        'unls',
        listingOf(peerId, familyOf(address)),
        `${request.unl} ${address}`,
        LISTING_MS,
        siteOf(address),
      );
      if (!kept) session.declineToList();
      return;
    }
    case 'WITHDRAW':
      for (const family of [4, 6] as const) await store.delete('unls', listingOf(peerId, family));
      return;
    case 'UNLS':
      await session.sayAtLength(async () => {
        // Each may be listed by both families, the asker, too.
        const entries = await store.sample('unls', 2 * (request.count + 1));
        const nodes = listed(entries, session.remote.address).filter(({ unl }) => unl.peerId !== peerId);
        return formatReply({
          verb: 'LISTED',
          id: request.id,
          nodes: nodes.slice(0, request.count).map(({ unl, seenAt }) => ({ unl: formatUnl(unl), seenAt })),
        });
      });
  }
}

/** Each node once, with the addresses at which its sessions are seen, and those of its endpoints that the asker is told. */
function listed(entries: readonly (readonly [listing: string, text: string])[], requesterAt: string) {
  const byPeer = new Map<string, { unl: UnlV3; seenAt: string[] }>();
  for (const [listing, text] of entries) {
    const [unlText = '', seenAt = ''] = text.split(' ');
    const unl = readUnl(unlText);
    const known = byPeer.get(peerOf(listing));
    if (known !== undefined) known.seenAt.push(seenAt);
    else if (unl !== undefined) byPeer.set(peerOf(listing), { unl, seenAt: [seenAt] });
  }
  return [...byPeer.values()].map(({ unl, seenAt }) => ({
    unl: listedOf(unl, seenAt, requesterAt),
    seenAt: seenAt.toSorted(),
  }));
}

function readUnl(text: string): UnlV3 | undefined {
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? unl : undefined;
  } catch {
    return undefined;
  }
}

/** A node may list only itself. */
function isUnlOf(text: string, peerId: PeerId): boolean {
  return readUnl(text)?.peerId === peerId;
}

/** A node may have a session by each family; its listings end with theirs, and it is listed as long as one is there. */
function listingOf(peerId: PeerId, family: 4 | 6): string {
  return `${peerId} ${family}`;
}

function peerOf(listing: string): string {
  return listing.split(' ', 1).join('');
}

function channelOf(peerId: PeerId): string {
  return `peer:${peerId}`;
}

function tell(session: ServerSession, peerId: PeerId, notice: Notice): Soon<number> {
  return session.store.publish(channelOf(peerId), JSON.stringify(notice));
}

function readNotice(text: string): Notice | undefined {
  const { type, from, message, seenAt, family } = parseJsonObject(text) ?? {};
  if (type === 'replaced') return family === 4 || family === 6 ? { type, family } : undefined;
  if (type !== 'message' || typeof from !== 'string' || typeof message !== 'string') return undefined;
  return typeof seenAt === 'string' ? { type, from, message, seenAt } : undefined;
}
