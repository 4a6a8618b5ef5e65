import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { VirtualTimeScheduler } from 'rxjs';
import { createIdentity } from '../../../lib/identity.js';
import { secureContextOf } from '../../../lib/link/tls.js';
import { Handshakes } from '../../../servers/tls/handshakes.js';
import { addressOf, Lab } from '../../support/nodes.js';

describe('A TLS handshake', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('is given up after ten seconds', async () => {
    const scheduler = new VirtualTimeScheduler();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const arriving = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect(addressOf(server).port, '127.0.0.1');
    client.on('error', () => undefined).write('\x16\x03\x01\x02\x00');
    const socket = await arriving;
    const context = secureContextOf(createIdentity())();
    new Handshakes(scheduler).secure(socket, { context, protocols: ['a'], site: 'site' }, () => {
      throw new Error('Expected no stream');
    });
    const closed = once(client.resume(), 'close');
    scheduler.flush();
    await closed;
    expect(scheduler.now()).toBe(10_000);
  });
});
