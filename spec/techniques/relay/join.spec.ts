import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { firstValueFrom } from 'rxjs';
import { selfSignedCertificate } from '../../../lib/certificate.js';
import { DialError, HttpError, TimeoutError } from '../../../lib/errors.js';
import { createIdentity } from '../../../lib/identity.js';
import { join$, RelayRefusedError, type JoinConfig } from '../../../lib/techniques/relay/join.js';
import { decodeJoin, RELAY_HEADER } from '../../../lib/techniques/relay/protocol.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { relayServer$ } from '../../../servers/relay/server.js';
import { addressOf, failureOf, Lab, newAddress } from '../../support/nodes.js';
import { bytesOf, closing } from '../../support/relay.js';

const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: rxp2p-relay/1\r\n\r\n';

describe('Joining a relay', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  const [identity, to] = [createIdentity(), createIdentity().peerId];

  function configOf(fields: Partial<JoinConfig> = {}): JoinConfig {
    return { identity, to, token: systemRuntime.newId(), runtime: systemRuntime, ...fields };
  }

  async function listening(server: TcpServer): Promise<number> {
    server.on('connection', (socket: Socket) => {
      sockets.push(socket.on('error', () => undefined));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return addressOf(server).port;
  }

  /** A server that answers as a spec likes, and what it was asked. */
  async function relayThat(
    answer: (socket: Socket, at: number, count: number) => void,
  ): Promise<{ readonly url: URL; readonly asked: string[]; readonly server: Server }> {
    const asked: string[] = [];
    const server = createServer().on('upgrade', (request, _, head: Buffer) => {
      expect(head.length).toBe(0);
      const header = request.headers[RELAY_HEADER];
      asked.push(request.url ?? '');
      answer(request.socket, decodeJoin(String(header))?.at ?? 0, asked.length);
    });
    return { url: new URL(`http://127.0.0.1:${await listening(server)}`), asked, server };
  }

  function refusing(words: string): string {
    return `HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(words)}\r\n\r\n${words}`;
  }

  it('emits a socket that has nothing lost of what came with the answer, and completes', async () => {
    const { url, asked } = await relayThat((socket) => {
      socket.write(`${AGREED}early`);
      socket.on('data', (chunk) => socket.write(chunk));
    });
    const socket = await firstValueFrom(join$(new URL('base?secret', url), configOf()));
    sockets.push(socket);
    expect(socket.isPaused() || socket.readableFlowing === null).toBeTrue();
    expect(await bytesOf(socket, 5)).toBe('early');
    socket.write('there');
    expect(await bytesOf(socket, 5)).toBe('there');
    expect(asked).toEqual(['/base/relay']);
  });

  it('leaves from the address that it is told to, and can end one way before the other', async () => {
    const { url } = await relayThat((socket) => {
      socket.write(AGREED + (socket.remoteAddress ?? ''));
      socket.on('end', () => socket.end('the rest'));
      socket.resume();
    });
    const localAddress = newAddress();
    const socket = await firstValueFrom(join$(url, configOf({ localAddress })));
    sockets.push(socket);
    expect(await bytesOf(socket, localAddress.length)).toBe(localAddress);
    socket.end();
    expect(await bytesOf(socket, 8)).toBe('the rest');
  });

  for (const [refused, words] of [
    ['clock', 'the clock is wrong'],
    ['untimely', 'it has just started'],
  ] as const) {
    it(`asks once more, with the relay’s time, when that says that ${words}, and not a third time`, async () => {
      const now = 1_000_000;
      const clock = refusing(JSON.stringify({ refused, words, now }));
      const times: number[] = [];
      const { url } = await relayThat((socket, at, count) => {
        times.push(at);
        socket.end(count === 2 ? AGREED : clock);
      });
      const config = configOf();
      sockets.push(await firstValueFrom(join$(url, config)));
      expect(times[1]).toBeGreaterThanOrEqual(now);
      expect(times[1]).toBeLessThan(now + 30_000);
      const failure = await failureOf(join$(url, config));
      expect(failure).toBeInstanceOf(RelayRefusedError);
      expect(times.length).toBe(4);
    });
  }

  it('fails with the relay’s words, shown as one line, when it refuses', async () => {
    const words = `in use${String.fromCharCode(27)}[31m\nalready`;
    const { url, asked } = await relayThat((socket) => {
      socket.end(refusing(JSON.stringify({ refused: 'taken', words, now: 5 })));
    });
    const failure = await failureOf(join$(url, configOf()));
    expect(failure).toBeInstanceOf(RelayRefusedError);
    expect(failure instanceof RelayRefusedError && failure.refusal?.refused).toBe('taken');
    expect(failure).toEqual(
      jasmine.objectContaining({ code: 'HTTP', message: `The relay ${url.origin} refused: in use [31m already` }),
    );
    expect(asked.length).toBe(1);
  });

  it('fails when there is something else, however much it says', async () => {
    const answers: readonly RequestListener[] = [
      (_, response) => response.writeHead(404).end('nothing here'),
      (_, response) => {
        const pour = () => {
          while (response.write('x'.repeat(10_000)));
        };
        response.on('drain', pour);
        pour();
      },
    ];
    for (const listener of answers) {
      // Without a listener for upgrades Node takes the request for an ordinary one.
      const port = await listening(createServer(listener));
      const failure = await failureOf(join$(new URL(`http://127.0.0.1:${port}`), configOf()));
      expect(failure).toBeInstanceOf(RelayRefusedError);
      expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/HTTP status (404|200)/) }));
    }
    const { url } = await relayThat((socket) => {
      socket.write(AGREED.replace('rxp2p-relay/1', 'websocket'));
    });
    const other = await failureOf(join$(url, configOf()));
    expect(other).toBeInstanceOf(HttpError);
    expect(other).toEqual(jasmine.objectContaining({ message: jasmine.stringContaining('websocket') }));
  });

  it('fails when the connection breaks, or is none of HTTP', async () => {
    for (const action of [
      (socket: Socket) => socket.end('SSH-2.0-OpenSSH\r\n'),
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.resetAndDestroy(),
    ]) {
      const port = await listening(createTcpServer((socket) => socket.once('data', () => action(socket))));
      expect(await failureOf(join$(new URL(`http://127.0.0.1:${port}`), configOf()))).toBeInstanceOf(DialError);
    }
    expect(await failureOf(join$(new URL('http://127.0.0.1:9'), configOf()))).toBeInstanceOf(DialError);
  });

  it('gives up after its time, and leaves nothing open', async () => {
    const closed = new Promise<void>((resolve) => {
      void relayThat((socket) => {
        resolve(closing(socket));
      }).then(async ({ url }) => {
        expect(await failureOf(join$(url, configOf({ timeoutMs: 50 })))).toBeInstanceOf(TimeoutError);
      });
    });
    await expectAsync(closed).toBeResolved();
  });

  it('leaves nothing open when it is unsubscribed from', async () => {
    const asked = new Promise<Socket>((resolve) => {
      void relayThat(resolve).then(({ url }) => {
        const joining = lab.use(join$(url, configOf()).subscribe({ error: fail }));
        void asked.then(() => {
          joining.unsubscribe();
        });
      });
    });
    await closing(await asked);
    expect((await asked).closed).toBeTrue();
  });

  describe('behind a proxy with TLS and a path of its own', () => {
    /** What stands before a relay: TLS with a certificate that nobody vouches for. */
    async function proxy(): Promise<URL> {
      const { port: relayPort } = await new Promise<{ readonly port: number }>((resolve, reject) => {
        lab.use(
          relayServer$({ bind: '127.0.0.1', port: 0 }).subscribe({
            next: ({ local }) => {
              resolve(local);
            },
            error: reject,
          }),
        );
      });
      const owner = createIdentity();
      const server = createTlsServer({ cert: selfSignedCertificate(owner), key: owner.privateKey }, (stream) => {
        const behind = connect({ port: relayPort, host: '127.0.0.1' });
        stream.on('error', () => undefined);
        sockets.push(
          stream,
          behind.on('error', () => undefined),
        );
        stream.pipe(behind).pipe(stream);
      });
      return new URL(`https://127.0.0.1:${await listening(server)}/p2p/`);
    }

    it('trusts no certificate that nobody vouches for', async () => {
      const failure = await failureOf(join$(await proxy(), configOf()));
      expect(failure).toBeInstanceOf(DialError);
      expect(failure).toEqual(jasmine.objectContaining({ message: jasmine.stringContaining('self-signed') }));
    });

    it('is joined like any other', async () => {
      const relay = await proxy();
      const [peer, token] = [createIdentity(), systemRuntime.newId()];
      // The only way to have this process trust it; Node warns of it once.
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      lab.onClose(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
      const [here, there] = await Promise.all([
        firstValueFrom(join$(relay, configOf({ to: peer.peerId, token }))),
        firstValueFrom(join$(relay, configOf({ identity: peer, to: identity.peerId, token }))),
      ]);
      sockets.push(here, there);
      here.write('over TLS');
      expect(await bytesOf(there, 8)).toBe('over TLS');
      there.end('and back');
      expect(await bytesOf(here, 8)).toBe('and back');
    });
  });
});
