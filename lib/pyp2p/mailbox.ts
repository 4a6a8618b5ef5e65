import { hkdfSync } from 'node:crypto';
import {
  catchError,
  defer,
  exhaustMap,
  from,
  map,
  merge,
  mergeMap,
  of,
  reduce,
  retry,
  share,
  switchMap,
  takeWhile,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { HttpError, TimeoutError } from '../errors.js';
import { fetch$ } from '../http.js';
import type { Identity } from '../identity.js';
import { backoffMs } from '../operators/backoff.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { SignalTrace } from '../signalling/steps.js';
import { decodeText, encodeText } from './mailbox-messages.js';

/** What a mailbox of PyP2P's needs. */
export interface Pyp2pMailboxConfig {
  readonly identity: Identity;
  /** Where the services are: `dht_msg.php` is below each. */
  readonly urls: readonly URL[];
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Runtime;
  readonly trace: SignalTrace;
  /** What asks by HTTP, for specs. */
  readonly fetch$?: typeof fetch$ | undefined;
}

/** A node's mailboxes as PyP2P's nodes have one each. Nobody tells who has put what there, and nothing is encrypted. */
export interface Pyp2pMailbox {
  /**
   * The texts that come for this node. The servers are asked only while somebody is subscribed. Never completes, never fails;
   * what is no text is dropped and told.
   */
  readonly message$: Observable<string>;
  /**
   * Puts a text into the mailbox of a node, at every server, since nobody knows at which of them it looks. Emits once whether
   * any of them took it, and completes. Never fails.
   *
   * @param nodeId 40 hex digits.
   */
  send$(nodeId: string, text: string): Observable<boolean>;
}

/**
 * A list waits for as long as the server lets it, but no longer than this: what stands between forgets silent connections
 * after a minute or so, and PyP2P's own server never ends one by itself. Ours does so after 25 s.
 */
const LIST_MS = 30_000;

/** For a server to answer anything else. */
const ANSWER_MS = 5_000;

/** The interval at which a server is asked, unless it still has to answer. */
const PACE_MS = 200;

/** After a failure. A server that restarts is back in seconds; to one that is gone a knock a minute does no harm. */
const BACKOFF = { firstMs: 500, mostMs: 60_000 };

/** A longer answer is a failure, in bytes: ours are at most half as long. */
const ANSWER_MAX_BYTES = 512 * 1024;

/** Texts of one answer. */
const MAX_LISTED = 64;

/** Not PyP2P's, so that none of its nodes is told that this one is part of its DHT. */
const NETWORK = 'rxp2p';

const PASSWORD_LENGTH = 24;

/** What a server lists that has nothing, and would go on waiting. */
const NOTHING = '[]';

/**
 * A client of PyP2P's `dht_msg.php`: registers this node with a password, asks again and again what has come, by long polls,
 * and puts texts into the mailboxes of others. A server that does not answer is asked later and later, and disturbs no other.
 *
 * The password goes to the server in the URL, as PyP2P has it. It is derived from the private key and the server's origin, so
 * that it is the same at each start and of no use at another server, and it is in no error and no trace. Whoever registers a
 * node's id first has its mailbox, which is why nothing of what comes is proof of anything.
 *
 * @example
 * const mailbox = pyp2pMailbox({ identity, urls: [new URL('http://rv.example.org:8080/')], runtime, trace });
 * mailbox.message$.subscribe((text) => console.log(text));
 * mailbox.send$(nodeId, 'hello').subscribe();
 */
export function pyp2pMailbox({ urls, ...config }: Pyp2pMailboxConfig): Pyp2pMailbox {
  const servers = urls.map((url) => new Server(url, config));
  return {
    message$: merge(...servers.map((server) => server.message$())).pipe(share()),
    send$: (nodeId, text) =>
      merge(...servers.map((server) => server.put$(nodeId, text))).pipe(
        takeWhile((isTaken) => !isTaken, true),
        reduce((isTaken, isTakenHere) => isTaken || isTakenHere, false),
      ),
  };
}

/** The password of a node at a server: whoever learns one learns neither another nor the key. */
export function passwordOf({ privateKey }: Identity, { origin }: URL): string {
  const info = 'rxp2p mailbox of PyP2P';
  return Buffer.from(hkdfSync('sha256', privateKey, origin, info, PASSWORD_LENGTH)).toString('base64url');
}

/** What is asked for, besides who asks. */
type Fields = Readonly<Record<string, string>>;

/** The server does not know this node, or does not want what it was given. */
class RefusedError extends HttpError {}

/** One server, as this node sees it. */
class Server {
  readonly #fetch$: typeof fetch$;
  #isRegistered = false;

  constructor(
    readonly url: URL,
    readonly config: Omit<Pyp2pMailboxConfig, 'urls'>,
  ) {
    this.#fetch$ = config.fetch$ ?? fetch$;
  }

  /** The texts that come here, for ever. */
  message$(): Observable<string> {
    const { scheduler, random } = this.config.runtime;
    const listed$ = this.#list$().pipe(
      retry({
        delay: (_, count) => timer(backoffMs(count, BACKOFF.firstMs, BACKOFF.mostMs, random), scheduler),
      }),
    );
    return timer(0, PACE_MS, scheduler).pipe(
      exhaustMap(() => listed$),
      mergeMap((values) => from(this.#textsOf(values))),
    );
  }

  put$(nodeId: string, text: string): Observable<boolean> {
    const fields = { dest_node_id: nodeId, msg: encodeText(text), list_pop: '1' };
    return this.#asKnown$(this.#ask$('put', fields, ANSWER_MS)).pipe(
      map((answer) => {
        if (!answer.includes('success')) throw new RefusedError(`${this.url.origin} did not take the message`);
        return true;
      }),
      this.#onceMoreAsNew(),
      catchError(() => of(false)),
    );
  }

  #list$(): Observable<readonly unknown[]> {
    const list$ = this.#ask$('list', { list_pop: '1' }, LIST_MS).pipe(
      catchError((error: unknown) => {
        if (error instanceof TimeoutError) return of(NOTHING);
        throw error;
      }),
    );
    return this.#asKnown$(list$).pipe(
      map((answer) => {
        const values = parseArray(answer);
        if (values === undefined) throw new RefusedError(`${this.url.origin} did not list the messages`);
        return values;
      }),
      this.#onceMoreAsNew(),
    );
  }

  #textsOf(values: readonly unknown[]): readonly string[] {
    const drop = (reason: string) => {
      this.config.trace({ type: 'dropped', what: 'message', peerId: undefined, reason });
    };
    if (values.length > MAX_LISTED) drop('too many at once');
    return values.slice(0, MAX_LISTED).flatMap((value) => {
      const text = typeof value === 'string' ? decodeText(value) : undefined;
      if (text === undefined) drop('malformed');
      return text ?? [];
    });
  }

  /** Asks as a node that the server knows by now. */
  #asKnown$(asked$: Observable<string>): Observable<string> {
    return defer(() => (this.#isRegistered ? of(undefined) : this.#register$())).pipe(switchMap(() => asked$));
  }

  #register$(): Observable<unknown> {
    return this.#ask$('register', { port: '0', network_id: NETWORK }, ANSWER_MS).pipe(
      tap((answer) => {
        if (!answer.includes('success')) throw new HttpError(`${this.url.origin} does not register this node`);
        this.#isRegistered = true;
      }),
    );
  }

  /** A server that has lost its memory does not know this node any more. */
  #onceMoreAsNew<T>() {
    return retry<T>({
      count: 1,
      delay: (error: unknown) => {
        if (!(error instanceof RefusedError)) throw error;
        this.#isRegistered = false;
        return of(undefined);
      },
    });
  }

  #ask$(call: string, fields: Fields, withinMs: number): Observable<string> {
    const { identity, localAddress, runtime } = this.config;
    const { origin } = this.url;
    return defer(() => {
      const url = new URL('dht_msg.php', this.url);
      const password = passwordOf(identity, this.url);
      url.search = String(new URLSearchParams({ call, node_id: identity.nodeId, password, ...fields }));
      return this.#fetch$({ url, maxBytes: ANSWER_MAX_BYTES, localAddress });
    }).pipe(
      // Its own words have the whole URL in them, with the password.
      catchError(() => throwError(() => new HttpError(`${origin} gave no answer`))),
      within(withinMs, `${origin} did not answer`, runtime.scheduler),
      map(({ status, text }) => {
        if (status !== 200) throw new HttpError(`${origin} refused: HTTP status ${status}`);
        return text;
      }),
    );
  }
}

function parseArray(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
