import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';

/** How a server secures a connection. */
export interface SecuredSocketConfig {
  readonly context: SecureContext;
  /** The protocols to choose from (ALPN, RFC 7301). */
  readonly protocols: readonly string[];
}

/**
 * The server's end of a connection that is secured by TLS. It can be used as any socket, which Node's own class cannot: that throws
 * when it is to be reset, and stays open after an error of TLS when nobody but this server has made it.
 */
export class SecuredSocket extends TLSSocket {
  readonly #below: Socket;

  /** @param socket the connection below. */
  constructor(socket: Socket, { context, protocols }: SecuredSocketConfig) {
    super(socket, { isServer: true, secureContext: context, ALPNProtocols: [...protocols] });
    this.#below = socket;
    // A client of TLS 1.2 could ask for one handshake after the other, which cost a server far more than a client.
    this.disableRenegotiation();
    this.on('_tlsError', () => {
      this.destroy();
    });
  }

  /** Resets the connection below. */
  override resetAndDestroy(): this {
    this.pause();
    // Node 20 crashes where the socket below is destroyed first, and from within what reads this one.
    setImmediate(() => {
      this.#below.resetAndDestroy();
    });
    return this;
  }
}
