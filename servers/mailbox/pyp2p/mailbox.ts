import { ownText } from '../../../lib/bounds/own-text.js';
import { siteOf } from '../../../lib/bounds/site.js';
import { canonicalAddress } from '../../../lib/endpoint.js';
import type { Runtime } from '../../../lib/runtime.js';
import { WAIT_MAX_MS } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { say, sayJson, whenGone } from '../../http/answers.js';
import type { Exchange } from '../../http/service.js';
import type { Boxes } from '../boxes.js';
import type { Kept } from '../kept.js';
import type { Polls } from '../polls.js';
import type { MessageStore } from '../store.js';
import type { Pyp2pLimits } from './limits.js';
import { nodeIdOf, withSalt, type Node } from './node.js';
import { MAX_PASSWORD, Nodes } from './nodes.js';

// PyP2P's `dht_msg.php?call=…&node_id=…&password=…`, a GET each. Node ids are 40 hex digits, messages hex.
//
//   register (ip, port, network_id)       `success`, after `Already registered.` when the id is known: that changes nothing
//   put (dest_node_id, msg, list_pop)     `success`; `failure` when it is malformed, or there is no room
//   list (list_pop)                       a JSON array of messages
//   last_alive                            `success`
//   get_mutex                             `1` for one node of each network at a time, for ten minutes; else `0`
//   find_neighbours (network_id)          a JSON array of { ip, port, id, can_test }, alive within ten minutes
//
// When no more nodes can be registered, a node of a smaller site takes the place of the newest node of the largest site (an IPv4
// address or IPv6 /48). The evicted node gets `failure`, and has to register again.
//
// Whoever gives a wrong password, or none of a node that is known, hears `failure`. Passwords are kept as salted hashes.
//
// `list_pop=1`, the default, is a box: `list` waits for up to 25 s while there is nothing, and what it answered is deleted.
// `list_pop=0` is what PyP2P keeps values of its DHT in: `list` needs no password, answers at once, and deletes nothing.
// `find_neighbours` gives the first neighbour to whoever has the mutex to be tested (`can_test` 1). The addresses are those
// that nodes register with, else where they come from: nothing proves them, as nothing does in PyP2P.

/** What PyP2P's mailboxes need. */
interface Pyp2pConfig {
  readonly store: MessageStore;
  readonly boxes: Boxes;
  readonly polls: Polls;
  readonly limits: Pyp2pLimits & { readonly messageBytes: number; readonly keepMs: number };
  readonly runtime: Runtime;
}

const MAX_NEIGHBOURS = 20;
const MAX_NETWORK = 64;

/** PyP2P's client has no timeout, but NATs and proxies on the way have. */
const LIST_WAIT_MS = Math.min(25_000, WAIT_MAX_MS);

const LISTED = { messages: 64, bytes: 256 * 1024 };

const NOTHING: ReadonlySet<string> = new Set();

/** PyP2P's mailboxes, in the same store as our own, and under the same limits. */
export class Pyp2pMailbox {
  readonly #nodes: Nodes;

  constructor(readonly config: Pyp2pConfig) {
    const { store, limits, runtime } = config;
    this.#nodes = new Nodes({ store, limits, now: runtime.timeOfDay, random: runtime.random });
  }

  /** Loads the registered nodes: PyP2P's nodes register only once. */
  load(): Promise<void> {
    return this.#nodes.load();
  }

  /** Forgets who has not been heard of. */
  sweep(): Promise<void> {
    return this.#nodes.sweep();
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
      const node = this.#nodes.known(id, query.get('password') ?? '');
      if (node === undefined) fail(exchange);
      else this.#answerNode(call, node, isPublic, exchange);
    }
  }

  #answerNode(call: string, node: Node, isPublic: boolean, exchange: Exchange): void {
    const { response, url } = exchange;
    this.#nodes.heard(node);
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
        say(response, 200, this.#nodes.hasMutex(node, true) ? '1' : '0');
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
      const now = this.#now();
      // What is kept must not keep the request that it is a part of.
      const own = { id: ownText(id), ip: ownText(ip), network: ownText(network) };
      const node = { ...own, port, host, ...withSalt(password), since: now, alive: now };
      if (await this.#nodes.register(node)) say(response, 200, 'success');
      else fail(exchange);
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

  #neighboursOf(node: Node, network: string) {
    // One more, since the node itself may be among them.
    const neighbours = this.#nodes
      .sample(network, MAX_NEIGHBOURS + 1)
      .filter(({ id }) => id !== node.id)
      .slice(0, MAX_NEIGHBOURS);
    const mayTest = this.#nodes.hasMutex(node, false);
    return neighbours.map(({ ip, port, id }, index) => ({
      ip,
      port,
      id,
      can_test: mayTest && index === 0 ? 1 : 0,
    }));
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

// These owners cannot collide with peer ids, which have no spaces.
function boxOf(id: string): string {
  return `pyp2p ${id}`;
}

function valueOf(id: string): string {
  return `pyp2p value ${id}`;
}

/** PyP2P's nodes that listen nowhere say 0. */
function portOf(text: string): number | undefined {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65535 ? port : undefined;
}
