import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { firstValueFrom, of, Subject } from 'rxjs';
import { say } from '../../../servers/http/answers.js';
import type { HttpServerLimits } from '../../../servers/http/limits.js';
import { httpServer$ } from '../../../servers/http/server.js';
import type { Exchange, HttpService } from '../../../servers/http/service.js';
import { Lab } from '../../support/nodes.js';
import { allOf, askUpgrade, bytesOf, closing, type Where } from '../../support/relay.js';

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

  async function open(
    limits: Partial<HttpServerLimits> = {},
    services: readonly HttpService[] = [service],
  ): Promise<Where & { readonly stop: () => void }> {
    return new Promise((resolve, reject) => {
      const serving = lab.use(
        httpServer$({ bind: '127.0.0.1', port: 0, limits, services: services.map((each) => of(each)) }).subscribe({
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

  it('keeps nothing in memory of the request by which a connection came to another protocol', async () => {
    const requests: WeakRef<object>[] = [];
    const watched: HttpService = (exchange) => {
      requests.push(new WeakRef(exchange.request));
      return service(exchange);
    };
    const { socket } = await askUpgrade(await open({}, [watched]), { upgrade: 'echo' }, { path: '/hello' });
    if (socket === undefined) throw new Error('Expected a socket');
    sockets.push(socket);
    socket.write('x');
    expect(await bytesOf(socket, 1)).toBe('x');
    await new Promise(setImmediate);
    setFlagsFromString('--expose-gc');
    runInNewContext('gc()');
    expect(requests.map((request) => request.deref())).toEqual([undefined]);
  });

  it('loses nothing of what comes along with the request', async () => {
    const { host, port } = await open();
    const socket = connect({ host, port });
    sockets.push(socket);
    socket.write('GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nalready here');
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nalready here';
    expect(await bytesOf(socket, answer.length)).toBe(answer);
  });

  it('answers a request for an unknown upgrade without it, and closes', async () => {
    const where = await open();
    const hello = await askUpgrade(where, { upgrade: 'h2c' }, { path: '/hello' });
    expect([hello.status, hello.text, hello.headers.connection]).toEqual([200, 'hello', 'close']);
    expect((await askUpgrade(where, { upgrade: 'echo' }, { path: '/elsewhere' })).status).toBe(404);
    expect((await askUpgrade(where, { upgrade: 'echo' }, { path: '/hello', method: 'POST' })).status).toBe(400);
  });

  it('closes a connection that asks for an upgrade before its last answer', async () => {
    const { host, port } = await open();
    const socket = connect({ host, port });
    sockets.push(socket);
    socket.write('GET /later HTTP/1.1\r\nHost: h\r\n\r\n');
    socket.write('GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await closing(socket);
    expect(socket.bytesRead).toBe(0);
    expect((await askUpgrade({ host, port }, { upgrade: 'h2c' }, { path: '/hello' })).text).toBe('hello');
  });

  it('survives clients that reset the connection in the middle of a request', async () => {
    const { host, port } = await open();
    for (const text of ['GET /hello HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\nHost: h\r\n\r\nx', 'GET /']) {
      const socket = connect({ host, port });
      await once(socket, 'connect');
      socket.write(text);
      socket.resetAndDestroy();
    }
    expect((await askUpgrade({ host, port }, { upgrade: 'h2c' }, { path: '/hello' })).text).toBe('hello');
  });

  /** Opens a connection, and says something. */
  function saying({ host, port }: Where, text: string): Socket {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    sockets.push(socket);
    socket.write(text);
    return socket;
  }

  it('answers one request at a time: it takes none that comes before the answer to another, and closes behind that', async () => {
    const asked: Exchange[] = [];
    const taken = new Subject<void>();
    const where = await open({}, [
      (exchange) => {
        asked.push(exchange);
        taken.next();
        return true;
      },
    ]);
    const first = firstValueFrom(taken);
    const socket = saying(where, 'GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(1_000));
    await first;
    for (const { response } of asked) say(response, 200, 'once');
    const answer = (await allOf(socket)).toString();
    expect(asked.map(({ url }) => url.pathname)).toEqual(['/1']);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n(?:.+\r\n)*\r\nonce$/);
  });

  it('goes on with a connection whose next request comes after the answer', async () => {
    const where = await open();
    const socket = connect({ host: where.host, port: where.port });
    sockets.push(socket);
    for (let count = 0; count < 3; count++) {
      socket.write('GET /hello HTTP/1.1\r\nHost: h\r\n\r\n');
      let answer = '';
      while (!answer.endsWith('hello')) answer += await bytesOf(socket, 1);
      expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
    }
  });

  it('hangs up on a client that does not read its answer, and on one for which too much waits', async () => {
    // More than the kernel has room for.
    const long = 'x'.repeat(16 * 1024 * 1024);
    const closed = new Subject<void>();
    const big: HttpService = ({ response }) => {
      response.once('close', () => {
        closed.next();
      });
      say(response, 200, long);
      return true;
    };
    for (const limits of [{ unreadMs: 1 }, { unreadBytes: 1_000_000 }, { unreadBytesPerHost: 1_000_000 }]) {
      const room = { unreadBytes: 2 ** 26, unreadBytesPerHost: 2 ** 26 };
      const where = await open({ ...room, ...limits }, [big]);
      const isClosed = firstValueFrom(closed);
      const socket = saying(where, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n').pause();
      await isClosed;
      await closing(socket);
      expect(socket.bytesRead).withContext(JSON.stringify(limits)).toBeLessThan(long.length);
    }
  });

  it('hangs up on those whose request never ends: in trickles, in headers, in its body', async () => {
    const where = await open({ requestMs: 1_500 });
    const trickles = [
      'GET /hello HTTP/1.1\r\nX: ',
      'POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n',
    ];
    await Promise.all(
      trickles.map(async (start) => {
        const socket = saying(where, start);
        const trickle = setInterval(() => socket.write('x'), 10);
        await closing(socket);
        clearInterval(trickle);
      }),
    );
    const endless = saying(where, 'GET /hello HTTP/1.1\r\n');
    const flooding = setInterval(() => endless.write('X: yyyyyyyyyyyyyyyy\r\n'.repeat(100)), 1);
    const closed = closing(endless);
    await closed;
    clearInterval(flooding);
    expect((await askUpgrade(where, { upgrade: 'h2c' }, { path: '/hello' })).text).toBe('hello');
  });
});
