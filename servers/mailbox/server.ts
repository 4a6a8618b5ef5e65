import {
  defer,
  delay,
  exhaustMap,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  switchMap,
  timer,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { InvalidOptionError } from '../../lib/errors.js';
import type { RedisStore } from '../store/redis-store.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { ignoreErrors } from '../../lib/operators/ignore-errors.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { hostNames } from '../host-names.js';
import { serveAlone$, type Standalone, type StandaloneConfig } from '../http/alone.js';
import type { HttpService } from '../http/service.js';
import { watchedService } from '../http/watched-service.js';
import { levelStore$ } from './level-store.js';
import { DEFAULT_MAILBOX_LIMITS, type MailboxServerLimits } from './limits.js';
import { Mailbox } from './mailbox.js';
import { Requests } from './requests.js';
import { Sessions } from './sessions.js';
import { onDrain, type DrainConfig } from '../drain.js';
import { forgetfulStore, type StorageState } from './store.js';
import { unwatched, type Watch } from '../watch.js';

/** The options of a mailbox as a service of an HTTP server. */
export interface MailboxServiceConfig extends DrainConfig {
  /** A folder for the messages, made if need be, of no other server. Default: they are gone when the server is. */
  readonly dataFolder?: string | undefined;
  /**
   * A store that several servers share: messages, and who has come for them, are there, with the limits of what is kept for all servers
   * together. Default: they are this server's own.
   */
  readonly store?: RedisStore | undefined;
  /**
   * The names by which clients know this server, each as in their URLs: `rv.example.org:8080`. A request that was signed for
   * another is refused, so that no other server can pass on what it was asked. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<MailboxServerLimits> | undefined;
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** The options of a mailbox server. */
export interface MailboxServerConfig extends MailboxServiceConfig, StandaloneConfig {}

/** A mailbox that runs. */
interface MailboxService {
  /** What an HTTP server has it answer. */
  readonly service: HttpService;
  /** Whether it can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message (`not-saved`). */
  readonly storage$: Observable<StorageState>;
}

/** A mailbox server that runs. */
export interface MailboxServer extends Standalone {
  /** Whether it can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message (`not-saved`). */
  readonly storage$: Observable<StorageState>;
}

/**
 * Runs a mailbox for as long as it is subscribed to: an HTTP server that keeps small messages for nodes until they come for
 * them. Emits once it listens. Completes only when it is drained. What it answers is written at the top of `lib/signalling/carriers/mailbox-messages.ts`; PyP2P's
 * `dht_msg.php` is answered below any path.
 *
 * With a folder a message is on disk before its sender hears that it is kept: neither a crash nor a power failure loses it. After a
 * write has failed (the disk is full, say), it accepts nothing until what it keeps is on the disk again, and tries every second.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; StoreError (`STORE`) when the folder cannot be used;
 * InvalidOptionError (`INVALID_OPTION`) when a host, a proxy, a limit or the certificate is none.
 *
 * @example
 * mailboxServer$({ port: 8080, dataFolder: '/var/lib/rxp2p' }).subscribe(({ local }) => console.log(local.port));
 */
export function mailboxServer$(
  { bind, port, http, trustProxy, tls, ...config }: MailboxServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<MailboxServer> {
  return serveAlone$(
    mailboxService$(config, runtime),
    { bind, port, http, trustProxy, tls, watch: config.watch, drain$: config.drain$ },
    runtime.scheduler,
  );
}

/** What {@link mailboxServer$} answers, as a service of an HTTP server. */
export function mailboxService$(
  {
    dataFolder,
    store: sharedStore,
    hosts,
    limits: overrides,
    watch = unwatched,
    drain$ = NEVER,
  }: MailboxServiceConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<MailboxService> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_MAILBOX_LIMITS, overrides, MAX_TIMER_MS);
    const names = hosts && hostNames(hosts);
    if (dataFolder !== undefined && sharedStore !== undefined) {
      throw new InvalidOptionError(
        '`dataFolder` is of no use with a shared `store`, which has the messages. Leave one of them out',
      );
    }
    const { scheduler } = runtime;
    const store$ = dataFolder === undefined ? of(forgetfulStore) : levelStore$(dataFolder, scheduler);
    return store$.pipe(
      map((store) => new Mailbox({ store, shared: sharedStore, limits, runtime, watch })),
      switchMap((mailbox) => from(mailbox.load()).pipe(map(() => mailbox))),
      switchMap((mailbox) => {
        const [requests, sessions] = [new Requests(mailbox, names), new Sessions(mailbox, names)];
        const service: HttpService = (exchange) => requests.service(exchange) || sessions.service(exchange);
        const sweeping$ = timer(limits.sweepMs, limits.sweepMs, scheduler).pipe(
          exhaustMap(() => from(mailbox.sweep()).pipe(ignoreErrors())),
          ignoreElements(),
        );
        // In a moment: HTTP servers mark the answers as the last ones of their connections first.
        const draining = onDrain(drain$.pipe(delay(0, scheduler)), () => {
          mailbox.drain();
          sessions.drain();
        });
        return merge(
          of({
            service: watchedService('mailbox', service, watch),
            storage$: sharedStore?.state$ ?? mailbox.store.state$,
          }),
          sweeping$,
        ).pipe(
          finalize(() => {
            draining.unsubscribe();
            sessions.close();
            mailbox.close();
          }),
        );
      }),
    );
  });
}
