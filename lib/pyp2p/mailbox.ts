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

/** What a PyP2P mailbox needs. */
export interface Pyp2pMailboxConfig {
  readonly identity: Identity;
  /** Where the services are: `dht_msg.php` is below each. */
  readonly urls: readonly URL[];
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Runtime;
  readonly trace: SignalTrace;
  /** Replaces HTTP requests in specs. */
  readonly fetch$?: typeof fetch$ | undefined;
}

/** A node's PyP2P mailboxes, one at each server. Messages are neither encrypted nor signed, and have no sender. */
export interface Pyp2pMailbox {
  /**
   * The texts that come for this node. The servers are asked only while somebody is subscribed. Never completes, never fails;
   * anything but a text is dropped and traced.
   */
  readonly message$: Observable<string>;
  /**
   * Puts a text into the mailbox of a node at every server, since it is not known which of them that node uses. Emits once whether
   * any server took it, and completes. Never fails.
   *
   * @param nodeId 40 hex digits.
   */
  send$(nodeId: string, text: string): Observable<boolean>;
}

/**
 * How long to wait for an answer to `list`, in milliseconds, if the server does not answer before: NATs and proxies forget silent
 * connections after a minute or so, and PyP2P's own server never ends a long poll by itself. Ours does so after 25 s.
 */
const LIST_MS = 30_000;

/** How long a server has for any other answer, in milliseconds. */
const ANSWER_MS = 5_000;

/** The shortest interval between two requests for new messages, in milliseconds. */
const PACE_MS = 200;

/** Pauses after failures. A restarted server is back in seconds; asking a dead one once a minute does no harm. */
const BACKOFF = { firstMs: 500, mostMs: 60_000 };

/** The longest answer accepted, in bytes: those of our server are at most half as long. */
const ANSWER_MAX_BYTES = 512 * 1024;

/** How many texts of one answer are read. */
const MAX_LISTED = 64;

/** Not PyP2P's network, so that its nodes are not told that this one is part of their DHT. */
const NETWORK = 'rxp2p';

const PASSWORD_LENGTH = 24;

/** The answer to `list` without messages, after which the server would keep waiting. */
const NOTHING = '[]';

/**
 * A client of PyP2P's `dht_msg.php`: registers this node with a password, asks for new texts by long polls, and puts texts into the
 * mailboxes of others. A server that does not answer is asked less and less often, and does not delay the others.
 *
 * PyP2P's protocol sends the password in the URL. It is derived from the private key and the server's origin, so that it is the same at
 * each start and useless at another server. It never appears in an error or in the trace. A mailbox belongs to the first who
 * registers its id, so a message proves nothing about its sender.
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

/** The password of a node at a server. It reveals neither the key nor the passwords for other servers. */
export function passwordOf({ privateKey }: Identity, { origin }: URL): string {
  const info = 'rxp2p mailbox of PyP2P';
  return Buffer.from(hkdfSync('sha256', privateKey, origin, info, PASSWORD_LENGTH)).toString('base64url');
}

/** The fields of a request, besides those that identify this node. */
type Fields = Readonly<Record<string, string>>;

/** The server does not know this node, or refuses the request. */
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

  /** The texts that come at this server. Never completes. */
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

  /** Registers this node first, if that has not been done. */
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

  /** Registers again and repeats the request once: the server may have restarted, and lost its registrations. */
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
      return this.#fetch$({ url, maxBytes: ANSWER_MAX_BYTES, localAddress, webTls$: runtime.webTls$ });
    }).pipe(
      // Hides the original error: its message contains the whole URL, with the password.
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
