import { once } from 'node:events';
import { connect, Server, type Socket } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { ListenError } from '../../lib/errors.js';
import { listen$, listenErrorOf, type Listener } from '../../lib/link/tcp.js';
import { connectAtOnce } from '../support/at-once.js';
import { failureOf, Lab } from '../support/nodes.js';

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

  it('loses none of a thousand connections that come in the same moment', async () => {
    const { local } = await lab.open(listen$({ address: '127.0.0.1', port: 0 }));
    expect(() => {
      connectAtOnce(local);
    }).not.toThrow();
  });

  it('says what helps when it cannot listen', async () => {
    // An address of documentation (RFC 5737), which no machine has.
    const elsewhere = await failureOf(listen$({ address: '192.0.2.1', port: 0 }));
    expect(elsewhere).toBeInstanceOf(ListenError);
    expect(elsewhere).toEqual(
      jasmine.objectContaining({
        message: jasmine.stringMatching(/EADDRNOTAVAIL.* Choose an address that this machine has/),
      }),
    );
    const { local } = await lab.open(listen$({ address: '127.0.0.1', port: 0 }));
    const taken = await failureOf(listen$(local));
    expect(taken).toEqual(
      jasmine.objectContaining({
        message: jasmine.stringMatching(
          new RegExp(`^Cannot listen on 127.0.0.1:${local.port}: .*EADDRINUSE.* Choose another port or address`),
        ),
      }),
    );
    const denied = Object.assign(new Error('listen EACCES: permission denied 0.0.0.0:443'), { code: 'EACCES' });
    expect(listenErrorOf(denied, { port: 443 }).message).toMatch(
      /^Cannot listen on port 443: .* Choose a port from 1024 on, or .*CAP_NET_BIND_SERVICE/,
    );
    expect(listenErrorOf(denied, { port: 8000 }).message).toMatch(/Choose another port or address/);
  });
});
