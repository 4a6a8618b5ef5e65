import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { of, Subject, firstValueFrom } from 'rxjs';
import { say } from '../../../servers/http/answers.js';
import { Bodies } from '../../../servers/http/body.js';
import { httpServer$, type HttpServer } from '../../../servers/http/server.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { allOf } from '../../support/relay.js';

describe('The bodies of requests', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server that answers a body with itself, of at most 1,000 bytes, and holds so many bytes of those that are not whole. */
  async function open(most: ConstructorParameters<typeof Bodies>[0]) {
    const bodies = new Bodies(most);
    const begun = new Subject<void>();
    const server = await lab.open<HttpServer>(
      httpServer$({
        bind: '127.0.0.1',
        port: 0,
        services: [
          of((exchange) => {
            const { request, response } = exchange;
            request.once('readable', () => {
              begun.next();
            });
            bodies.of(exchange, 1_000).then(
              (body) => {
                say(response, body === undefined ? 413 : 200, body?.toString() ?? 'no');
              },
              () => {
                response.destroy();
              },
            );
            return true;
          }),
        ],
      }),
    );
    /** Says so many bytes of a body that is to have 500, and waits until the server has them. */
    const begin = async (length: number, localAddress: string): Promise<Socket> => {
      const socket = connect({ host: server.local.address, port: server.local.port, localAddress });
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      const read = firstValueFrom(begun);
      socket.write(
        `PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 500\r\n\r\n${'a'.repeat(length)}`,
      );
      await read;
      return socket;
    };
    return { begin };
  }

  it('are read whole', async () => {
    const { begin } = await open({ mostOfOne: 1_000, mostOfSite: 1_000, most: 1_000 });
    const socket = await begin(100, newAddress());
    socket.write('b'.repeat(400));
    expect((await allOf(socket)).toString()).toMatch(/a{100}b{400}$/);
  });

  it('are given up, the longest of a site first, where too much waits for the rest of them, and those of others go on', async () => {
    const { begin } = await open({ mostOfOne: 1_000, mostOfSite: 600, most: 10_000 });
    const [greedy, honest] = [newAddress(), newAddress()];
    const other = await begin(400, honest);
    const longest = await begin(450, greedy);
    const gone = once(longest.resume(), 'close');
    const shorter = await begin(200, greedy);
    await gone;
    for (const [socket, left] of [
      [other, 100],
      [shorter, 300],
    ] as const) {
      socket.write('b'.repeat(left));
      expect((await allOf(socket)).toString()).toMatch(/^HTTP\/1\.1 200 .*ab+$/s);
    }
  });

  it('are given up, those of the greediest site first, where all sites together have begun too many', async () => {
    const { begin } = await open({ mostOfOne: 1_000, mostOfSite: 1_000, most: 1_000 });
    const [greedy, honest] = [newAddress(), newAddress()];
    const first = await begin(450, greedy);
    const second = await begin(440, greedy);
    const gone = once(first.resume(), 'close');
    const other = await begin(200, honest);
    await gone;
    other.write('b'.repeat(300));
    expect((await allOf(other)).toString()).toMatch(/^HTTP\/1\.1 200 .*ab+$/s);
    second.write('b'.repeat(60));
    expect((await allOf(second)).toString()).toMatch(/^HTTP\/1\.1 200 .*ab+$/s);
  });
});
