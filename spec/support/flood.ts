import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { newAddress } from './nodes.js';

/** Where to connect to. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Connections from addresses of their own, which say nothing unless told to, and are closed together. */
export class Flood {
  readonly #sockets: Socket[] = [];

  /** Opens connections one after the other from one address, a new one by default, and waits until each is open. */
  async from(target: Target, connections: number, address = newAddress()): Promise<readonly Socket[]> {
    const sockets: Socket[] = [];
    for (let count = 0; count < connections; count++) sockets.push(await this.open(target, address));
    return sockets;
  }

  /** Opens one connection from an address. */
  async open({ address, port }: Target, localAddress = newAddress()): Promise<Socket> {
    const socket = connect({ host: address, port, localAddress, noDelay: true });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }
}
