import { once } from 'node:events';
import { connect } from 'node:net';
import { WEB_SOCKET_PROTOCOL } from '../../../lib/rendezvous/messages.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { serveAll } from '../../support/servers.js';
import { WebSocketClient } from '../../support/web-socket-client.js';

describe('Messages that have begun on WebSockets', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('take a bounded memory of each site: the client gives way that has most', async () => {
    const { http } = await serveAll(lab);
    const localAddress = newAddress();
    const asked = [
      'GET /rendezvous HTTP/1.1',
      'Host: h',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `Sec-WebSocket-Protocol: ${WEB_SOCKET_PROTOCOL}`,
    ];
    const sockets = await Promise.all(
      Array.from({ length: 230 }, async () => {
        const socket = connect({ host: http.address, port: http.port, localAddress });
        lab.onClose(() => socket.destroy());
        socket.on('error', () => undefined).write([...asked, '', ''].join('\r\n'));
        await once(socket, 'data');
        return socket.resume();
      }),
    );
    const other = await WebSocketClient.to(`ws://${http.address}:${http.port}/rendezvous`, {
      localAddress: newAddress(),
    });
    lab.onClose(() => {
      other.webSocket.terminate();
    });
    const gone = sockets.map((socket) => once(socket, 'close'));
    // Most of a frame of 24,000 bytes: of all together more than 4 MiB.
    for (const socket of sockets) {
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | 126, 0x5d, 0xc0, 1, 2, 3, 4]), Buffer.alloc(20_000, 'x')]));
    }
    await Promise.any(gone);
    expect(sockets.filter((socket) => !socket.destroyed).length).toBeGreaterThan(150);
    expect(await other.ask('PING')).toBe('PONG');
  });
});
