import {
  defer,
  exhaustMap,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  of,
  switchMap,
  timer,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../../lib/config.js';
import type { Endpoint } from '../../lib/endpoint.js';
import { siteOf } from '../../lib/bounds/site.js';
import { untroubled } from '../../lib/operators/untroubled.js';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { CLOCK_MS } from '../../lib/signed-request.js';
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
} from '../../lib/signalling/mailbox-messages.js';
import { hostNames } from '../host-names.js';
import {
  bodyOf,
  httpServer$,
  say,
  sayJson,
  whenGone,
  type Exchange,
  type HttpServerLimits,
  type HttpService,
} from '../http/server.js';
import { Boxes, type BoxLimits } from './boxes.js';
import { Owners } from './owners.js';
import { Polls, type PollLimits } from './polls.js';
import { Pyp2pMailbox, type Pyp2pLimits } from './pyp2p.js';
import { levelStore$ } from './level-store.js';
import { forgetfulStore, type MessageStore, type StorageState } from './store.js';

/** What the mailbox is made of, as a service of an HTTP server. */
export interface MailboxServiceConfig {
  /** A folder for the messages, made if need be, of no other server. Default: they are gone when the server is. */
  readonly dataFolder?: string | undefined;
  /**
   * The names by which clients know this server, each as in their URLs: `rv.example.org:8080`. A request that was signed for
   * another is refused, so that no other server can pass on what it was asked. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<MailboxServerLimits> | undefined;
}

/** What a mailbox server is made of. */
export interface MailboxServerConfig extends MailboxServiceConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
  /** What its HTTP server bears, where it is not to be the default. */
  readonly http?: Partial<HttpServerLimits> | undefined;
}

/** What one mailbox bears. All messages together are in memory, too. */
export interface MailboxServerLimits extends BoxLimits, PollLimits, Pyp2pLimits {
  /** The longest message, in bytes. */
  readonly messageBytes: number;
  /** For how long a message is kept at most, in milliseconds, whatever its sender asks for. */
  readonly keepMs: number;
  /** Messages a minute of one sender, on average. */
  readonly putsPerMinute: number;
  /** Messages at once of one sender. */
  readonly putBurst: number;
  /** Requests a second from one IPv4 address or IPv6 /48, on average. */
  readonly requestsPerSecond: number;
  /** Requests at once from one IPv4 address or IPv6 /48. */
  readonly requestBurst: number;
  /** Receivers that are remembered to have come. */
  readonly owners: number;
  /** Every so often what has expired is deleted, in milliseconds. */
  readonly sweepMs: number;
}

export const DEFAULT_MAILBOX_LIMITS: MailboxServerLimits = {
  messageBytes: 16 * 1024,
  keepMs: 600_000,
  messagesPerRecipient: 1_000,
  bytesPerRecipient: 4 * 1024 * 1024,
  messagesPerSender: 100,
  bytesPerSender: 512 * 1024,
  messagesPerHost: 125,
  bytesPerHost: 512 * 1024,
  messages: 50_000,
  bytes: 64 * 1024 * 1024,
  putsPerMinute: 120,
  putBurst: 60,
  requestsPerSecond: 50,
  requestBurst: 500,
  polls: 10_000,
  pollsPerHost: 128,
  owners: 50_000,
  sweepMs: 10_000,
  pyp2pNodes: 10_000,
  pyp2pNodesPerHost: 64,
};

/** A mailbox that runs. */
export interface MailboxService {
  /** What an HTTP server has it answer. */
  readonly service: HttpService;
  /** Whether it can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message (`not-saved`). */
  readonly storage$: Observable<StorageState>;
}

/** A mailbox server that runs. */
export interface MailboxServer {
  /** Where it listens. */
  readonly local: Endpoint;
  /** Whether it can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message (`not-saved`). */
  readonly storage$: Observable<StorageState>;
}

/** The bytes of one answer: few enough to be read before anybody loses patience. */
const TAKEN_MAX_BYTES = 256 * 1024;

/** Hosts, and senders, whose requests are counted. */
const MAX_COUNTED = 10_000;

/** When to try again after a refusal that passes, in seconds. */
const RETRY_AFTER_S = 30;

/**
 * Runs a mailbox for as long as it is subscribed to: an HTTP server that keeps small messages for nodes until they come for
 * them. Emits once it listens. Never completes. What it answers is written at the top of `lib/signalling/mailbox-messages.ts`; PyP2P's
 * `dht_msg.php` is answered below any path.
 *
 * With a folder a message is on disk before its sender hears that it is kept: neither a crash nor a power failure loses it. After a
 * write has failed (the disk is full, say), it accepts nothing until what it keeps is on the disk again, and tries every second.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; StoreError (`STORE`) when the folder cannot be used;
 * InvalidOptionError (`INVALID_OPTION`) when a host or a limit is none.
 *
 * @example
 * mailboxServer$({ port: 8080, dataFolder: '/var/lib/rxp2p' }).subscribe(({ local }) => console.log(local.port));
 */
export function mailboxServer$(
  { bind, port = 8080, http, ...config }: MailboxServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<MailboxServer> {
  return mailboxService$(config, runtime).pipe(
    switchMap(({ service, storage$ }) =>
      httpServer$({ bind, port, limits: http, services: [of(service)] }, runtime.scheduler).pipe(
        map(({ local }) => ({ local, storage$ })),
      ),
    ),
  );
}

/** What {@link mailboxServer$} answers, as a service of an HTTP server. */
export function mailboxService$(
  { dataFolder, hosts, limits: given }: MailboxServiceConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<MailboxService> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_MAILBOX_LIMITS, given, MAX_TIMER_MS);
    const names = hosts && hostNames(hosts);
    const { scheduler } = runtime;
    const store$ = dataFolder === undefined ? of(forgetfulStore) : levelStore$(dataFolder, scheduler);
    return store$.pipe(
      map((store) => new Mailbox(store, names, limits, runtime)),
      switchMap((mailbox) => from(mailbox.load()).pipe(map(() => mailbox))),
      switchMap((mailbox) => {
        const sweeping$ = timer(limits.sweepMs, limits.sweepMs, scheduler).pipe(
          exhaustMap(() => from(mailbox.sweep()).pipe(untroubled())),
          ignoreElements(),
        );
        return merge(of({ service: mailbox.service, storage$: mailbox.store.state$ }), sweeping$).pipe(
          finalize(() => {
            mailbox.close();
          }),
        );
      }),
    );
  });
}

class Mailbox {
  readonly #boxes: Boxes;
  readonly #polls: Polls;
  readonly #owners: Owners;
  readonly #pyp2p: Pyp2pMailbox;
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #mayAsk: (host: string) => boolean;
  readonly #maySend: (sender: string) => boolean;

  /** When this server started. It does not know which takes were answered before. */
  readonly #started: number;

  constructor(
    readonly store: MessageStore,
    hosts: ReadonlySet<string> | undefined,
    readonly limits: MailboxServerLimits,
    readonly runtime: Runtime,
  ) {
    const { timeOfDay, scheduler } = runtime;
    const now = () => scheduler.now();
    this.#polls = new Polls(limits, scheduler);
    this.#owners = new Owners({ most: limits.owners, now });
    this.#started = timeOfDay();
    this.#boxes = new Boxes({
      store,
      limits,
      now: timeOfDay,
      arrived: (to) => {
        this.#polls.wake(to);
      },
    });
    this.#pyp2p = new Pyp2pMailbox({ store, boxes: this.#boxes, polls: this.#polls, limits, runtime });
    this.#hosts = hosts;
    const { requestsPerSecond, requestBurst, putsPerMinute, putBurst } = limits;
    this.#mayAsk = siteBuckets({ perSecond: requestsPerSecond, burst: requestBurst, maxSites: MAX_COUNTED, now });
    this.#maySend = siteBuckets({ perSecond: putsPerMinute / 60, burst: putBurst, maxSites: MAX_COUNTED, now });
  }

  async load(): Promise<void> {
    await this.#boxes.load();
    await this.#pyp2p.load();
  }

  async sweep(): Promise<void> {
    await this.#pyp2p.sweep();
    await this.#boxes.sweep();
  }

  close(): void {
    this.#polls.close();
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
    const { host = '', authorization } = exchange.request.headers;
    const now = this.runtime.timeOfDay();
    if (this.#hosts?.has(host.toLowerCase()) === false) {
      this.#refuse(exchange, 'signature', 'this server is not known by the name in the request');
    } else if (!isAuthorized(caller, verb, host, body, authorization)) {
      this.#refuse(exchange, 'signature', 'the request is not signed by whom it is from');
    } else if (Math.abs(request.at - now) > CLOCK_MS) {
      this.#refuse(exchange, 'clock', 'the clock of the caller is wrong');
    } else if ('owner' in request) {
      await this.#take(request, exchange);
    } else {
      await this.#put(request, exchange);
    }
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
    if (refusal === undefined) sayJson(exchange.response, { delivered: isPresent });
    else this.#refuse(exchange, refusal, 'there is no room for the message');
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
      // A later one has come meanwhile.
      say(exchange.response, 200, encodeTaken([]), 'application/json');
      return;
    }
    const held = new Set(holding);
    if (waitMs === 0 || this.#list(owner, held).length > 0) {
      this.#bring(owner, held, exchange);
      // Whoever waits for the same is not the owner any more.
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
        else say(exchange.response, 200, encodeTaken([]), 'application/json');
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
    say(response, 200, encodeTaken(messages), 'application/json');
  }

  #refuse({ response }: Exchange, refused: RefusalCode, words: string, now = this.runtime.timeOfDay()): void {
    const status = REFUSALS[refused];
    if (status === 429 || status === 503) response.setHeader('retry-after', RETRY_AFTER_S);
    sayJson(response, { refused, words, now }, status);
  }
}

/** Below any path, as a proxy may have it. */
function verbOf(path: string): MailboxVerb | undefined {
  if (path.endsWith('/mailbox/put')) return 'put';
  return path.endsWith('/mailbox/take') ? 'take' : undefined;
}
