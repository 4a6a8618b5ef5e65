import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { firstValueFrom, Observable, switchMap } from 'rxjs';
import { formatEndpoint, parseEndpoint } from '../../lib/endpoint.js';
import type { Technique } from '../../lib/index.js';
import { addressOf, Lab } from '../support/nodes.js';

/** A proxy that opens a tunnel for whoever asks (CONNECT, RFC 9110 §9.3.6). Notes where to. */
async function proxy(lab: Lab): Promise<{ readonly port: number; readonly opened: readonly string[] }> {
  const opened: string[] = [];
  const server = createServer().on('connect', ({ url = '' }, socket: Socket) => {
    opened.push(url);
    const { address, port } = parseEndpoint(url) ?? { address: '', port: 0 };
    const onward = connect({ host: address, port }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const each of [socket, onward]) {
      each.on('error', () => undefined);
      lab.onClose(() => each.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onClose(() => server.close());
  return { port: addressOf(server).port, opened };
}

/** Has a proxy open a tunnel. Emits the socket and completes; unsubscribed before that, it gives up. */
function tunnel$(port: number, to: string): Observable<Socket> {
  return new Observable((subscriber) => {
    let isOpen = false;
    const asking = request({ host: '127.0.0.1', port, method: 'CONNECT', path: to });
    asking.on('error', (error) => {
      subscriber.error(error);
    });
    asking.on('connect', ({ statusCode = 0 }, socket: Socket) => {
      isOpen = statusCode === 200;
      if (isOpen) subscriber.next(socket);
      else subscriber.error(new Error(`The proxy refuses: HTTP status ${statusCode}`));
      subscriber.complete();
    });
    asking.end();
    return () => {
      if (!isOpen) asking.destroy();
    };
  });
}

describe('A proxy that everything has to go through', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('is passed by a technique of an application, which hands over the socket', async () => {
    const { port, opened } = await proxy(lab);
    const byProxy: Technique = {
      name: 'proxy',
      dial: (attempt$) =>
        attempt$.pipe(
          switchMap(({ peer, secure$ }) => {
            const [endpoint = { address: '', port: 0 }] = peer.version === 3 ? peer.endpoints : [];
            return tunnel$(port, formatEndpoint(endpoint)).pipe(switchMap((socket) => secure$(socket, byProxy.name)));
          }),
        ),
    };
    const [here, there] = [lab.net(), lab.net()];
    const unl = await firstValueFrom(there.unl$);
    const arriving = firstValueFrom(there.lines$);
    const connection = await firstValueFrom(here.connect$(unl, { techniques: [byProxy] }));
    connection.send('by the proxy');
    expect((await arriving).text).toBe('by the proxy');
    expect((await firstValueFrom(connection.path$)).technique).toBe('proxy');
    expect(opened).toHaveSize(1);
  });
});
