import { Admission, type Admitted } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { canonicalAddress, familyOf, readPort, type Endpoint } from '../../lib/endpoint.js';
import { MAX_NODES } from '../../lib/bounds/max-nodes.js';
import { formatPyp2pReply, type Pyp2pRequest } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { formatReply, type Reply } from '../../lib/rendezvous/messages.js';
import { mayList } from '../../lib/unl/dialable.js';
import { parseJsonObject } from '../../lib/validate.js';
import { seenAt } from '../callers/caller.js';
import { onceKnown, type ChannelListener, type Soon } from '../store/store.js';
import type { Due, Timer } from '../timers.js';
import type { ServerSession, Waiting } from './session.js';

type RequestOf<V extends Pyp2pRequest['verb']> = Extract<Pyp2pRequest, { readonly verb: V }>;

// The times and numbers are PyP2P's.
const LISTING_MS = 24 * 3_600_000;
const CANDIDATE_MS = 120_000;
const PREDICTIONS_MS = 120_000;
const MAX_CANDIDATES = 100;
/** PyP2P lists one node an address; this many may share one here. */
const MAX_PASSIVE = 64;
const MAX_CLOCK_ERROR_S = 600;
/** Nodes whose answers one session may wait for. */
const MAX_ASKED = 64;

/** The reply to an evicted candidate. */
const GAVE_WAY: Reply = {
  verb: 'REFUSED',
  code: 'table-full',
  words: 'a candidate gave way to a newcomer: most of those that wait for its node come from this address',
};

/** Answers one request of a PyP2P node. PyP2P's nodes have no keys, so they are identified by their address. */
export function handlePyp2pRequest(request: Pyp2pRequest, session: ServerSession): Soon<void> {
  const { verb } = request;
  const port = seenAt(session.remote)?.port;
  if (port === undefined && verb !== 'BOOTSTRAP' && verb !== 'QUIT') {
    session.decline('unseen', 'a proxy before this server does not tell it where you are');
    return undefined;
  }
  switch (request.verb) {
    case 'BOOTSTRAP':
      return bootstrap(request, session);
    case 'PASSIVE':
      return listPassive(request, session);
    case 'SIMULTANEOUS':
      return listSimultaneous(session);
    case 'SOURCE':
      session.say(formatPyp2pReply({ verb: 'REMOTE', port: port ?? 0 }));
      return undefined;
    case 'CANDIDATE':
      return propose(request, session);
    case 'ACCEPT':
      return accept(request, session);
    case 'CLEAR':
      return clear(session);
    case 'QUIT':
      session.close();
      return undefined;
  }
}

/** Random passive nodes, never the caller's own address. */
function bootstrap({ count }: RequestOf<'BOOTSTRAP'>, session: ServerSession): Soon<void> {
  return session.sayAtLength(() =>
    onceKnown(session.store.sample('passive', MAX_NODES + count), (entries) => {
      const requesterAt = session.remote.address;
      const nodes = entries
        .flatMap(([key]) => readKey(key) ?? [])
        .filter(({ address }) => address !== requesterAt && address !== '127.0.0.1')
        .filter((endpoint) => mayList(endpoint, [endpoint.address], requesterAt))
        .slice(0, count);
      return formatPyp2pReply({ verb: 'NODES', nodes });
    }),
  );
}

/** Two nodes behind one address differ by their ports. */
async function listPassive({ port, maxInbound }: RequestOf<'PASSIVE'>, session: ServerSession): Promise<void> {
  const { remote, store } = session;
  // PyP2P's text for a node has no room for IPv6.
  if (familyOf(remote.address) !== 4) return;
  const own = await store.list('passive', remote.address);
  const kept =
    own.length < MAX_PASSIVE &&
    (await store.put('passive', `${remote.address} ${port}`, String(maxInbound), LISTING_MS, siteOf(remote.address)));
  if (!kept) session.declineToList();
}

async function listSimultaneous(session: ServerSession): Promise<void> {
  const { remote, store } = session;
  const { address } = remote;
  const at = session.now();
  if (!(await store.put('simultaneous', address, String(at), LISTING_MS, siteOf(address)))) {
    session.declineToList();
    return;
  }
  if (!session.isListed) waitForCandidates(session);
  // Candidates that came while its predictions were too old have been waiting for fresh ones.
  const candidates = (await store.list('candidates', address)).flatMap(([key, text]) => {
    const { ports, isTold } = readCandidate(text);
    return ports === undefined || isTold || !isAddress(candidateOf(key)) ? [] : [{ key, ports }];
  });
  if (!session.mayCause(candidates.length)) return;
  for (const { key, ports } of candidates) {
    const candidate = candidateOf(key);
    session.say(formatPyp2pReply({ verb: 'CHALLENGE', address: candidate, ports }));
    await store.put('candidates', key, JSON.stringify({ ports, isTold: true }), CANDIDATE_MS, siteOf(candidate));
  }
}

/** Tells this client of candidates from now on: as one of a few at its address. */
function waitForCandidates(session: ServerSession): void {
  const waiting = new CandidateWait(session, nodeChannel(session.remote.address));
  if (session.isOver) waiting.end();
  else waiting.begin();
}

/** A candidate asks to open TCP simultaneously with the node at an address. */
async function propose({ address, ports }: RequestOf<'CANDIDATE'>, session: ServerSession): Promise<void> {
  const { remote, store, forwarding } = session;
  // A candidate of the other family cannot punch to that address. And an attacker has any number of IPv6 addresses, which would
  // take all places.
  if (familyOf(address) !== familyOf(remote.address)) return;
  const listedAt = await store.get('simultaneous', address);
  if (listedAt === undefined) return;
  const key = candidateKey(address, remote.address);
  const { isIn, gaveWay } = roomFor(key, await store.list('candidates', address));
  if (!isIn) {
    session.decline('table-full', 'as many candidates as there may be wait for this node: try again later');
    return;
  }
  const told = gaveWay === undefined ? 0 : forwarding.listenersOf(answerChannel(gaveWay));
  if (!session.mayCause(forwarding.listenersOf(nodeChannel(address)) + told)) return;
  const isTold = session.now() - Number(listedAt) <= PREDICTIONS_MS;
  if (!waitForAnswer(key, session)) return;
  if (gaveWay !== undefined) {
    await store.delete('candidates', gaveWay);
    await store.publish(answerChannel(gaveWay), formatReply(GAVE_WAY));
  }
  if (!(await store.put('candidates', key, JSON.stringify({ ports, isTold }), CANDIDATE_MS, siteOf(remote.address)))) {
    session.decline('table-full', 'this server knows as many candidates as it can');
    return;
  }
  session.say(formatPyp2pReply({ verb: 'PREDICTION SET' }));
  await store.publish(
    nodeChannel(address),
    formatPyp2pReply(isTold ? { verb: 'CHALLENGE', address: remote.address, ports } : { verb: 'RECONNECT' }),
  );
}

/** Admits a candidate among those that wait for a node: sites share that room, and one candidate may be evicted. */
function roomFor(key: string, waiting: readonly (readonly [key: string, value: string])[]): Admitted<string> {
  const room = new Admission<string>({ most: MAX_CANDIDATES });
  for (const [other] of waiting) {
    if (other === key) return { isIn: true };
    if (!isAddress(candidateOf(other))) continue;
    room.admit(siteOf(candidateOf(other)), other);
  }
  return room.admit(siteOf(candidateOf(key)), key);
}

/** Tells this client what the node answers, for as long as it may; as one of a few at its address. Returns whether it does. */
function waitForAnswer(key: string, session: ServerSession): boolean {
  if (session.isOver) return false;
  const channel = answerChannel(key);
  session.waiting?.get(channel)?.end();
  if ((session.waiting?.size ?? 0) - (session.isListed ? 1 : 0) >= MAX_ASKED) {
    session.decline('table-full', 'this client waits for the answers of as many nodes as it may');
    return false;
  }
  new AnswerWait(session, channel).begin();
  return true;
}

/** The node agrees, with its own predictions and the time at which both begin. */
async function accept({ address, ports, ntp }: RequestOf<'ACCEPT'>, session: ServerSession): Promise<void> {
  const { remote, store, forwarding } = session;
  const key = candidateKey(remote.address, address);
  if (Math.abs(ntp - session.runtime.timeOfDay() / 1000) > MAX_CLOCK_ERROR_S) return;
  if ((await store.get('candidates', key)) === undefined) return;
  if (!session.mayCause(forwarding.listenersOf(answerChannel(key)))) return;
  await store.delete('candidates', key);
  await store.publish(answerChannel(key), formatPyp2pReply({ verb: 'FIGHT', address: remote.address, ports, ntp }));
}

async function clear({ remote, store }: ServerSession): Promise<void> {
  await store.delete('simultaneous', remote.address);
  for (const [key] of await store.list('passive', remote.address)) await store.delete('passive', key);
}

/** Forwards each message on a channel as a line to a client, until newer listeners evict it or it leaves. */
abstract class ChannelWait implements ChannelListener, Waiting {
  constructor(
    readonly session: ServerSession,
    readonly channel: string,
  ) {}

  begin(): void {
    const { session, channel } = this;
    session.waiting ??= new Map();
    session.waiting.set(channel, this);
    session.forwarding.join(channel, this);
    Promise.resolve(session.store.listen(channel, this)).catch(() => {
      session.close();
    });
  }

  heard(line: string): void {
    this.session.passOn(line);
  }

  unheard(): void {
    this.session.close();
  }

  gaveWay(): void {
    this.end();
  }

  end(): void {
    const { session, channel } = this;
    session.waiting?.delete(channel);
    session.store.leave(channel, this);
    session.forwarding.leave(channel, this);
  }
}

/** A simultaneous node waits for candidates, as long as its session lasts. */
class CandidateWait extends ChannelWait {
  override begin(): void {
    this.session.isListed = true;
    super.begin();
  }

  override gaveWay(): void {
    super.gaveWay();
    this.session.decline('table-full', 'too many nodes at this address wait for candidates, and newer ones are told');
  }

  override end(): void {
    super.end();
    const { session, channel } = this;
    session.isListed = false;
    if (session.forwarding.listenersOf(channel) === 0) session.forget('simultaneous', session.remote.address);
  }
}

/** A candidate waits for the answer of a node, for some time. */
class AnswerWait extends ChannelWait implements Due {
  readonly #late: Timer = this.session.timers.of(this);

  override begin(): void {
    super.begin();
    this.#late.start(CANDIDATE_MS);
  }

  override end(): void {
    super.end();
    this.#late.stop();
  }

  due(): void {
    this.end();
  }
}

function nodeChannel(address: string): string {
  return `simultaneous:${address}`;
}

function answerChannel(key: string): string {
  return `candidate:${key}`;
}

function candidateKey(node: string, candidate: string): string {
  return `${node} ${candidate}`;
}

function candidateOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}

/** `undefined` for what no server of ours has put: a shared store may have that, too. */
function readKey(key: string): Endpoint | undefined {
  const [address = '', port = ''] = key.split(' ');
  const number = readPort(port);
  return isAddress(address) && number !== undefined ? { address, port: number } : undefined;
}

function isAddress(text: string): boolean {
  return canonicalAddress(text) === text;
}

function readCandidate(text: string): { readonly ports: readonly number[] | undefined; readonly isTold: boolean } {
  const { ports, isTold } = parseJsonObject(text) ?? {};
  const isPorts = Array.isArray(ports) && ports.every((port): port is number => typeof port === 'number');
  return { ports: isPorts ? ports : undefined, isTold: isTold === true };
}
