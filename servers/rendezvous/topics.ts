import { ofManySites } from '../../lib/bounds/of-many-sites.js';
import { ownText } from '../../lib/bounds/own-text.js';
import { siteOf } from '../../lib/bounds/site.js';
import { canonicalAddress } from '../../lib/endpoint.js';
import type { PeerId } from '../../lib/identity.js';
import { formatReply, type Request } from '../../lib/rendezvous/messages.js';
import { onceKnown, type Soon } from '../store/store.js';
import { isUnlOf, toldTo } from './listed.js';
import type { ServerSession } from './session.js';

/** Topics that one session may be listed under. */
const MAX_TOPICS = 16;

/** For so long a member is listed unless it joins again: it does so every two minutes. What a server that has crashed had put goes by it. */
const MEMBER_MS = 600_000;

/** So many times the members that are told are drawn, so that there are some of other sites than that which has most. */
const DRAWN = 4;

/** Lists a node under a topic, and tells it others that are: at random, from as many sites as there can be. */
export function joinTopic(
  { id, topic, count, unl }: Extract<Request, { readonly verb: 'JOIN' }>,
  peerId: PeerId,
  session: ServerSession,
): Soon<void> {
  if (!isUnlOf(unl, peerId)) return undefined;
  const { store, family, remote } = session;
  const isNew = session.topics?.has(topic) !== true;
  if (isNew && (session.topics?.size ?? 0) >= MAX_TOPICS) {
    session.decline('table-full', `a session may be listed under ${MAX_TOPICS} topics`);
    return undefined;
  }
  // Before it is put: the session may end meanwhile.
  (session.topics ??= new Set()).add(ownText(topic));
  const key = memberKey(topic, peerId, family);
  const kept = store.put(
    'topics',
    ownText(key),
    ownText(`${unl} ${remote.address}`),
    MEMBER_MS,
    siteOf(remote.address),
  );
  return onceKnown(kept, (isKept) => {
    if (isKept) return tellMembers({ id, topic, count }, peerId, session);
    session.topics?.delete(topic);
    session.declineToList();
    return undefined;
  });
}

function tellMembers(
  { id, topic, count }: { readonly id: string; readonly topic: string; readonly count: number },
  peerId: PeerId,
  session: ServerSession,
): Soon<void> {
  return session.sayAtLength(() =>
    onceKnown(session.store.sample('topics', DRAWN * count, topic), (entries) => {
      const others = entries.filter(([key]) => !key.startsWith(`${topic} ${peerId} `));
      const chosen = ofManySites(others, ([, text]) => siteOfEntry(text), count);
      const nodes = toldTo(session, chosen, (other, family) => memberKey(topic, other, family));
      return formatReply({ verb: 'LISTED', id, nodes });
    }),
  );
}

/** A node is not listed under a topic any more, by any of its sessions. */
export function leaveTopic(topic: string, peerId: PeerId, session: ServerSession): Soon<void> {
  const { store } = session;
  session.topics?.delete(topic);
  return onceKnown(store.delete('topics', memberKey(topic, peerId, 4)), () =>
    store.delete('topics', memberKey(topic, peerId, 6)),
  );
}

/**
 * A session is at its end, or a newer one of its key takes its place: what it has listed goes, before the newer one lists anything. A node joins
 * anew by each session, and what it does not join any more is not to be listed for ten minutes.
 */
export function leaveTopics(session: ServerSession): void {
  const { topics, peerId, family } = session;
  if (peerId === undefined) return;
  session.topics = undefined;
  for (const topic of topics ?? []) session.forget('topics', memberKey(topic, peerId, family));
}

/** A node may have a session by each family of addresses, and is listed by both. */
function memberKey(topic: string, peerId: PeerId, family: 4 | 6): string {
  return `${topic} ${peerId} ${family}`;
}

/** The site of whoever put an entry; of a text that no server has put there, any. */
function siteOfEntry(text: string): string {
  const address = canonicalAddress(text.slice(text.indexOf(' ') + 1));
  return address === undefined ? '' : siteOf(address);
}
