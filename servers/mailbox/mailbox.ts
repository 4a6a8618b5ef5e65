import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import type { Runtime } from '../../lib/runtime.js';
import {
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
import { StoreError } from '../../lib/errors.js';
import type { RedisConnection } from '../store/redis/connection.js';
import { Boxes } from './boxes.js';
import type { Kept } from './kept.js';
import type { MailboxServerLimits } from './limits.js';
import type { MessageBoxes, VisitRefusal, Visits } from './message-boxes.js';
import { Owners } from './owners.js';
import { Polls } from './polls.js';
import { Pyp2pMailbox } from './pyp2p/mailbox.js';
import { SharedBoxes } from './shared/boxes.js';
import { SharedVisits } from './shared/visits.js';
import type { Watch } from '../watch.js';
import type { MessageStore } from './store.js';

/** The most bytes of messages in one answer: few enough for a slow client. */
const TAKEN_MAX_BYTES = 256 * 1024;

/** What a {@link Mailbox} needs. */
interface MailboxConfig {
  readonly store: MessageStore;
  /** What several servers share; `undefined` where this is the only one. */
  readonly shared: SharedMailbox | undefined;
  /** The names by which clients know this server. `undefined`: any. */
  readonly hosts: ReadonlySet<string> | undefined;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;
}

/** A Redis in which several servers keep the messages and visits of all. */
export interface SharedMailbox {
  readonly connection: RedisConnection;
  /** In how many places they are. */
  readonly places: number;
}

/** Answers requests to keep messages and to hand them over: our own here, PyP2P's by {@link Pyp2pMailbox}. */
export class Mailbox {
  readonly #boxes: MessageBoxes;
  readonly #polls: Polls;
  readonly #visits: Visits;
  /** Those of this process alone: {@link Mailbox.#boxes}, where nothing is shared. */
  readonly #own: Boxes;
  readonly #pyp2p: Pyp2pMailbox;
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #mayAsk: (host: string) => boolean;
  readonly #maySend: (sender: string) => boolean;
  readonly #forget: () => void;
  #isDraining = false;

  readonly store: MessageStore;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;

  constructor({ store, shared, hosts, limits, runtime, watch }: MailboxConfig) {
    this.store = store;
    this.limits = limits;
    this.runtime = runtime;
    this.watch = watch;
    const { timeOfDay, scheduler } = runtime;
    const now = () => scheduler.now();
    const arrived = (to: string) => {
      this.#polls.wake(to);
    };
    this.#polls = new Polls(limits, scheduler, (owner, isWaiting) => {
      if (isWaiting) void this.#boxes.listen(owner);
      else this.#boxes.leave(owner);
    });
    // PyP2P's mailboxes are each server's own.
    const own = new Boxes({ store, limits, now: timeOfDay, watch, arrived });
    if (shared === undefined) {
      this.#boxes = own;
      this.#visits = new Owners({ most: limits.owners, now, timeOfDay });
    } else {
      this.#boxes = new SharedBoxes({ ...shared, limits, now: timeOfDay, arrived });
      this.#visits = new SharedVisits({ ...shared, most: limits.owners, now: timeOfDay });
    }
    this.#pyp2p = new Pyp2pMailbox({ store, boxes: own, polls: this.#polls, limits, runtime });
    this.#own = own;
    this.#hosts = hosts;
    this.#forget = watch.gauge('mailboxPolls', () => this.#polls.size);
    const { requestsPerSecond, requestBurst, putsPerMinute, putBurst } = limits;
    this.#mayAsk = siteBuckets({ perSecond: requestsPerSecond, burst: requestBurst, now });
    this.#maySend = siteBuckets({ perSecond: putsPerMinute / 60, burst: putBurst, now });
  }

  async load(): Promise<void> {
    await this.#own.load();
    await this.#pyp2p.load();
  }

  async sweep(): Promise<void> {
    await this.#pyp2p.sweep();
    await this.#own.sweep();
    if (this.#boxes !== this.#own) await this.#boxes.sweep();
  }

  /** Nobody waits here any more: they can wait elsewhere. What is here to be taken is still handed over. */
  drain(): void {
    this.#isDraining = true;
    this.#polls.endAll();
  }

  close(): void {
    this.#polls.close();
    this.#own.close();
    if (this.#boxes !== this.#own) this.#boxes.close();
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
      this.#answer(verb, exchange).catch((error: unknown) => {
        this.#fail(exchange, error);
      });
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
    // Whether the receiver is there shall be told as it was when the message came.
    const presence = this.#polls.has(to) || this.#visits.isPresent(to);
    // The message is kept, whatever else the store can tell.
    const isPresent = typeof presence === 'boolean' ? presence : presence.catch(() => false);
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
    this.watch.took('mailbox write', Math.max(0, this.runtime.timeOfDay() - arrived));
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal, 'there is no room for the message');
      return;
    }
    const delivered = await isPresent;
    this.watch.count('mailboxPuts', delivered ? 'awaited' : 'kept');
    sayJson(exchange.response, { delivered });
  }

  async #take({ owner, at, waitMs, acknowledge, holding }: TakeRequest, exchange: Exchange): Promise<void> {
    const host = siteOf(exchange.address);
    const visit = this.#visits.visit(owner, host, at);
    const refusal = visit instanceof Promise ? await visit : visit;
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal.refused, WORDS[refusal.refused], 'now' in refusal ? refusal.now : undefined);
      return;
    }
    if (acknowledge.length > 0) {
      await this.#boxes.acknowledge(owner, acknowledge);
      if (!(await this.#visits.isLatest(owner, at))) {
        // A later take has come meanwhile.
        this.#bringNothing(exchange);
        return;
      }
    }
    const held = new Set(holding);
    const listed = this.#list(owner, held);
    const messages = listed instanceof Promise ? await listed : listed;
    if (waitMs === 0 || this.#isDraining || messages.length > 0) {
      this.#bring(messages, exchange);
      // An older poll of the same owner ends.
      this.#polls.end(owner);
      return;
    }
    const leave = this.#polls.park({
      owner,
      host,
      waitMs,
      answer: (hasArrived) => {
        this.#visits.stay(owner);
        if (hasArrived) this.#bringListed(owner, held, exchange);
        else this.#bringNothing(exchange);
      },
    });
    if (leave === undefined) {
      this.#refuse(exchange, 'too-many-polls', 'too many wait here already');
      return;
    }
    whenGone(exchange.response, () => {
      if (leave()) this.#visits.left(owner);
    });
    if (this.#boxes !== this.#own) await this.#lookAgain(owner, held);
  }

  /** A message may have come to another process before this one listened for it. */
  async #lookAgain(owner: string, held: ReadonlySet<string>): Promise<void> {
    try {
      await this.#boxes.listen(owner);
      if ((await this.#list(owner, held)).length > 0) this.#polls.wake(owner);
    } catch {
      // The store is gone: whoever waits is woken when it is there again, or asks again.
    }
  }

  #list(owner: string, held: ReadonlySet<string>) {
    return this.#boxes.list(owner, held, { messages: MAX_TAKEN, bytes: TAKEN_MAX_BYTES });
  }

  /** Brings what is there, at once where that is known here. */
  #bringListed(owner: string, held: ReadonlySet<string>, exchange: Exchange): void {
    const listed = this.#list(owner, held);
    if (!(listed instanceof Promise)) {
      this.#bring(listed, exchange);
      return;
    }
    listed.then(
      (messages) => {
        this.#bring(messages, exchange);
      },
      (error: unknown) => {
        this.#fail(exchange, error);
      },
    );
  }

  #bring(kept: readonly Kept[], { response }: Exchange): void {
    const now = this.runtime.timeOfDay();
    const messages = kept.map(({ receipt, from: sender, message, seenAt, arrived }) => ({
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

  /** Says that the store cannot be used; of anything else the caller is told nothing. */
  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof StoreError) this.#refuse(exchange, 'store-unavailable', 'the store cannot be used now');
    else exchange.response.destroy();
  }

  #refuse(exchange: Exchange, refused: RefusalCode, words: string, now = this.runtime.timeOfDay()): void {
    const { response, address, url } = exchange;
    const verb = verbOf(url.pathname);
    if (verb !== undefined) this.watch.count(verb === 'put' ? 'mailboxPuts' : 'mailboxTakes', 'refused');
    this.watch.refused('mailbox', refused, siteOf(address));
    sayRefused(response, REFUSALS[refused], { refused, words, now });
  }
}

const WORDS: Readonly<Record<VisitRefusal['refused'], string>> = {
  replayed: 'a later take has come already',
  untimely: 'the take is from before the start of this server, or its time is still to come',
  'host-full': 'too many receivers at this address',
};

/** Below any path, as a proxy may have it. */
function verbOf(path: string): MailboxVerb | undefined {
  if (path.endsWith('/mailbox/put')) return 'put';
  return path.endsWith('/mailbox/take') ? 'take' : undefined;
}
