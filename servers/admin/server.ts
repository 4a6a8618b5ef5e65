import {
  defer,
  finalize,
  from,
  ignoreElements,
  interval,
  map,
  merge,
  of,
  Subscription,
  tap,
  type Observable,
} from 'rxjs';
import type { Endpoint } from '../../lib/endpoint.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { invalidOption, readUrl } from '../../lib/validate.js';
import { onDrain, serveWith, type DrainConfig } from '../drain.js';
import { httpServer$ } from '../http/server.js';
import { unwatched, type Watch } from '../watch.js';
import { EventLoopLag } from './event-loop.js';
import { Figures } from './figures.js';
import { createMetrics } from './metrics.js';
import { Pages } from './pages.js';
import { readVersion } from '../version.js';
import { ReadinessCheck, type Needs } from './readiness.js';
import { Sampler, statusOf, type Sample } from './status.js';

/** Where servers are looked at, and by whom. */
export interface AdminConfig {
  /** The local address. Default: 127.0.0.1. Whoever reaches it sees everything: there is no password. */
  readonly bind?: string | undefined;
  /** The TCP port. */
  readonly port: number;
  /**
   * Names by which it is reached, without ports, such as `status.internal`. Requests for other names are refused, but for those of loopback
   * and for the address itself. Default: none.
   */
  readonly hosts?: readonly string[] | undefined;
  /** Whether addresses of callers are shown in full. Default: false, only their networks are. */
  readonly showAddresses?: boolean | undefined;
}

/** What looks at servers. */
interface AdministrationConfig extends DrainConfig {
  readonly admin: AdminConfig;
  /** Is told what the servers tell, too. */
  readonly watch?: Watch | undefined;
}

/** Servers that are looked at tell it what they do, and it tells others. */
export interface Administration {
  readonly local: Endpoint;
  /** For the servers to tell what they do. */
  readonly watch: Watch;
  /** Is to be told when the servers listen. */
  readonly started: (needs: Needs) => void;
}

/** How often a sample is taken, in milliseconds. */
const SAMPLE_MS = 1_000;

/** Few look at servers; each page holds a connection. */
const LIMITS = { connections: 64, connectionsPerHost: 64 };

/**
 * Looks at servers, and shows what it sees by HTTP, for as long as it is subscribed to. Emits once it listens.
 *
 * - `/healthz`: 200 for as long as the process answers;
 * - `/readyz`: 200 when the servers take callers in, else 503, with the reasons;
 * - `/metrics`: the figures in the text format of Prometheus;
 * - `/`: a page that shows them, and `/events`, by which it is kept up to date.
 *
 * @throws ListenError when the port cannot be listened on; UnavailableError when prom-client is not installed.
 */
export function administration$(
  config: AdministrationConfig,
  { scheduler, timeOfDay }: Pick<Runtime, 'scheduler' | 'timeOfDay'> = systemRuntime,
): Observable<Administration> {
  return defer(() => {
    const { admin, watch = unwatched, drain$ } = config;
    const { showAddresses = false, hosts = [] } = admin;
    const names = new Set(hosts.map(hostnameOf));
    const version = readVersion();
    const readiness = new ReadinessCheck();
    const looking = new Subscription();
    if (drain$ !== undefined) {
      looking.add(
        onDrain(drain$, () => {
          readiness.drains();
        }),
      );
    }
    const lag = new EventLoopLag();
    const figures = new Figures({ now: timeOfDay, next: watch });
    const metrics$ = from(createMetrics({ figures, isReady: () => readiness.now.ready, version }));
    const running$ = metrics$.pipe(
      serveWith((metrics) => {
        figures.measuredBy(metrics.took);
        const statusWith = (sample: Sample) =>
          statusOf({ figures, version, readiness: readiness.now, sample, showAddresses });
        const pages = new Pages({ names, metrics, readiness, statusWith });
        const sampler = new Sampler(figures, () => lag.take());
        const sampling$ = interval(SAMPLE_MS, scheduler).pipe(
          tap(() => {
            pages.show(sampler.take(timeOfDay()));
          }),
          ignoreElements(),
        );
        const { bind = '127.0.0.1', port } = admin;
        const listening$ = httpServer$({ bind, port, limits: LIMITS, services: [of(pages.service)] }, scheduler);
        return merge(listening$, sampling$);
      }),
    );
    return running$.pipe(
      map(({ local }) => ({
        local,
        watch: figures,
        started: (needs: Needs) => {
          looking.add(readiness.started(needs));
        },
      })),
      finalize(() => {
        looking.unsubscribe();
        lag.close();
      }),
    );
  });
}

/** A name as it is in a Host header, without a port. */
function hostnameOf(text: string): string {
  const name = text.toLowerCase();
  if (readUrl(`http://${name}`)?.hostname !== name) {
    throw invalidOption('admin.hosts', 'names without ports, such as status.internal', text);
  }
  return name;
}
