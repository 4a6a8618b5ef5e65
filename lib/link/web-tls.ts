import { isIP, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { noop, Observable } from 'rxjs';
import { DialError } from '../errors.js';

/**
 * Secures a socket as any client of a web server does: the server's certificate has to be for its name, and an authority has to
 * vouch for it. Not the TLS of peers, who prove keys. Emits the stream and completes; on any failure, and when unsubscribed before
 * that, the socket is closed.
 *
 * @throws DialError when the server cannot be trusted, or breaks off.
 *
 * @example
 * dial$({ host, port: 443 }).pipe(switchMap((socket) => webTls$(socket, host)));
 */
export function webTls$(socket: Socket, host: string): Observable<Socket> {
  return new Observable((subscriber) => {
    const stream = connect({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ['http/1.1'],
    });
    let handedOver = false;
    stream.on('error', noop);
    const onFailure = (cause?: Error) => {
      const why = cause?.message ?? 'it closed the connection';
      subscriber.error(new DialError(`TLS with ${host} failed: ${why}`, { cause }));
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
