import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { noop, Observable } from 'rxjs';
import { DialError } from '../errors.js';

const HTTP: readonly string[] = ['http/1.1'];

/**
 * Secures a socket to a web server, as a browser does: the server's certificate has to be for its name and signed by an authority.
 * (Peers prove keys instead.) Emits the stream and completes. On any failure, and when unsubscribed from before, it closes the socket.
 *
 * @param protocols what may be spoken over it (ALPN, RFC 7301). Default: HTTP.
 * @throws DialError when the server cannot be trusted, or breaks off.
 *
 * @example
 * dial$({ host, port: 443 }).pipe(switchMap((socket) => webTls$(socket, host)));
 */
export function webTls$(socket: Socket, host: string, protocols?: readonly string[]): Observable<Socket> {
  return secured$(socket, host, protocols);
}

/**
 * Secures sockets like {@link webTls$}, and trusts authorities besides those that everybody trusts.
 *
 * @param ca their certificates, PEM.
 */
export function webTlsBy(ca: string): typeof webTls$ {
  const context = createSecureContext({ ca: [...rootCertificates, ca] });
  return (socket, host, protocols) => secured$(socket, host, protocols, context);
}

function secured$(
  socket: Socket,
  host: string,
  protocols: readonly string[] = HTTP,
  secureContext?: SecureContext,
): Observable<Socket> {
  return new Observable((subscriber) => {
    const stream = connect({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
      ...(secureContext !== undefined && { secureContext }),
    });
    let handedOver = false;
    stream.on('error', noop);
    const onFailure = (cause?: Error) => {
      subscriber.error(new DialError(`TLS with ${host} failed: ${whyOf(cause)}`, { cause }));
    };
    const onClose = () => {
      onFailure();
    };
    stream.once('error', onFailure).once('close', onClose);
    stream.once('secureConnect', () => {
      stream.off('error', onFailure).off('close', onClose);
      handedOver = true;
      subscriber.next(stream);
      subscriber.complete();
    });
    return () => {
      if (!handedOver) stream.destroy();
    };
  });
}

/** A certificate of nobody that this machine trusts. */
const UNTRUSTED = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

/** Why, in words: OpenSSL's own name files of its source. */
function whyOf(cause: Error | undefined): string {
  if (cause === undefined) return 'it closed the connection';
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'no TLS is spoken at that port';
  return UNTRUSTED.some((each) => each === code)
    ? `${cause.message} (\`ca\`, --ca, names who is trusted besides)`
    : cause.message;
}
