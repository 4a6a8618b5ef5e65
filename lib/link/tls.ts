import { constants } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { connect, createSecureContext, TLSSocket, type SecureContext, type TLSSocketOptions } from 'node:tls';
import { noop, Observable } from 'rxjs';
import { peerIdOfCertificate, selfSignedCertificate } from '../certificate.js';
import { DialError, PeerMismatchError, ProtocolError } from '../errors.js';
import type { Identity, PeerId } from '../identity.js';

/** The protocol's name in the TLS handshake (ALPN, RFC 7301). A later version that is incompatible changes it. */
const ALPN = 'rxp2p/2';

/** The TLS settings of a node. The first call makes them, which takes two milliseconds: a node that is not started yet needs none. */
export type SecureSettings = () => SecureContext;

/** Options for securing a socket. */
export interface SecureConfig {
  readonly context: SecureSettings;
  /** Which side begins the handshake; the two sides must differ. */
  readonly role: 'client' | 'server';
  /** The key that the peer must prove. By default any key will do. */
  readonly peerId?: PeerId | undefined;
  /** What is spoken, by its name in the handshake (ALPN, RFC 7301). Default: links of peers. */
  readonly protocol?: string | undefined;
}

/** A secured byte stream and the key that its other end proved. */
export interface Secured {
  readonly peerId: PeerId;
  readonly stream: TLSSocket;
}

/** The TLS settings of a node: version 1.3 only (RFC 8446), its certificate, no resumption. */
export function secureContextOf(identity: Identity): SecureSettings {
  let context: SecureContext | undefined;
  return () =>
    (context ??= createSecureContext({
      cert: selfSignedCertificate(identity),
      key: identity.privateKey,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      // In a resumed session the peer would not prove its key again.
      secureOptions: constants.SSL_OP_NO_TICKET,
    }));
}

/** What is said of the protocol. A server that chooses by a function keeps no copy of its name for each socket. */
function negotiation(role: 'client' | 'server', protocol: string): Negotiation {
  if (role === 'client' || !IS_NODE) return { ALPNProtocols: protocolsOf(protocol) };
  return { ALPNCallback: protocol === ALPN ? chooseOurs : chooserOf(protocol) };
}

type Negotiation = Pick<TLSSocketOptions, 'ALPNProtocols' | 'ALPNCallback'>;

function chooserOf(protocol: string): NonNullable<Negotiation['ALPNCallback']> {
  return ({ protocols }) => (protocols.includes(protocol) ? protocol : undefined);
}

const chooseOurs = chooserOf(ALPN);

/** Bun and Deno know names in a list alone. */
const IS_NODE = process.versions['bun'] === undefined && process.versions['deno'] === undefined;

/**
 * A protocol's name as the handshake has it (RFC 7301 §3.1). Of a list of names Node would make a Buffer in its pool, of which each socket
 * would then keep 8 KiB; of a `DataView` it makes one with memory of its own.
 */
function protocolsOf(protocol: string): readonly string[] | DataView {
  if (!IS_NODE) return [protocol];
  const name = Buffer.from(protocol);
  const { buffer, byteOffset, length } = Buffer.concat([Buffer.of(name.length), name]);
  return new DataView(buffer, byteOffset, length);
}

/**
 * Secures a socket with TLS 1.3, both sides with certificates. Emits the stream with the key that the peer proved, then
 * completes. The certificates are self-signed: there is no authority, only the key counts, and TLS proves that the peer has it
 * (CertificateVerify, RFC 8446 §4.4.3). On any failure, and when unsubscribed from before the end, it closes the socket before any
 * data of the application has been sent.
 *
 * @throws PeerMismatchError when another key than `peerId` is proven.
 * @throws ProtocolError when the other side speaks something else.
 * @throws DialError when the connection breaks.
 */
export function secure$(socket: Duplex, { context, role, peerId, protocol = ALPN }: SecureConfig): Observable<Secured> {
  return new Observable((subscriber) => {
    const settings = {
      socket,
      isServer: role === 'server',
      secureContext: context(),
      requestCert: true,
      // Chains mean nothing here: the key is compared below.
      rejectUnauthorized: false,
      ...negotiation(role, protocol),
    };
    const stream = role === 'client' ? connect(settings) : new TLSSocket(socket, settings);
    let handedOver = false;
    stream.on('error', noop);
    // A stream that is not read does not notice its end.
    const noticeEnd = () => {
      if (stream.readableLength === 0) stream.read(0);
    };
    stream.on('readable', noticeEnd);
    const onFailure = (cause?: Error) => {
      subscriber.error(
        cause === undefined
          ? new DialError('The other side closed the connection during the TLS handshake')
          : new ProtocolError(`The TLS handshake failed: ${cause.message}`, { cause }),
      );
    };
    const onClose = () => {
      onFailure();
    };
    stream.once('error', onFailure);
    // A server's stream reports a failed handshake here, and only then by closing.
    stream.once('_tlsError', onFailure);
    stream.once('close', onClose);
    stream.once('end', onClose);
    const onSecure = () => {
      // Much can have happened since: it was given up, or the connection broke.
      if (subscriber.closed) return;
      if (stream.destroyed || socket.destroyed) {
        onClose();
        return;
      }
      stream.off('readable', noticeEnd).off('error', onFailure).off('_tlsError', onFailure);
      stream.off('close', onClose).off('end', onClose);
      const certificate = stream.getPeerX509Certificate();
      const proven = certificate && peerIdOfCertificate(certificate);
      if (proven === undefined) {
        subscriber.error(new ProtocolError('Expected the peer to prove an Ed25519 key, but it did not'));
      } else if (stream.alpnProtocol !== protocol) {
        subscriber.error(new ProtocolError(`Expected the peer to speak ${protocol}, but it speaks something else`));
      } else if (peerId !== undefined && proven !== peerId) {
        subscriber.error(new PeerMismatchError(peerId, proven));
      } else {
        handedOver = true;
        subscriber.next({ peerId: proven, stream });
        subscriber.complete();
      }
    };
    // Node sends what is last in a client's handshake only when the listeners of `secure` are done. So a client goes on a moment later, while the
    // server checks it.
    stream.once('secure', role === 'client' ? () => setImmediate(onSecure) : onSecure);
    return () => {
      if (!handedOver) stream.destroy();
    };
  });
}
