import { connect, Server, type Socket } from 'node:net';
import { firstValueFrom, of, Subject } from 'rxjs';
import { say } from '../../../servers/http/answers.js';
import { httpServer$, type HttpServer } from '../../../servers/http/server.js';
import type { Exchange, HttpService } from '../../../servers/http/service.js';
import { connectAtOnce } from '../../support/at-once.js';
import { Lab } from '../../support/nodes.js';
import { allOf } from '../../support/relay.js';

describe('An HTTP server that listens', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function open(service: HttpService, failed: (error: unknown) => void = fail): Promise<HttpServer> {
    return new Promise((resolve) => {
      const serving$ = httpServer$({ bind: '127.0.0.1', port: 0, services: [of(service)] });
      lab.use(serving$.subscribe({ next: resolve, error: failed }));
    });
  }

  function saying({ local }: HttpServer, text: string): Socket {
    const socket = connect({ host: local.address, port: local.port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    lab.onClose(() => socket.destroy());
    socket.write(text);
    return socket;
  }

  const GET = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';

  it('goes on when the system could not accept a connection, as without descriptors', async () => {
    const listening = spyOn(Server.prototype, 'listen').and.callThrough();
    const failed = jasmine.createSpy('failed');
    const server = await open(({ response }) => {
      say(response, 200, 'here');
      return true;
    }, failed);
    const front: unknown = listening.calls.mostRecent().object;
    if (!(front instanceof Server)) throw new Error('Expected a server');
    front.emit('error', new Error('accept EMFILE'));
    front.emit('error', new Error('accept EMFILE'));
    expect(failed).not.toHaveBeenCalled();
    expect((await allOf(saying(server, GET))).toString()).toMatch(/here$/);
  });

  it('loses none of a thousand connections that come in the same moment', async () => {
    const { local } = await open(() => false);
    expect(() => {
      connectAtOnce(local);
    }).not.toThrow();
  });

  it('answers one request at a time of those, too, that expect what it does not know', async () => {
    const asked: Exchange[] = [];
    const taken = new Subject<void>();
    const server = await open((exchange) => {
      asked.push(exchange);
      taken.next();
      return true;
    });
    const first = firstValueFrom(taken);
    const socket = saying(server, 'GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n'.repeat(1_000));
    await first;
    for (const { response } of asked) say(response, 200, 'once');
    const answer = (await allOf(socket)).toString();
    expect(asked.length).toBe(1);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n(?:.+\r\n)*\r\nonce$/);
  });

  it('reads no further while one is answered, and costs others nothing', async () => {
    const asked: Exchange[] = [];
    const taken = new Subject<void>();
    const server = await open((exchange) => {
      if (exchange.url.pathname === '/now') {
        say(exchange.response, 200, 'now');
        return true;
      }
      asked.push(exchange);
      taken.next();
      return true;
    });
    const first = firstValueFrom(taken);
    const socket = saying(server, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(100_000));
    await first;
    for (let count = 0; count < 20; count++) {
      await allOf(saying(server, 'GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'));
    }
    const [exchange] = asked;
    expect(exchange?.request.socket.bytesRead).toBeLessThan(200_000);
    if (exchange !== undefined) say(exchange.response, 200, 'once');
    expect((await allOf(socket)).toString()).toMatch(/connection: close\r\n(?:.+\r\n)*\r\nonce$/);
    expect(asked.length).toBe(1);
  });
});
