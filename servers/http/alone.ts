import { map, of, type Observable, type SchedulerLike } from 'rxjs';
import { serveWith, type DrainConfig } from '../drain.js';
import type { CertificateFiles } from '../tls/certificate-files.js';
import { certificateOf$, stateOf$, type CertificateState } from '../tls/held-certificate.js';
import type { Watch } from '../watch.js';
import type { HttpServerLimits } from './limits.js';
import { httpServer$, type HttpServer } from './server.js';
import type { HttpService } from './service.js';

/** The options of an HTTP server that has one service. */
export interface StandaloneConfig extends DrainConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
  /** What its HTTP server bears, where it is not to be the default. */
  readonly http?: Partial<HttpServerLimits> | undefined;
  /** The addresses and networks (CIDR) of proxies that are believed when they say who calls. Default: none. */
  readonly trustProxy?: readonly string[] | undefined;
  /**
   * The certificate by which the port speaks TLS, too: a connection that begins as TLS is HTTPS. Its files are read anew when they change.
   * Default: HTTP alone. A key of its own, as the rendezvous server may have (`identity`), an HTTP server has not: clients know it by a
   * URL, which has no place for one.
   */
  readonly tls?: CertificateFiles | undefined;
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** An HTTP server that has one service, and runs. */
export interface Standalone extends HttpServer {
  /** Whether the certificate's files can be used: at once, and whenever they have changed. Empty without a certificate. */
  readonly certificate$: Observable<CertificateState>;
}

/**
 * Runs an HTTP server for one service. Emits once it listens: where, with all that is known of the service.
 *
 * @throws ListenError when the port cannot be listened on; InvalidOptionError when the files of the certificate cannot be used; and whatever
 * the service fails with.
 */
export function serveAlone$<T extends { readonly service: HttpService }>(
  running$: Observable<T>,
  { port = 8080, http, tls, ...config }: StandaloneConfig,
  scheduler: SchedulerLike,
): Observable<Standalone & Omit<T, 'service'>> {
  return certificateOf$(tls, scheduler).pipe(
    serveWith((certificate) =>
      running$.pipe(
        serveWith(({ service, ...rest }) =>
          httpServer$({ ...config, port, limits: http, certificate, services: [of(service)] }, scheduler).pipe(
            map(({ local }) => ({ local, certificate$: stateOf$(certificate), ...rest })),
          ),
        ),
      ),
    ),
  );
}
