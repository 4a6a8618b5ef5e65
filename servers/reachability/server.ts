import { defer, map, Observable } from 'rxjs';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { serveAlone$, type Standalone, type StandaloneConfig } from '../http/alone.js';
import type { Exchange, HttpService } from '../http/service.js';
import { watchedService } from '../http/watched-service.js';
import { answerAddress, answerReachable } from './answer.js';
import {
  DEFAULT_DIAL_LIMITS,
  DEFAULT_REACHABILITY_LIMITS,
  type DialLimits,
  type ReachabilityServerLimits,
} from './limits.js';
import { answerPyp2p } from './pyp2p.js';
import { Questions } from './questions.js';
import { unwatched, type Watch } from '../watch.js';

/** The options of a reachability server. */
export interface ReachabilityServerConfig extends Omit<StandaloneConfig, 'http'> {
  /** What it bears, where it is not to be the default: its HTTP server, too. */
  readonly limits?: Partial<ReachabilityServerLimits> | undefined;
}

/** A reachability server that runs. */
export type ReachabilityServer = Standalone;

/**
 * Runs a small HTTP server for as long as it is subscribed to, that tells each caller its address and dials it back: the
 * caller's own address and no other, at a port that it names. Emits once it listens. Completes only when it is drained.
 *
 * - `/address` → `{"address":"192.0.2.7","port":50123}`
 * - `/reachable?port=N&peer=ID` → `{"address":"192.0.2.7","port":N,"reachable":true}`, or `false` with a `reason`. With
 *   `peer` whoever answers at the port has to prove that key by TLS, so that a port that leads to another program or
 *   another host does not count. No port of a well-known service is dialled (below 1024, but 443): others may share the address.
 * - PyP2P's `net.php?action=get_wan_ip` and `net.php?action=is_port_forwarded&port=N&proto=TCP`, below any path.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a port, a
 * limit or the certificate is none.
 *
 * @example
 * reachabilityServer$({ port: 8080 }).subscribe(({ local }) => console.log(`http on port ${local.port}`));
 */
export function reachabilityServer$(
  { limits: overrides, ...config }: ReachabilityServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<ReachabilityServer> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_REACHABILITY_LIMITS, overrides, MAX_TIMER_MS);
    const { dialMs, dials, waiting, dialsPerMinute, dialBurst, ...http } = limits;
    const dialling = { dialMs, dials, waiting, dialsPerMinute, dialBurst };
    const { bind, watch } = config;
    const service$ = reachabilityService$({ bind, limits: dialling, watch }, runtime);
    return serveAlone$(service$.pipe(map((service) => ({ service }))), { ...config, http }, runtime.scheduler);
  });
}

/** The options of the service on an HTTP server that others share. */
interface ReachabilityServiceConfig {
  /** The local address of the server, by which callers know it. */
  readonly bind?: string | undefined;
  readonly limits?: Partial<DialLimits> | undefined;
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** What {@link reachabilityServer$} answers, as a service of an HTTP server. */
export function reachabilityService$(
  { bind, limits: overrides, watch = unwatched }: ReachabilityServiceConfig,
  runtime: Runtime = systemRuntime,
): Observable<HttpService> {
  return new Observable((subscriber) => {
    const limits = withDefaults('limits', DEFAULT_DIAL_LIMITS, overrides, MAX_TIMER_MS);
    const questions = new Questions(bind, limits, runtime, watch);
    subscriber.next(watchedService('reachability', (exchange) => answer(exchange, questions), watch));
    return () => {
      questions.close();
    };
  });
}

function answer(exchange: Exchange, questions: Questions): boolean {
  const { method, url } = exchange;
  if (method !== 'GET') return false;
  if (url.pathname === '/address') answerAddress(exchange);
  else if (url.pathname === '/reachable') answerReachable(exchange, questions);
  else if (url.pathname.endsWith('/net.php')) answerPyp2p(exchange, questions);
  else return false;
  return true;
}
