import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { canonicalAddress } from '../../lib/endpoint.js';
import type { Runtime } from '../../lib/runtime.js';
import { WAIT_MAX_MS } from '../../lib/signalling/mailbox-messages.js';
import { parseJsonObject } from '../../lib/validate.js';
import { say, sayJson, whenGone, type Exchange } from '../http/server.js';
import type { Boxes, Kept } from './boxes.js';
import { Neighbours } from './neighbours.js';
import type { Polls } from './polls.js';
import type { MessageStore } from './store.js';

// PyP2P's `dht_msg.php?call=…&node_id=…&password=…`, a GET each. Node ids are 40 hex digits, messages hex.
//
//   register (ip, port, network_id)       `success`, after `Already registered.` when the id is known: that changes nothing
//   put (dest_node_id, msg, list_pop)     `success`; `failure` when it is malformed, or there is no room
//   list (list_pop)                       a JSON array of messages
//   last_alive                            `success`
//   get_mutex                             `1` for one node of each network at a time, for ten minutes; else `0`
//   find_neighbours (network_id)          a JSON array of { ip, port, id, can_test }, alive within ten minutes
//
// When as many nodes are registered as there is room for, the newest of the IPv4 address or IPv6 /48 that has most is forgotten in
// favour of one of another that has fewer: it hears `failure`, and has to register again.
//
// Whoever gives a wrong password, or none of a node that is known, hears `failure`. Passwords are kept as salted hashes.
//
// `list_pop=1`, the default, is a box: `list` waits for up to 25 s while there is nothing, and what it answered is deleted.
// `list_pop=0` is what PyP2P keeps values of its DHT in: `list` needs no password, answers at once, and deletes nothing.
// `find_neighbours` gives the first neighbour to whoever has the mutex to be tested (`can_test` 1). The addresses are those
// that nodes register with, else where they come from: nothing proves them, as nothing does in PyP2P.

/** What is borne of PyP2P's nodes. */
export interface Pyp2pLimits {
  /** PyP2P nodes that are registered. */
  readonly pyp2pNodes: number;
  /** PyP2P nodes that are registered from one IPv4 address or IPv6 /48. */
  readonly pyp2pNodesPerHost: number;
}

/** What it works with. */
export interface Pyp2pConfig {
  readonly store: MessageStore;
  readonly boxes: Boxes;
  readonly polls: Polls;
  readonly limits: Pyp2pLimits & { readonly messageBytes: number; readonly keepMs: number };
  readonly runtime: Runtime;
}

interface Node {
  readonly id: string;
  readonly ip: string;
  readonly port: number;
  readonly network: string;
  /** Whom it is counted for. */
  readonly host: string;
  readonly salt: string;
  readonly hash: string;
  /** When it has registered: those of one address give way in this order, the newest first. */
  readonly since: number;
  alive: number;
}

/** Keys of nodes in the store begin with it. */
const PREFIX = 'pyp2p ';

/** As PyP2P's. */
const ALIVE_MS = 600_000;
const MUTEX_MS = 600_000;

/** A node that has not been heard of for this long is forgotten. */
const FORGET_MS = 24 * 3_600_000;

const MAX_NEIGHBOURS = 20;
const MAX_PASSWORD = 256;
const MAX_NETWORK = 64;

/** PyP2P waits for as long as it takes; what stands between may not. */
const LIST_WAIT_MS = Math.min(25_000, WAIT_MAX_MS);

const LISTED = { messages: 64, bytes: 256 * 1024 };

const NOTHING: ReadonlySet<string> = new Set();

/** PyP2P's mailboxes, in the same store as our own, and under the same limits. */
export class Pyp2pMailbox {
  readonly #nodes = new Map<string, Node>();
  readonly #room: Admission<Node>;
  readonly #neighbours: Neighbours<Node>;
  /** Which node, of those that are known, has the mutex of a network, and until when. */
  readonly #mutexes = new Map<string, { readonly id: string; readonly until: number }>();

  constructor(readonly config: Pyp2pConfig) {
    const { pyp2pNodes, pyp2pNodesPerHost } = config.limits;
    this.#room = new Admission({ most: pyp2pNodes, mostOfSite: pyp2pNodesPerHost });
    this.#neighbours = new Neighbours(config.runtime.random);
  }

  /** Reads who has registered: PyP2P's nodes do so but once. */
  async load(): Promise<void> {
    const { store } = this.config;
    const nodes: Node[] = [];
    for await (const [key, value] of store.entries()) {
      const node = key.startsWith(PREFIX) ? parseNode(key.slice(PREFIX.length), value) : undefined;
      if (node !== undefined) nodes.push({ ...node, alive: this.#now() });
    }
    const gone = nodes.sort((a, b) => a.since - b.since).flatMap((node) => this.#admit(node) ?? [node]);
    store.holds({ prefix: PREFIX, entries: () => this.#stored() });
    await store.delete(gone.map(keyOf));
  }

  /** Forgets who has not been heard of. */
  async sweep(): Promise<void> {
    const now = this.#now();
    const gone = [...this.#nodes.values()].filter(({ alive }) => alive + FORGET_MS <= now);
    for (const node of gone) this.#forget(node);
    await this.config.store.delete(gone.map(keyOf));
    for (const [network, { until }] of this.#mutexes) if (until <= now) this.#mutexes.delete(network);
  }

  answer(exchange: Exchange): void {
    const query = exchange.url.searchParams;
    const call = query.get('call') ?? '';
    const id = nodeIdOf(query.get('node_id'));
    const isPublic = query.get('list_pop') === '0';
    if (id === undefined) {
      fail(exchange);
    } else if (call === 'register') {
      this.#register(id, exchange).catch(() => exchange.response.destroy());
    } else if (call === 'list' && isPublic) {
      sayJson(exchange.response, messagesOf(this.#list(valueOf(id))));
    } else {
      const node = this.#known(id, query.get('password') ?? '');
      if (node === undefined) fail(exchange);
      else this.#answerNode(call, node, isPublic, exchange);
    }
  }

  #answerNode(call: string, node: Node, isPublic: boolean, exchange: Exchange): void {
    const { response, url } = exchange;
    node.alive = this.#now();
    this.#neighbours.add(node);
    switch (call) {
      case 'put':
        this.#put(node, isPublic, exchange).catch(() => response.destroy());
        return;
      case 'list':
        this.#pop(boxOf(node.id), exchange);
        return;
      case 'last_alive':
        say(response, 200, 'success');
        return;
      case 'get_mutex':
        say(response, 200, this.#hasMutex(node, true) ? '1' : '0');
        return;
      case 'find_neighbours':
        sayJson(response, this.#neighboursOf(node, url.searchParams.get('network_id') ?? 'default'));
        return;
      default:
        fail(exchange);
    }
  }

  async #register(id: string, exchange: Exchange): Promise<void> {
    const { url, address, response } = exchange;
    const { store } = this.config;
    const password = url.searchParams.get('password') ?? '';
    const ip = canonicalAddress(url.searchParams.get('ip') ?? address);
    const port = portOf(url.searchParams.get('port') ?? '1');
    const network = url.searchParams.get('network_id') ?? 'default';
    const host = siteOf(address);
    if (password === '' || password.length > MAX_PASSWORD || network.length > MAX_NETWORK) {
      fail(exchange);
    } else if (this.#nodes.has(id)) {
      say(response, 200, 'Already registered.success');
    } else if (ip === undefined || port === undefined) {
      fail(exchange);
    } else {
      const salt = randomBytes(16).toString('base64url');
      const now = this.#now();
      const node = { id, ip, port, network, host, salt, hash: hashOf(salt, password), since: now, alive: now };
      const gone = this.#admit(node);
      if (gone === undefined) {
        fail(exchange);
        return;
      }
      try {
        await store.put(keyOf(node), valueOfNode(node), gone.map(keyOf));
        say(response, 200, 'success');
      } catch {
        this.#forget(node);
        // Nobody has given way to it after all.
        for (const other of gone) if (!this.#nodes.has(other.id)) this.#admit(other);
        fail(exchange);
      }
    }
  }

  async #put(node: Node, isPublic: boolean, exchange: Exchange): Promise<void> {
    const { boxes, limits, runtime } = this.config;
    const query = exchange.url.searchParams;
    const destination = nodeIdOf(query.get('dest_node_id'));
    const message = query.get('msg') ?? '';
    if (destination === undefined || !/^(?:[0-9a-f]{2})+$/i.test(message) || message.length > 2 * limits.messageBytes) {
      fail(exchange);
      return;
    }
    const arrived = this.#now();
    const refusal = await boxes.put({
      to: isPublic ? valueOf(destination) : boxOf(destination),
      from: boxOf(node.id),
      id: runtime.newId(),
      message,
      seenAt: exchange.address,
      receipt: runtime.newId(),
      arrived,
      expires: arrived + limits.keepMs,
    });
    if (refusal === undefined) say(exchange.response, 200, 'success');
    else fail(exchange);
  }

  /** Answers with what has come, as soon as something has, and deletes it once it has been written. */
  #pop(owner: string, exchange: Exchange): void {
    const { boxes, polls } = this.config;
    const { response, address } = exchange;
    const bring = () => {
      const messages = this.#list(owner);
      const receipts = messages.map(({ receipt }) => receipt);
      response.once('finish', () => {
        void boxes.acknowledge(owner, receipts);
      });
      sayJson(response, messagesOf(messages));
    };
    if (this.#list(owner).length > 0) {
      bring();
      return;
    }
    const leave = polls.park({ owner, host: siteOf(address), waitMs: LIST_WAIT_MS, answer: bring });
    if (leave === undefined) say(response, 503, 'Too many wait here already.\n');
    else whenGone(response, leave);
  }

  #list(owner: string): readonly Kept[] {
    return this.config.boxes.list(owner, NOTHING, LISTED);
  }

  #hasMutex({ id, network }: Node, isWanted: boolean): boolean {
    const now = this.#now();
    const mutex = this.#mutexes.get(network);
    const isFree = mutex === undefined || mutex.until <= now;
    if (isWanted && (isFree || mutex.id === id)) this.#mutexes.set(network, { id, until: now + MUTEX_MS });
    return this.#mutexes.get(network)?.id === id;
  }

  #neighboursOf(node: Node, network: string) {
    const since = this.#now() - ALIVE_MS;
    // One more, since the node itself may be among them.
    const neighbours = this.#neighbours
      .sample(network, MAX_NEIGHBOURS + 1, since)
      .filter(({ id }) => id !== node.id)
      .slice(0, MAX_NEIGHBOURS);
    const mayTest = this.#hasMutex(node, false);
    return neighbours.map(({ ip, port, id }, index) => ({
      ip,
      port,
      id,
      can_test: mayTest && index === 0 ? 1 : 0,
    }));
  }

  /** Takes a node in, if there is room or another gives way. Returns which have; `undefined` when it is not in. */
  #admit(node: Node): readonly Node[] | undefined {
    const { isIn, gaveWay } = this.#room.admit(node.host, node);
    if (!isIn) return undefined;
    if (gaveWay !== undefined) this.#forget(gaveWay);
    this.#nodes.set(node.id, node);
    this.#neighbours.add(node);
    return gaveWay === undefined ? [] : [gaveWay];
  }

  #forget(node: Node): void {
    this.#room.leave(node.host, node);
    this.#neighbours.delete(node);
    if (this.#nodes.get(node.id) === node) this.#nodes.delete(node.id);
    if (this.#mutexes.get(node.network)?.id === node.id) this.#mutexes.delete(node.network);
  }

  *#stored(): Iterable<readonly [key: string, value: string]> {
    for (const node of this.#nodes.values()) yield [keyOf(node), valueOfNode(node)];
  }

  /** The node, when the password is its own. */
  #known(id: string, password: string): Node | undefined {
    const node = this.#nodes.get(id);
    if (node === undefined || password.length > MAX_PASSWORD) return undefined;
    const hash = Buffer.from(hashOf(node.salt, password));
    return timingSafeEqual(hash, Buffer.from(node.hash)) ? node : undefined;
  }

  #now(): number {
    return this.config.runtime.timeOfDay();
  }
}

function fail({ response }: Exchange): void {
  say(response, 200, 'failure');
}

function messagesOf(kept: readonly Kept[]): readonly string[] {
  return kept.map(({ message }) => message);
}

// Nobody else's owners look like these: peer ids have no spaces.
function boxOf(id: string): string {
  return `pyp2p ${id}`;
}

function valueOf(id: string): string {
  return `pyp2p value ${id}`;
}

function nodeIdOf(text: string | null): string | undefined {
  return text !== null && /^[0-9a-f]{40}$/i.test(text) ? text.toLowerCase() : undefined;
}

/** PyP2P's nodes that listen nowhere say 0. */
function portOf(text: string): number | undefined {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65535 ? port : undefined;
}

/** Always of the same length. */
function hashOf(salt: string, password: string): string {
  return createHash('sha256').update(salt).update(password).digest('base64url');
}

function keyOf({ id }: Node): string {
  return PREFIX + id;
}

/** As a node is stored: when it was last heard of changes all the time, and is not. */
function valueOfNode({ id, ip, port, network, host, salt, hash, since }: Node): string {
  return JSON.stringify({ id, ip, port, network, host, salt, hash, since });
}

function parseNode(nodeId: string, value: string): Node | undefined {
  const { ip, port, network, host, salt, hash, since = 0 } = parseJsonObject(value) ?? {};
  const id = nodeIdOf(nodeId);
  const address = typeof ip === 'string' ? canonicalAddress(ip) : undefined;
  if (id === undefined || address === undefined || typeof port !== 'number') return undefined;
  if (typeof network !== 'string' || typeof host !== 'string' || typeof salt !== 'string') return undefined;
  if (typeof since !== 'number') return undefined;
  if (typeof hash !== 'string' || hash.length !== hashOf('', '').length) return undefined;
  return { id, ip: address, port, network, host, salt, hash, since, alive: 0 };
}
