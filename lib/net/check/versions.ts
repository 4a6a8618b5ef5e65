import { catchError, defaultIfEmpty, first, forkJoin, map, of, switchMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { fetch$ } from '../../http.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import { httpServers, httpUrlOf, type Findings } from '../../self/findings.js';
import { isOneAddress } from '../../self/locator.js';

/** Servers that are asked: more than a node has. */
const MAX_ASKED = 16;

/** An answer of `/address` is a line of JSON. */
const MAX_BYTES = 4_096;

/** RFC 9110 §10.2.4, as servers of this package say it. */
const OURS = /^rxp2p\/(?<version>[0-9A-Za-z.+-]{1,32})$/;

/** What a server of this package says of its program. */
export interface ServerVersion {
  /** The URL of its HTTP services. */
  readonly server: string;
  /** The version of this package that it runs. */
  readonly version: string;
}

/** What this needs of its node. */
interface VersionsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Pick<Runtime, 'scheduler' | 'webTls$'>;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
}

/** Asks each server of HTTP that is known once the node has located itself which version it is of. Emits those that say so, once, and completes. */
export function versions$({ config, runtime, findings$ }: VersionsConfig): Observable<readonly ServerVersion[]> {
  return findings$.pipe(
    first(({ location }) => location !== undefined),
    switchMap(({ servers }) => {
      const named = [config.reachability, config.relay].flatMap((urls) => (urls === false ? [] : urls));
      const urls = [...servers.flatMap((state) => httpUrlOf(state) ?? []), ...httpServers(config), ...named];
      const each = new Map(urls.map((url) => [url.href, url]));
      const asked = [...each.values()].slice(0, MAX_ASKED).map((url) => version$(url, { config, runtime }));
      return forkJoin(asked).pipe(defaultIfEmpty([]));
    }),
    map((answers) => answers.flatMap((answer) => answer ?? [])),
  );
}

function version$(
  server: URL,
  { config: { bind, timing }, runtime: { scheduler, webTls$ } }: Omit<VersionsConfig, 'findings$'>,
): Observable<ServerVersion | undefined> {
  const localAddress = isOneAddress(bind) ? bind : undefined;
  return fetch$({ url: new URL('address', server), maxBytes: MAX_BYTES, localAddress, webTls$ }).pipe(
    within(timing.reachabilityMs, `${server.origin} did not answer`, scheduler),
    map(({ program = '' }) => {
      const version = OURS.exec(program)?.groups?.['version'];
      return version === undefined ? undefined : { server: server.href, version };
    }),
    catchError(() => of(undefined)),
  );
}
