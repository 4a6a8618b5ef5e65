import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { addressOf } from './nodes.js';

/**
 * Counts trips: how many times in a row somebody had to wait for what another has said, as Lamport's clock counts them. Nodes come to a server
 * by proxies of their own. Whatever is said goes to the others at once, and counts one more than the most that its sender had heard.
 */
export class Trips {
  readonly #heard = new Map<string, number>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  /** Begins to count anew. */
  reset(): void {
    this.#heard.clear();
  }

  /** The most trips in a row that lead to something which a node, or the server, has heard. */
  to(who: string): number {
    return this.#heard.get(who) ?? 0;
  }

  /** Opens a proxy by which a node comes to the server. Returns its port; the server may be named later. */
  async proxyOf(node: string, server: () => number): Promise<number> {
    const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: server(), allowHalfOpen: true, noDelay: true });
      this.#join([node, near], ['server', far]);
      this.#join(['server', far], [node, near]);
    }).listen(0, '127.0.0.1');
    this.#servers.push(proxy);
    await once(proxy, 'listening');
    return addressOf(proxy).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
  }

  #join([sender, from]: readonly [string, Socket], [receiver, to]: readonly [string, Socket]): void {
    this.#sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('data', (bytes: Buffer) => {
      this.#heard.set(receiver, Math.max(this.to(receiver), this.to(sender) + 1));
      to.write(bytes);
    });
    from.on('end', () => to.end());
    from.on('close', () => this.#sockets.delete(from));
  }
}
