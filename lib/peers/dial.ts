import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { map, of, switchMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { plainLink } from '../connection/plain-connection.js';
import { formatEndpoint, type Endpoint } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import type { Link } from '../link/link.js';
import { secure$ } from '../link/tls.js';
import { traceOutcome } from '../operators/trace-outcome.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { PeerTrace } from './steps.js';

/** What a dial needs of its node. */
export interface PeerDialConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureContext;
  readonly trace: PeerTrace;
}

/** Whom to dial, and what for. */
export interface DialOptions {
  readonly technique: string;
  /** Whose attempt it is may be the peer's. */
  readonly attemptId: string;
  /** Who has to answer; of PyP2P's nodes nobody knows. */
  readonly peerId: PeerId | undefined;
}

/** Opens a link to the peer at one endpoint, its key proven. Fails for anybody else. */
export function dialPeer$(endpoint: Endpoint, options: DialOptions, given: PeerDialConfig): Observable<Link> {
  const { config, runtime, trace } = given;
  const { attemptId } = options;
  const { bind, timing } = config;
  const { scheduler } = runtime;
  const where = formatEndpoint(endpoint);
  return runtime.dial$({ host: endpoint.address, port: endpoint.port, localAddress: bind }).pipe(
    within(timing.dialMs, `${where} did not answer`, scheduler),
    switchMap((socket) => linkOver$(socket, options, given)),
    traceOutcome(scheduler, (outcome) => {
      trace({ type: 'dial', attemptId, endpoint, ...outcome });
    }),
  );
}

/** Makes a link of a socket that leads to the peer's port, its key proven. Fails for anybody else. */
export function linkOver$(
  socket: Socket,
  { technique, peerId }: Omit<DialOptions, 'attemptId'>,
  { config, runtime, context }: Omit<PeerDialConfig, 'trace'>,
): Observable<Link> {
  const { security, timing } = config;
  const link = plainLink(socket, technique);
  if (security === 'plain') return of(link);
  const where = formatEndpoint(link.remote);
  return secure$(socket, { context, role: 'client', peerId }).pipe(
    within(timing.handshakeMs, `${where} did not finish the TLS handshake`, runtime.scheduler),
    map((secured) => ({ ...link, ...secured })),
  );
}
