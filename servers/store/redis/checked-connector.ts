import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { AbstractConnector } from 'ioredis';
import type { ServerAddress } from '../../../lib/endpoint.js';
import { CheckedSocket } from './checked-socket.js';

/** How long a node may take to accept a connection, with TLS, in milliseconds. */
const CONNECT_MS = 2_000;

/** How long a connection may take to end in order, in milliseconds. */
const END_MS = 200;

/**
 * What the client connects by: a class, as it asks for one. Its connections are checked before the client reads them.
 *
 * @param Base the client's own class for that.
 */
export function checkedConnector(
  Base: typeof AbstractConnector,
  { host, port }: ServerAddress,
  isEncrypted: boolean,
): new () => AbstractConnector {
  return class extends Base {
    #dialled: Socket | undefined;

    constructor() {
      super(END_MS);
    }

    /** Never fails: the client dials again after a connection that is destroyed, and gives up after a failure. */
    override connect(): Promise<Socket> {
      const inner = isEncrypted ? connectTls({ host, port }) : connect({ host, port });
      const stream = new CheckedSocket(inner);
      this.#dialled = stream;
      delete this.firstError;
      inner.setTimeout(CONNECT_MS, () => {
        stream.destroy(new Error(`it has not accepted the connection within ${CONNECT_MS} ms`));
      });
      stream.once('error', (error) => {
        this.firstError = error;
      });
      return new Promise((resolve) => {
        inner.once(isEncrypted ? 'secureConnect' : 'connect', () => {
          inner.setTimeout(0);
          this.#dialled = undefined;
          this.stream = stream;
          resolve(stream);
        });
        stream.once('close', () => {
          resolve(stream);
        });
      });
    }

    override disconnect(): void {
      if (this.#dialled === undefined) super.disconnect();
      else this.#dialled.destroy();
    }
  };
}
