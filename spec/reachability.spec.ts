import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { lastValueFrom, toArray } from 'rxjs';
import { HttpError, TimeoutError } from '../lib/errors.js';
import { createIdentity } from '../lib/identity.js';
import { look$, lookByAny$, type Look, type LookByAnyConfig, type LookConfig } from '../lib/reachability.js';
import { systemRuntime } from '../lib/runtime.js';
import { addressOf, failureOf, Lab, newAddress } from './support/nodes.js';

describe('Asking a reachability server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A server that answers as a spec says. */
  async function serve(listener: RequestListener): Promise<URL> {
    const server = createServer(listener).listen(0, newAddress());
    await once(server, 'listening');
    lab.onClose(() => {
      server.close();
      server.closeAllConnections();
    });
    const { address, port } = addressOf(server);
    return new URL(`http://${address}:${port}/below/`);
  }

  const serveText = (text: string, status = 200) => serve((_, response) => response.writeHead(status).end(text));

  const asking: Omit<LookConfig, 'server'> = {
    port: 50500,
    peerId: undefined,
    family: 4,
    localAddress: undefined,
    withinMs: 20_000,
    ...systemRuntime,
  };

  /** Whatever is answered is believed. */
  const any: LookByAnyConfig = { ...asking, isCredible: () => true };

  it('is done below its address, from the local address, and names the port and the key', async () => {
    const asked: unknown[] = [];
    const server = await serve((request, response) => {
      asked.push([request.url, request.socket.remoteAddress]);
      response.end('{"address":"198.51.100.7","port":50500,"reachable":true}');
    });
    const [localAddress, { peerId }] = [newAddress(), createIdentity()];
    await lastValueFrom(look$({ ...asking, server, localAddress, peerId }));
    await lastValueFrom(look$({ ...asking, server, localAddress }));
    expect(asked).toEqual([
      [`/below/reachable?port=50500&peer=${peerId}`, localAddress],
      ['/below/reachable?port=50500', localAddress],
    ]);
  });

  it('tells what it saw, and why it got no answer', async () => {
    const endpoint = { address: '198.51.100.7', port: 50500 };
    for (const [text, look] of [
      ['"reachable":true', { endpoint, isReachable: true, reason: undefined }],
      ['"reachable":true,"reason":"none"', { endpoint, isReachable: true, reason: undefined }],
      ['"reachable":false,"reason":"ECONNREFUSED"', { endpoint, isReachable: false, reason: 'ECONNREFUSED' }],
      ['"reachable":false', { endpoint, isReachable: false, reason: undefined }],
      ['"reachable":false,"reason":7', { endpoint, isReachable: false, reason: undefined }],
      [`"reachable":false,"reason":"${'x'.repeat(999)}"`, { endpoint, isReachable: false, reason: 'x'.repeat(256) }],
    ] as const) {
      const server = await serveText(`{"address":"198.51.100.7",${text}}`);
      expect(await lastValueFrom(look$({ ...asking, server }).pipe(toArray()))).toEqual([look]);
    }
  });

  it('takes no port but the one that it named', async () => {
    const server = await serveText('{"address":"198.51.100.7","port":22,"reachable":true}');
    expect((await lastValueFrom(look$({ ...asking, server }))).endpoint.port).toBe(50500);
  });

  it('fails for what is no answer', async () => {
    for (const text of [
      '',
      'yes',
      'null',
      '[]',
      '7',
      '{}',
      '{"address":"198.51.100.7"}',
      '{"reachable":true}',
      '{"address":"nowhere","reachable":true}',
      '{"address":7,"reachable":true}',
      '{"address":"198.51.100.7","reachable":"true"}',
      // Of the other family.
      '{"address":"2001:db8::1","reachable":true}',
      `{"address":"198.51.100.7","reachable":true,"more":"${'x'.repeat(5000)}"}`,
    ]) {
      const server = await serveText(text);
      expect(await failureOf(look$({ ...asking, server })))
        .withContext(text.slice(0, 80))
        .toBeInstanceOf(HttpError);
    }
  });

  it('fails with the words of a server that refuses', async () => {
    const server = await serveText('Too many questions from this address.\n', 429);
    expect(await failureOf(look$({ ...asking, server }))).toEqual(
      jasmine.objectContaining({
        code: 'HTTP',
        message: `${server.origin} refused to dial back: Too many questions from this address.`,
      }),
    );
  });

  it('fails on a redirection', async () => {
    let visits = 0;
    const elsewhere = await serve((_, response) => {
      visits++;
      response.end('{"address":"198.51.100.7","reachable":true}');
    });
    const server = await serve((_, response) => response.writeHead(302, { location: elsewhere.href }).end());
    expect(await failureOf(look$({ ...asking, server }))).toBeInstanceOf(HttpError);
    expect(visits).toBe(0);
  });

  it('fails when the server takes too long', async () => {
    const server = await serve(() => undefined);
    expect(await failureOf(look$({ ...asking, server, withinMs: 20 }))).toBeInstanceOf(TimeoutError);
  });

  it('goes on to the next server until one answers, and asks no other after it', async () => {
    const asked: number[] = [];
    const servers = await Promise.all(
      ['garbage', '{"address":"198.51.100.7","reachable":false}', '{"address":"198.51.100.8","reachable":true}'].map(
        (text, index) =>
          serve((_, response) => {
            asked.push(index);
            response.end(text);
          }),
      ),
    );
    const dead = new URL(`http://${newAddress()}:9/`);
    const looks = await lastValueFrom(lookByAny$([dead, ...servers], any).pipe(toArray()));
    expect(looks.map(({ endpoint, isReachable }) => [endpoint.address, isReachable])).toEqual([
      ['198.51.100.7', false],
    ]);
    expect(asked).toEqual([0, 1]);
  });

  it('skips servers whose answer is not credible, and servers of the other family', async () => {
    const liar = await serveText('{"address":"203.0.113.1","reachable":true}');
    const honest = await serveText('{"address":"198.51.100.7","reachable":true}');
    const blind = new URL('http://[::1]:9/');
    const isCredible = ({ endpoint }: Look) => endpoint.address === '198.51.100.7';
    const look = await lastValueFrom(lookByAny$([blind, liar, honest], { ...any, isCredible }));
    expect(look.endpoint.address).toBe('198.51.100.7');
  });

  it('completes alone when no server answers, and when there is none', async () => {
    const servers = [new URL(`http://${newAddress()}:9/`), await serveText('garbage')];
    expect(await lastValueFrom(lookByAny$(servers, any).pipe(toArray()))).toEqual([]);
    expect(await lastValueFrom(lookByAny$([], any).pipe(toArray()))).toEqual([]);
  });
});
