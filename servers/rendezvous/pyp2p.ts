import { Admission, type Admitted } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { canonicalAddress, familyOf, isPort, readPort, type Endpoint } from '../../lib/endpoint.js';
import { MAX_NODES } from '../../lib/bounds/max-nodes.js';
import { formatPyp2pReply, MAX_PORTS, type Pyp2pRequest } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { mayList } from '../../lib/unl/dialable.js';
import { parseJsonObject } from '../../lib/validate.js';
import { seenAt } from '../callers/caller.js';
import { onceKnown, type Soon } from '../store/store.js';
import { AnswerWait, CANDIDATE_MS, CandidateWait, GAVE_WAY } from './pyp2p-waits.js';
import type { ServerSession } from './session.js';

type RequestOf<V extends Pyp2pRequest['verb']> = Extract<Pyp2pRequest, { readonly verb: V }>;

// The times and numbers are PyP2P's.
const LISTING_MS = 24 * 3_600_000;
const PREDICTIONS_MS = 120_000;
const MAX_CANDIDATES = 100;
/** PyP2P lists one node an address; this many may share one here. */
const MAX_PASSIVE = 64;
const MAX_CLOCK_ERROR_S = 600;
/** Nodes whose answers one session may wait for. */
const MAX_ASKED = 64;

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
        .flatMap(([key]) => readKey(key) ?? dropped(session))
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
    const candidate = candidateOf(key);
    const entry = readCandidate(text);
    if (candidate === undefined || entry === undefined) return dropped(session);
    return entry.isTold ? [] : [{ key, candidate, ports: entry.ports }];
  });
  if (!session.mayCause(candidates.length)) return;
  for (const { key, candidate, ports } of candidates) {
    session.say(formatPyp2pReply({ verb: 'CHALLENGE', address: candidate, ports }));
    await store.put('candidates', key, JSON.stringify({ ports, isTold: true }), CANDIDATE_MS, siteOf(candidate));
  }
}

/** An entry is none that a server has put there. */
function dropped(session: ServerSession): [] {
  session.dropStray('entry');
  return [];
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
  const waiting = (await store.list('candidates', address)).flatMap(([key]) => {
    const candidate = candidateOf(key);
    return candidate === undefined ? dropped(session) : [{ key, candidate }];
  });
  const { isIn, gaveWay } = roomFor({ key, candidate: remote.address }, waiting);
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
    await store.publish(answerChannel(gaveWay), GAVE_WAY);
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

/** A candidate that waits for a node: its entry's key, and its address. */
interface WaitingCandidate {
  readonly key: string;
  readonly candidate: string;
}

/** Admits a candidate among those that wait for a node: sites share that room, and one candidate may be evicted. */
function roomFor({ key, candidate }: WaitingCandidate, waiting: readonly WaitingCandidate[]): Admitted<string> {
  const room = new Admission<string>({ most: MAX_CANDIDATES });
  for (const other of waiting) {
    if (other.key === key) return { isIn: true };
    room.admit(siteOf(other.candidate), other.key);
  }
  return room.admit(siteOf(candidate), key);
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

function nodeChannel(address: string): string {
  return `simultaneous:${address}`;
}

function answerChannel(key: string): string {
  return `candidate:${key}`;
}

function candidateKey(node: string, candidate: string): string {
  return `${node} ${candidate}`;
}

/** The address of the candidate of an entry. */
function candidateOf(key: string): string | undefined {
  return canonicalAddress(key.slice(key.indexOf(' ') + 1));
}

function readKey(key: string): Endpoint | undefined {
  const [first = '', second = '', ...rest] = key.split(' ', 3);
  const [address, port] = [canonicalAddress(first), readPort(second)];
  return address === undefined || port === undefined || rest.length > 0 ? undefined : { address, port };
}

function readCandidate(text: string): { readonly ports: readonly number[]; readonly isTold: boolean } | undefined {
  const { ports, isTold } = parseJsonObject(text) ?? {};
  const isPorts = Array.isArray(ports) && ports.length > 0 && ports.length <= MAX_PORTS && ports.every(isPortNumber);
  return isPorts ? { ports, isTold: isTold === true } : undefined;
}

function isPortNumber(value: unknown): value is number {
  return typeof value === 'number' && isPort(value);
}
