import { switchMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { formatEndpoint, type Endpoint } from '../endpoint.js';
import type { Link } from '../link/link.js';
import { traceOutcome } from '../operators/trace-outcome.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { LinkOptions, Security } from './security.js';
import type { PeerTrace } from './steps.js';

/** What a dial needs of its node. */
export interface PeerDialConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly security: Security;
  readonly trace: PeerTrace;
}

/** Whom to dial, and what for. */
interface DialOptions extends LinkOptions {
  /** The attempt that the dial is part of: this node's, or the peer's that asked for it. */
  readonly attemptId: string;
}

/** Opens a link to the peer at one endpoint, where the peer proves its key. Fails when another node answers. */
export function dialPeer$(endpoint: Endpoint, options: DialOptions, dependencies: PeerDialConfig): Observable<Link> {
  const { config, runtime, security, trace } = dependencies;
  const { attemptId } = options;
  const { bind, timing } = config;
  const { scheduler } = runtime;
  const where = formatEndpoint(endpoint);
  return runtime.dial$({ host: endpoint.address, port: endpoint.port, localAddress: bind }).pipe(
    within(timing.dialMs, `${where} did not answer`, scheduler),
    switchMap((socket) => security.linkOver$(socket, options)),
    traceOutcome(scheduler, (outcome) => {
      trace({ type: 'dial', attemptId, endpoint, ...outcome });
    }),
  );
}
