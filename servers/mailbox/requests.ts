import { siteOf } from '../../lib/bounds/site.js';
import { StoreError } from '../../lib/errors.js';
import {
  decodePut,
  decodeTake,
  encodeTaken,
  isAuthorized,
  REFUSALS,
  REQUEST_MAX_BYTES,
  type MailboxVerb,
  type PutRequest,
  type RefusalCode,
  type TakeRequest,
} from '../../lib/signalling/carriers/mailbox-messages.js';
import { say, sayJson, sayRefused, whenGone } from '../http/answers.js';
import { Bodies } from '../http/body.js';
import type { Exchange, HttpService } from '../http/service.js';
import { faultOf } from '../http/signed.js';
import type { Kept } from './kept.js';
import type { Mailbox } from './mailbox.js';
import type { VisitRefusal } from './message-boxes.js';

/** Answers HTTP requests to a mailbox: our own here, PyP2P's by its own class. */
export class Requests {
  readonly #mailbox: Mailbox;
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #bodies = new Bodies();

  /** @param hosts the names by which clients know this server. `undefined`: any. */
  constructor(mailbox: Mailbox, hosts: ReadonlySet<string> | undefined) {
    this.#mailbox = mailbox;
    this.#hosts = hosts;
  }

  readonly service: HttpService = (exchange) => {
    const { method, url, address } = exchange;
    const verb = method === 'POST' ? verbOf(url.pathname) : undefined;
    const isPyp2p = method === 'GET' && url.pathname.endsWith('/dht_msg.php');
    if (verb === undefined && !isPyp2p) return false;
    if (!this.#mailbox.mayAsk(siteOf(address))) {
      this.#refuse(exchange, 'too-often', 'too many requests from this address');
    } else if (verb === undefined) {
      this.#mailbox.pyp2p.answer(exchange);
    } else {
      this.#answer(verb, exchange).catch((error: unknown) => {
        this.#fail(exchange, error);
      });
    }
    return true;
  };

  async #answer(verb: MailboxVerb, exchange: Exchange): Promise<void> {
    const body = await this.#bodies.of(exchange, REQUEST_MAX_BYTES);
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
      now: this.#mailbox.runtime.timeOfDay(),
      hosts: this.#hosts,
      isAuthorized: (host, authorization) => isAuthorized(caller, verb, host, body, authorization),
    });
    if (fault !== undefined) this.#refuse(exchange, ...fault);
    else if ('owner' in request) await this.#take(request, exchange);
    else await this.#put(request, exchange);
  }

  async #put(request: PutRequest, exchange: Exchange): Promise<void> {
    const outcome = await this.#mailbox.put({ ...request, seenAt: exchange.address });
    if ('refused' in outcome) this.#refuse(exchange, outcome.refused, outcome.words);
    else sayJson(exchange.response, { delivered: outcome.isPresent });
  }

  async #take({ owner, at, waitMs, acknowledge, holding }: TakeRequest, exchange: Exchange): Promise<void> {
    const host = siteOf(exchange.address);
    const visit = this.#mailbox.visits.visit(owner, host, at);
    const refusal = visit instanceof Promise ? await visit : visit;
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal.refused, WORDS[refusal.refused], 'now' in refusal ? refusal.now : undefined);
      return;
    }
    if (acknowledge.length > 0) {
      await this.#mailbox.boxes.acknowledge(owner, acknowledge);
      if (!(await this.#mailbox.visits.isLatest(owner, at))) {
        // A later take has come meanwhile.
        this.#bringNothing(exchange);
        return;
      }
    }
    const held = new Set(holding);
    const listed = this.#mailbox.list(owner, held);
    const messages = listed instanceof Promise ? await listed : listed;
    if (waitMs === 0 || this.#mailbox.isDraining || messages.length > 0) {
      this.#bring(messages, exchange);
      // An older poll of the same owner ends.
      this.#mailbox.polls.end(owner);
      return;
    }
    const leave = this.#mailbox.polls.park({
      owner,
      host,
      waitMs,
      answer: (hasArrived) => {
        this.#mailbox.visits.stay(owner);
        if (hasArrived) this.#bringListed(owner, held, exchange);
        else this.#bringNothing(exchange);
      },
    });
    if (leave === undefined) {
      this.#refuse(exchange, 'too-many-polls', 'too many wait here already');
      return;
    }
    whenGone(exchange.response, () => {
      if (leave()) this.#mailbox.visits.left(owner);
    });
    if (this.#mailbox.isShared) await this.#lookAgain(owner, held);
  }

  /** A message may have come to another process before this one listened for it. */
  async #lookAgain(owner: string, held: ReadonlySet<string>): Promise<void> {
    try {
      await this.#mailbox.boxes.listen(owner);
      if ((await this.#mailbox.list(owner, held)).length > 0) this.#mailbox.polls.wake(owner);
    } catch {
      // The store is gone: whoever waits is woken when it is there again, or asks again.
    }
  }

  /** Brings what is there, at once where that is known here. */
  #bringListed(owner: string, held: ReadonlySet<string>, exchange: Exchange): void {
    const listed = this.#mailbox.list(owner, held);
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
    this.#mailbox.watch.count('mailboxTakes', kept.length > 0 ? 'messages' : 'nothing');
    const messages = kept.map((each) => this.#mailbox.taken(each));
    say(response, 200, encodeTaken(messages), 'application/json');
  }

  #bringNothing({ response }: Exchange): void {
    this.#mailbox.watch.count('mailboxTakes', 'nothing');
    say(response, 200, encodeTaken([]), 'application/json');
  }

  /** Says that the store cannot be used; of anything else the caller is told nothing. */
  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof StoreError) this.#refuse(exchange, 'store-unavailable', 'the store cannot be used now');
    else exchange.response.destroy();
  }

  #refuse(exchange: Exchange, refused: RefusalCode, words: string, now = this.#mailbox.runtime.timeOfDay()): void {
    const { response, address, url } = exchange;
    const verb = verbOf(url.pathname);
    if (verb !== undefined) this.#mailbox.watch.count(verb === 'put' ? 'mailboxPuts' : 'mailboxTakes', 'refused');
    this.#mailbox.watch.refused('mailbox', refused, siteOf(address));
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
