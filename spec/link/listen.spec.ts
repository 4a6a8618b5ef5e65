import { once } from 'node:events';
import { connect, Server, type Socket } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { listen$, type Listener } from '../../lib/link/tcp.js';
import { Lab } from '../support/nodes.js';

describe('listen$', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('goes on when the system could not accept a connection, as without descriptors', async () => {
    const listening = spyOn(Server.prototype, 'listen').and.callThrough();
    const failed = jasmine.createSpy('failed');
    const listener = await new Promise<Listener>((resolve) => {
      lab.use(listen$({ address: '127.0.0.1', port: 0 }).subscribe({ next: resolve, error: failed }));
    });
    const server: unknown = listening.calls.mostRecent().object;
    if (!(server instanceof Server)) throw new Error('Expected a server');
    server.emit('error', new Error('accept EMFILE'));
    server.emit('error', new Error('accept EMFILE'));
    expect(failed).not.toHaveBeenCalled();
    const arriving = firstValueFrom(listener.socket$);
    const client = connect(listener.local.port, listener.local.address);
    await once(client, 'connect');
    const socket: Socket = await arriving;
    expect(socket.remotePort).toBe(client.localPort);
    socket.destroy();
    client.destroy();
  });
});
