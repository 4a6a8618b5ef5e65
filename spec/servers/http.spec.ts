import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { of } from 'rxjs';
import { httpServer$, say, type HttpService } from '../../servers/http.js';
import { Lab } from '../support/nodes.js';
import { askUpgrade, bytesOf, closing, type Where } from '../support/relay.js';

describe('An HTTP server', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  /** Takes `echo` for an upgrade, and says hello to all others; to some it never answers. */
  const service: HttpService = ({ url, response, upgrade }) => {
    if (url.pathname === '/later') return true;
    if (url.pathname !== '/hello') return false;
    if (upgrade?.protocol === 'echo') {
      const socket = upgrade.accept();
      socket.pipe(socket);
    } else {
      say(response, 200, 'hello');
    }
    return true;
  };

  async function open(): Promise<Where & { readonly stop: () => void }> {
    return new Promise((resolve, reject) => {
      const serving = lab.use(
        httpServer$({ bind: '127.0.0.1', port: 0, services: [of(service)] }).subscribe({
          next: ({ local }) => {
            const stop = () => {
              serving.unsubscribe();
            };
            resolve({ host: local.address, port: local.port, stop });
          },
          error: reject,
        }),
      );
    });
  }

  it('changes to a protocol that a service takes', async () => {
    const { stop, ...where } = await open();
    const { status, headers, socket } = await askUpgrade(where, { upgrade: 'Echo' }, { path: '/hello' });
    if (socket === undefined) throw new Error('Expected a socket');
    sockets.push(socket);
    expect([status, headers.upgrade, headers.connection]).toEqual([101, 'echo', 'Upgrade']);
    const sent = randomBytes(1000).toString('hex');
    socket.write(sent);
    expect(await bytesOf(socket, sent.length)).toBe(sent);
    const closed = closing(socket);
    stop();
    await closed;
  });

  it('loses nothing of what comes along with the request', async () => {
    const { host, port } = await open();
    const socket = connect({ host, port });
    sockets.push(socket);
    socket.write('GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nalready here');
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nalready here';
    expect(await bytesOf(socket, answer.length)).toBe(answer);
  });

  it('answers whoever would like another upgrade as if it did not, and closes', async () => {
    const where = await open();
    const hello = await askUpgrade(where, { upgrade: 'h2c' }, { path: '/hello' });
    expect([hello.status, hello.text, hello.headers.connection]).toEqual([200, 'hello', 'close']);
    expect((await askUpgrade(where, { upgrade: 'echo' }, { path: '/elsewhere' })).status).toBe(404);
    expect((await askUpgrade(where, { upgrade: 'echo' }, { path: '/hello', method: 'POST' })).status).toBe(400);
  });

  it('hangs up on whoever wants to change before it has been answered', async () => {
    const { host, port } = await open();
    const socket = connect({ host, port });
    sockets.push(socket);
    socket.write('GET /later HTTP/1.1\r\nHost: h\r\n\r\n');
    socket.write('GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await closing(socket);
    expect(socket.bytesRead).toBe(0);
    expect((await askUpgrade({ host, port }, { upgrade: 'h2c' }, { path: '/hello' })).text).toBe('hello');
  });

  it('outlives those who break off in the middle of it', async () => {
    const { host, port } = await open();
    for (const text of ['GET /hello HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\nHost: h\r\n\r\nx', 'GET /']) {
      const socket = connect({ host, port });
      await once(socket, 'connect');
      socket.write(text);
      socket.resetAndDestroy();
    }
    expect((await askUpgrade({ host, port }, { upgrade: 'h2c' }, { path: '/hello' })).text).toBe('hello');
  });
});
