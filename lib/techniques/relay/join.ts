import type { Socket } from 'node:net';
import { catchError, defer, of, retry, switchMap, type Observable } from 'rxjs';
import { serverOf } from '../../endpoint.js';
import { HttpError } from '../../errors.js';
import type { Identity, PeerId } from '../../identity.js';
import { NotUpgradedError, upgrade$ } from '../../link/upgrade.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import {
  authorize,
  decodeRefusal,
  encodeJoin,
  REFUSAL_MAX_BYTES,
  RELAY_HEADER,
  RELAY_PROTOCOL,
  relayUrl,
  type Refusal,
  type RefusalCode,
} from './protocol.js';

/** Who joins a relay, and the peer to meet there. */
export interface JoinConfig {
  readonly identity: Identity;
  /** The other node. */
  readonly to: PeerId;
  /** A secret of these two nodes: 22 base64url characters, 128 bits, as {@link Runtime.newId} makes them. Valid once. */
  readonly token: string;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  /** For the relay to let this node in, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$' | 'scheduler' | 'timeOfDay'>;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** A relay that does not let this node in. */
export class RelayRefusedError extends HttpError {
  constructor(
    relay: URL,
    /** What it said, where that can be read. */
    readonly refusal: Refusal | undefined,
    /** Of HTTP. */
    readonly status: number,
  ) {
    super(`The relay ${relay.origin} refused: ${refusal ? refusal.words : `HTTP status ${status}`}`);
  }
}

/** Refusals of a request whose time differs from the relay's. */
const CLOCK_REFUSALS: readonly RefusalCode[] = ['clock', 'untimely'];

/**
 * Joins a relay to meet another node that joins it, too. Emits the socket as soon as the relay has accepted this node, maybe
 * before the other one has come, and completes. What is written before waits in socket buffers. Afterwards the socket, paused and
 * without delay, belongs to whoever took it; unsubscribing before that gives up. A relay that says that this node's clock is
 * wrong, or that it has just started, is asked once more, with its own time.
 *
 * Nothing on the socket is authenticated, since anybody may run the relay. Secure it with TLS.
 *
 * @param relay the server's URL, `http:` or `https:`: the relay is `relay` below it.
 * @throws DialError when it cannot be reached; RelayRefusedError, an HttpError, with its words when it refuses; HttpError when it
 * is no relay; TimeoutError when it takes too long.
 *
 * @example
 * join$(new URL('https://example.org/p2p/'), { identity, to, token, runtime: systemRuntime }).pipe(
 *   switchMap((socket) => secure$(socket, { context, role: 'client', peerId: to })),
 * );
 */
export function join$(
  relay: URL,
  { timeoutMs = DEFAULT_TIMEOUT_MS, localAddress, runtime, ...proof }: JoinConfig,
): Observable<Socket> {
  const { dial$, webTls$, scheduler, timeOfDay } = runtime;
  return defer(() => {
    const url = relayUrl(relay);
    const isSecure = url.protocol === 'https:';
    const { host, port } = serverOf(url);
    let ahead = 0;
    return defer(() => dial$({ host, port, localAddress })).pipe(
      switchMap((socket) => (isSecure ? webTls$(socket, host) : of(socket))),
      switchMap((socket) => upgraded$(socket, url, proof, Math.floor(timeOfDay() + ahead))),
      retry({
        count: 1,
        delay: (error: unknown) => {
          if (!(error instanceof RelayRefusedError) || error.refusal === undefined) throw error;
          if (!CLOCK_REFUSALS.includes(error.refusal.refused)) throw error;
          ahead = error.refusal.now - timeOfDay();
          return of(undefined);
        },
      }),
      within(timeoutMs, `The relay ${relay.origin} did not let this node in`, scheduler),
    );
  });
}

function upgraded$(
  socket: Socket,
  url: URL,
  { identity, to, token }: Pick<JoinConfig, 'identity' | 'to' | 'token'>,
  at: number,
): Observable<Socket> {
  return defer(() => {
    const join = encodeJoin({ from: identity.peerId, to, token, at });
    const headers = { [RELAY_HEADER]: join, authorization: authorize(identity, url.host, join) };
    return upgrade$(socket, { url, protocol: RELAY_PROTOCOL, headers, called: 'relay', maxAnswer: REFUSAL_MAX_BYTES });
  }).pipe(
    catchError((error: unknown) => {
      if (!(error instanceof NotUpgradedError)) throw error;
      throw new RelayRefusedError(url, decodeRefusal(error.text), error.status);
    }),
  );
}
