import type { Socket } from 'node:net';
import { catchError, concat, finalize, map, NEVER, Observable, of, switchMap } from 'rxjs';
import { Gathered } from '../bounds/gathered.js';
import { familyOf, isPublicUnicast, scopeOf } from '../endpoint.js';
import { ClosedError, ProtocolError } from '../errors.js';
import { reading } from '../link/reading.js';
import { endpointsOf } from '../link/tcp.js';
import { within } from '../operators/within.js';
import {
  BINDING,
  decodeStun,
  encodeStun,
  errorIn,
  hasUnknownAttribute,
  mappedAddressIn,
  otherAddressIn,
  stunLength,
  TRANSACTION_BYTES,
  withFingerprint,
  type StunMessage,
} from '../stun/messages.js';
import type { Sighting } from './dialect.js';
import { errorOf, type NamedServer } from './errors.js';
import type { SessionConfig } from './session.js';

/** What the TLS handshake agrees on: STUN for looks at a NAT (RFC 7443 §3). */
const PROTOCOLS = ['stun.nat-discovery'];

/**
 * Asks a STUN server where it sees a connection come from, by a Binding request over TCP or TLS (RFC 8489 §6.2.2). Emits once; the
 * connection is held until unsubscribed from.
 *
 * One message is read, which has to be the answer. Then nothing is read any more, so that a flood fills no more than the
 * buffers of the system.
 *
 * @param socket the connection, of which nothing was read.
 * @throws RendezvousError when the server does not answer, or says something else; DialError when it cannot be trusted.
 *
 * @example
 * seenByStun$({ host, port: 3478, isStun: true }, socket, config).subscribe(({ observed }) => console.log(observed));
 */
export function seenByStun$(
  server: NamedServer,
  socket: Socket,
  { runtime, timing }: Pick<SessionConfig, 'runtime' | 'timing'>,
): Observable<Sighting> {
  const { remote } = endpointsOf(socket);
  const transaction = Buffer.from(runtime.newId(), 'base64url').subarray(0, TRANSACTION_BYTES);
  const request = withFingerprint(encodeStun({ method: BINDING, class: 'request', transaction, attributes: [] }));
  const stream$ = server.isSecure === true ? runtime.webTls$(socket, server.host, PROTOCOLS) : of(socket);
  return stream$.pipe(
    switchMap((stream) =>
      concat(answerOver$(stream, request), NEVER).pipe(
        finalize(() => {
          stream.destroy();
        }),
      ),
    ),
    map((answer): Sighting => {
      const observed = observedIn(server, transaction, answer);
      const other = otherAddressIn(answer)?.address;
      const otherAddress = other !== undefined && mayAskAt(other, remote.address) ? other : undefined;
      return { server: remote, observed, otherAddress };
    }),
    catchError((why: unknown) => {
      if (why instanceof ProtocolError) throw errorOf(server, `answers, but not by STUN: ${why.message}`);
      throw why instanceof ClosedError ? errorOf(server, `went away: ${why.message}`) : why;
    }),
    within(timing.handshakeMs, () => errorOf(server, 'does not say where it sees this node'), runtime.scheduler),
  );
}

/** Sends a request and emits the first message that comes; what comes later stays unread. */
function answerOver$(stream: Socket, request: Buffer): Observable<StunMessage> {
  return new Observable((subscriber) => {
    const held = new Gathered();
    const stop = reading(stream, subscriber, (chunk) => {
      held.push(chunk);
      const length = stunLength(held.bytes);
      if (length === undefined || held.length < length) return;
      const answer = decodeStun(held.take().subarray(0, length));
      if (answer === undefined) throw new ProtocolError('Expected a message of STUN, got one that is malformed');
      subscriber.next(answer);
      subscriber.complete();
    });
    if (stream.writable) stream.write(request);
    return stop;
  });
}

/** Where the answer to a transaction says that the server sees this node. */
function observedIn(server: NamedServer, transaction: Buffer, answer: StunMessage) {
  const { method, class: kind } = answer;
  const isAnswer = answer.transaction.equals(transaction) && method === BINDING && !hasUnknownAttribute(answer);
  if (!isAnswer || (kind !== 'success' && kind !== 'error')) {
    throw errorOf(server, 'answers something else than it was asked');
  }
  if (kind === 'error') {
    const { code = 0, words = 'it does not say why' } = errorIn(answer) ?? {};
    throw errorOf(server, `refuses (${code}): ${words}`, String(code));
  }
  const observed = mappedAddressIn(answer);
  if (observed === undefined || scopeOf(observed.address) === 'unusable') {
    throw errorOf(server, 'does not say where it sees this node');
  }
  return observed;
}

/**
 * Whether this node asks at an address that a server has named as its other one. It is dialled at the port that the user has named.
 * A server on the internet cannot send a node into a local network, nor one on a local network send it elsewhere.
 */
export function mayAskAt(other: string, address: string): boolean {
  if (other === address || familyOf(other) !== familyOf(address)) return false;
  return isPublicUnicast(address) ? isPublicUnicast(other) : scopeOf(other) === scopeOf(address);
}
