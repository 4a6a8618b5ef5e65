import { defer, finalize, NEVER, startWith, type Observable } from 'rxjs';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import { hostNames } from '../host-names.js';
import { serveAlone$, type Standalone, type StandaloneConfig } from '../http/alone.js';
import type { HttpService } from '../http/service.js';
import { watchedService } from '../http/watched-service.js';
import { onDrain, type DrainConfig } from '../drain.js';
import type { RelayCounters } from './counters.js';
import { DEFAULT_RELAY_LIMITS, type RelayServerLimits } from './limits.js';
import { Relay } from './relay.js';
import { unwatched, type Watch } from '../watch.js';

/** The options of a relay as a service of an HTTP server. */
export interface RelayServiceConfig extends DrainConfig {
  /**
   * The names by which clients know this server, each as in their URLs: `rv.example.org:8080`. A request that was signed for
   * another is refused. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<RelayServerLimits> | undefined;
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** The options of a relay server. */
export interface RelayServerConfig extends RelayServiceConfig, StandaloneConfig {}

/** A relay that runs. */
interface RelayService {
  /** What an HTTP server, or several of them, has it answer. */
  readonly service: HttpService;
  /** What it does: at once, and whenever that changes; the bytes at least every quarter of `idleMs`. */
  readonly counters$: Observable<RelayCounters>;
}

/** A relay server that runs. */
export interface RelayServer extends Standalone {
  /** What it does: at once, and whenever that changes; the bytes at least every quarter of `idleMs`. */
  readonly counters$: Observable<RelayCounters>;
}

/**
 * Runs a relay for as long as it is subscribed to: an HTTP server that joins two nodes which cannot reach each other, and
 * passes bytes from each to the other. Emits once it listens. Completes only when it is drained. How a node joins is written at the top of
 * `lib/techniques/relay/protocol.ts`.
 *
 * Two nodes are joined when both have proven their keys, name each other, and have the same token; nobody else ever is. What
 * they say is theirs: it is meant to be TLS, from end to end.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a host, a
 * proxy, a limit or the certificate is none.
 *
 * @example
 * relayServer$({ port: 8080, limits: { bytesPerSecond: 1_000_000 } }).subscribe(({ local }) => console.log(local.port));
 */
export function relayServer$(
  { bind, port, http, trustProxy, tls, ...config }: RelayServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RelayServer> {
  return serveAlone$(
    relayService$(config, runtime),
    { bind, port, http, trustProxy, tls, watch: config.watch, drain$: config.drain$ },
    runtime.scheduler,
  );
}

/** What {@link relayServer$} answers, as a service of HTTP servers. Emits at once. */
export function relayService$(
  { hosts, limits: overrides, watch = unwatched, drain$ = NEVER }: RelayServiceConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RelayService> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_RELAY_LIMITS, overrides, Number.MAX_SAFE_INTEGER);
    expectInteger('limits.unpairedMs', limits.unpairedMs, 1, MAX_TIMER_MS);
    expectInteger('limits.idleMs', limits.idleMs, 1, MAX_TIMER_MS);
    const relay = new Relay({ hosts: hosts && hostNames(hosts), limits, runtime, watch });
    const draining = onDrain(drain$, () => {
      relay.drain();
    });
    return NEVER.pipe(
      startWith({ service: watchedService('relay', relay.service, watch), counters$: relay.counters$ }),
      finalize(() => {
        draining.unsubscribe();
        relay.close();
      }),
    );
  });
}
