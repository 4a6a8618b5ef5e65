import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import type { Runtime } from '../../lib/runtime.js';
import {
  AHEAD_MS,
  decodePut,
  decodeTake,
  encodeTaken,
  isAuthorized,
  MAX_TAKEN,
  REFUSALS,
  REQUEST_MAX_BYTES,
  type MailboxVerb,
  type PutRequest,
  type RefusalCode,
  type TakeRequest,
} from '../../lib/signalling/carriers/mailbox-messages.js';
import { say, sayJson, sayRefused, whenGone } from '../http/answers.js';
import { bodyOf } from '../http/body.js';
import type { Exchange, HttpService } from '../http/service.js';
import { faultOf } from '../http/signed.js';
import { Boxes } from './boxes.js';
import type { MailboxServerLimits } from './limits.js';
import { Owners } from './owners.js';
import { Polls } from './polls.js';
import { Pyp2pMailbox } from './pyp2p/mailbox.js';
import type { Watch } from '../watch.js';
import type { MessageStore } from './store.js';

/** The most bytes of messages in one answer: few enough for a slow client. */
const TAKEN_MAX_BYTES = 256 * 1024;

/** What a {@link Mailbox} needs. */
interface MailboxConfig {
  readonly store: MessageStore;
  /** The names by which clients know this server. `undefined`: any. */
  readonly hosts: ReadonlySet<string> | undefined;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;
}

/** Answers requests to keep messages and to hand them over: our own here, PyP2P's by {@link Pyp2pMailbox}. */
export class Mailbox {
  readonly #boxes: Boxes;
  readonly #polls: Polls;
  readonly #owners: Owners;
  readonly #pyp2p: Pyp2pMailbox;
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #mayAsk: (host: string) => boolean;
  readonly #maySend: (sender: string) => boolean;
  readonly #forget: () => void;
  #isDraining = false;

  /** When this server started. It does not know which takes were answered before. */
  readonly #started: number;

  readonly store: MessageStore;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;

  constructor({ store, hosts, limits, runtime, watch }: MailboxConfig) {
    this.store = store;
    this.limits = limits;
    this.runtime = runtime;
    this.watch = watch;
    const { timeOfDay, scheduler } = runtime;
    const now = () => scheduler.now();
    this.#polls = new Polls(limits, scheduler);
    this.#owners = new Owners({ most: limits.owners, now });
    this.#started = timeOfDay();
    this.#boxes = new Boxes({
      store,
      limits,
      now: timeOfDay,
      watch,
      arrived: (to) => {
        this.#polls.wake(to);
      },
    });
    this.#pyp2p = new Pyp2pMailbox({ store, boxes: this.#boxes, polls: this.#polls, limits, runtime });
    this.#hosts = hosts;
    this.#forget = watch.gauge('mailboxPolls', () => this.#polls.size);
    const { requestsPerSecond, requestBurst, putsPerMinute, putBurst } = limits;
    this.#mayAsk = siteBuckets({ perSecond: requestsPerSecond, burst: requestBurst, now });
    this.#maySend = siteBuckets({ perSecond: putsPerMinute / 60, burst: putBurst, now });
  }

  async load(): Promise<void> {
    await this.#boxes.load();
    await this.#pyp2p.load();
  }

  async sweep(): Promise<void> {
    await this.#pyp2p.sweep();
    await this.#boxes.sweep();
  }

  /** Nobody waits here any more: they can wait elsewhere. What is here to be taken is still handed over. */
  drain(): void {
    this.#isDraining = true;
    this.#polls.endAll();
  }

  close(): void {
    this.#polls.close();
    this.#boxes.close();
    this.#forget();
  }

  readonly service: HttpService = (exchange) => {
    const { method, url, address } = exchange;
    const verb = method === 'POST' ? verbOf(url.pathname) : undefined;
    const isPyp2p = method === 'GET' && url.pathname.endsWith('/dht_msg.php');
    if (verb === undefined && !isPyp2p) return false;
    if (!this.#mayAsk(siteOf(address))) {
      this.#refuse(exchange, 'too-often', 'too many requests from this address');
    } else if (verb === undefined) {
      this.#pyp2p.answer(exchange);
    } else {
      this.#answer(verb, exchange).catch(() => exchange.response.destroy());
    }
    return true;
  };

  async #answer(verb: MailboxVerb, exchange: Exchange): Promise<void> {
    const body = await bodyOf(exchange, REQUEST_MAX_BYTES);
    if (body === undefined) {
      this.#refuse(exchange, 'too-large', `a request has at most ${REQUEST_MAX_BYTES} bytes`);
      return;
    }
    const text = body.toString('utf8');
    const request = verb === 'put' ? decodePut(text) : decodeTake(text);
    if (request === undefined) {
      this.#refuse(exchange, 'malformed', `expected a ${verb}`);
      return;
    }
    const caller = 'owner' in request ? request.owner : request.from;
    const fault = faultOf({
      headers: exchange.request.headers,
      at: request.at,
      now: this.runtime.timeOfDay(),
      hosts: this.#hosts,
      isAuthorized: (host, authorization) => isAuthorized(caller, verb, host, body, authorization),
    });
    if (fault !== undefined) this.#refuse(exchange, ...fault);
    else if ('owner' in request) await this.#take(request, exchange);
    else await this.#put(request, exchange);
  }

  async #put({ from: sender, to, id, keepMs, message }: PutRequest, exchange: Exchange): Promise<void> {
    const { messageBytes, keepMs: mostMs } = this.limits;
    if (Buffer.byteLength(message, 'base64url') > messageBytes) {
      this.#refuse(exchange, 'too-large', `a message has at most ${messageBytes} bytes`);
      return;
    }
    if (!this.#maySend(sender)) {
      this.#refuse(exchange, 'too-often', 'too many messages from this sender');
      return;
    }
    const arrived = this.runtime.timeOfDay();
    const isPresent = this.#polls.has(to) || this.#owners.isPresent(to);
    const refusal = await this.#boxes.put({
      to,
      from: sender,
      id,
      message,
      seenAt: exchange.address,
      receipt: this.runtime.newId(),
      arrived,
      expires: arrived + Math.max(1, Math.min(keepMs, mostMs)),
    });
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal, 'there is no room for the message');
      return;
    }
    this.watch.count('mailboxPuts', isPresent ? 'awaited' : 'kept');
    sayJson(exchange.response, { delivered: isPresent });
  }

  async #take({ owner, at, waitMs, acknowledge, holding }: TakeRequest, exchange: Exchange): Promise<void> {
    const last = this.#owners.lastOf(owner) ?? 0;
    const host = siteOf(exchange.address);
    if (at <= last) {
      this.#refuse(exchange, 'replayed', 'a later take has come already', last + 1);
      return;
    }
    // This server's clock may have been set back since the owner came last.
    if (at < this.#started || at > Math.max(this.runtime.timeOfDay(), last) + AHEAD_MS) {
      this.#refuse(
        exchange,
        'untimely',
        'the take is from before the start of this server, or its time is still to come',
      );
      return;
    }
    if (!this.#owners.visit(owner, host, at)) {
      this.#refuse(exchange, 'host-full', 'too many receivers at this address');
      return;
    }
    if (acknowledge.length > 0) await this.#boxes.acknowledge(owner, acknowledge);
    if (this.#owners.lastOf(owner) !== at) {
      // A later take has come meanwhile.
      this.#bringNothing(exchange);
      return;
    }
    const held = new Set(holding);
    if (waitMs === 0 || this.#isDraining || this.#list(owner, held).length > 0) {
      this.#bring(owner, held, exchange);
      // An older poll of the same owner ends.
      this.#polls.end(owner);
      return;
    }
    const leave = this.#polls.park({
      owner,
      host,
      waitMs,
      answer: (hasArrived) => {
        this.#owners.stay(owner);
        if (hasArrived) this.#bring(owner, held, exchange);
        else this.#bringNothing(exchange);
      },
    });
    if (leave === undefined) this.#refuse(exchange, 'too-many-polls', 'too many wait here already');
    else {
      whenGone(exchange.response, () => {
        if (leave()) this.#owners.left(owner);
      });
    }
  }

  #list(owner: string, held: ReadonlySet<string>) {
    return this.#boxes.list(owner, held, { messages: MAX_TAKEN, bytes: TAKEN_MAX_BYTES });
  }

  #bring(owner: string, held: ReadonlySet<string>, { response }: Exchange): void {
    const now = this.runtime.timeOfDay();
    const messages = this.#list(owner, held).map(({ receipt, from: sender, message, seenAt, arrived }) => ({
      receipt,
      from: sender,
      message,
      seenAt,
      ageMs: Math.max(0, now - arrived),
    }));
    this.watch.count('mailboxTakes', messages.length > 0 ? 'messages' : 'nothing');
    say(response, 200, encodeTaken(messages), 'application/json');
  }

  #bringNothing({ response }: Exchange): void {
    this.watch.count('mailboxTakes', 'nothing');
    say(response, 200, encodeTaken([]), 'application/json');
  }

  #refuse(exchange: Exchange, refused: RefusalCode, words: string, now = this.runtime.timeOfDay()): void {
    const { response, address, url } = exchange;
    const verb = verbOf(url.pathname);
    if (verb !== undefined) this.watch.count(verb === 'put' ? 'mailboxPuts' : 'mailboxTakes', 'refused');
    this.watch.refused('mailbox', refused, siteOf(address));
    sayRefused(response, REFUSALS[refused], { refused, words, now });
  }
}

/** Below any path, as a proxy may have it. */
function verbOf(path: string): MailboxVerb | undefined {
  if (path.endsWith('/mailbox/put')) return 'put';
  return path.endsWith('/mailbox/take') ? 'take' : undefined;
}
