import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { filter, firstValueFrom, map, Subscription } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';
import {
  createIdentity,
  exposePort$,
  forwardPort$,
  type Endpoint,
  type ExposePortConfig,
  type FailedStream,
  type ForwardPortConfig,
  type ForwardStep,
  type Net,
  type NetConfig,
  type Runtime,
} from '../../lib/index.js';
import { Cable } from '../support/cable.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { leftToCi } from '../support/left-to-ci.js';

/** A thousand streams take their time on a busy machine. */
const LONG_MS = 60_000;

describe('A forwarded port', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A TCP service, and where it is. */
  async function service(onSocket: (socket: Socket) => void): Promise<{ server: Server; port: number; host: string }> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return { server, port: addressOf(server).port, host: '127.0.0.1' };
  }

  const echo = () => service((socket) => socket.pipe(socket));

  const unlOf = ({ unl$ }: Net) => firstValueFrom(unl$);

  interface Forwarded {
    readonly local: Endpoint;
    readonly failed: readonly FailedStream[];
    readonly steps: readonly ForwardStep[];
    readonly net: Net;
    readonly peer: Net;
    /** Exposes it no more. */
    readonly withdraw: () => void;
    /** Forwards no more. */
    readonly stop: () => void;
  }

  /** Exposes a port at a peer, and forwards one to it. */
  async function forwarded(
    { port, host }: { readonly port: number; readonly host: string },
    {
      exposed = {},
      config = {},
      net = lab.net(),
      peer = lab.net(),
    }: {
      readonly exposed?: Partial<ExposePortConfig>;
      readonly config?: Partial<ForwardPortConfig>;
      readonly net?: Net;
      readonly peer?: Net;
    } = {},
  ): Promise<Forwarded> {
    const failed: FailedStream[] = [];
    const exposing = lab.use(
      exposePort$(peer, { name: 'web', host, port, ...exposed }).subscribe((stream) => failed.push(stream)),
    );
    const forwarding = new Subscription();
    lab.use(forwarding);
    const steps: ForwardStep[] = [];
    const step$ = forwardPort$(net, await unlOf(peer), { name: 'web', ...config });
    const local = await new Promise<Endpoint>((resolve, reject) => {
      forwarding.add(
        step$.subscribe({
          next: (step) => {
            steps.push(step);
            if (step.type === 'listening') resolve(step.local);
          },
          error: reject,
        }),
      );
    });
    const withdraw = () => {
      exposing.unsubscribe();
    };
    const stop = () => {
      forwarding.unsubscribe();
    };
    return { local, failed, steps, net, peer, withdraw, stop };
  }

  /** A client, as a program of this machine would be one. */
  function client({ address, port }: Endpoint): Socket {
    const socket = connect({ host: address, port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    lab.onClose(() => socket.destroy());
    return socket;
  }

  /** Waits for the end of a socket: the code of the error that it ends by, if it is one. */
  const resetOf = (socket: Socket) =>
    new Promise<string | undefined>((resolve) => {
      let code: string | undefined;
      socket.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code;
      });
      socket.on('close', () => {
        resolve(code);
      });
      socket.resume();
    });

  it('leads to the service, and half-closes: what is asked may end long before the answer begins', async () => {
    const [question, answer] = [randomBytes(3_000_000), randomBytes(2_000_000)];
    const asked: Buffer[] = [];
    const { local } = await forwarded(
      await service((socket) => {
        const chunks: Buffer[] = [];
        socket.on('data', (chunk) => chunks.push(chunk));
        socket.on('end', () => {
          asked.push(Buffer.concat(chunks));
          socket.end(answer);
        });
      }),
    );
    const socket = client(local);
    socket.end(question);
    expect((await buffer(socket)).equals(answer)).toBeTrue();
    expect(asked.map((bytes) => bytes.equals(question))).toEqual([true]);
    expect(local.address).toBe('127.0.0.1');
  });

  it(
    'leads a thousand clients at once, each to a connection of its own',
    async () => {
      leftToCi();
      const { local, failed, steps } = await forwarded(await echo());
      const texts = Array.from({ length: 1_000 }, (_, index) => `client ${index}`);
      const sockets = texts.map(() => client(local));
      // All of them are open at the same time.
      const heard = sockets.map((socket) => once(socket.setEncoding('utf8'), 'data'));
      for (const [index, socket] of sockets.entries()) socket.write(texts[index] ?? '');
      expect((await Promise.all(heard)).map(([data]: unknown[]) => data)).toEqual(texts);
      const ends = sockets.map((socket) => once(socket, 'end'));
      for (const socket of sockets) socket.resume().end();
      await Promise.all(ends);
      expect([failed, steps.length]).toEqual([[], 1]);
    },
    LONG_MS,
  );

  it('has a client that does not read hold up nobody but itself', async () => {
    const bytes = Buffer.alloc(20_000_000, 'x');
    const { local } = await forwarded(
      await service((socket) => {
        socket.once('data', (what: Buffer) => {
          if (what.toString() === 'much') socket.end(bytes);
          else socket.end(what);
        });
      }),
    );
    const slow = client(local);
    slow.write('much');
    await once(slow, 'readable');
    for (const word of ['one', 'two', 'three']) {
      const quick = client(local);
      quick.end(word);
      expect(await text(quick)).toBe(word);
    }
    expect((await buffer(slow)).length).toBe(bytes.length);
  });

  it('tells a client by a reset that the service refuses connections, and that nothing is exposed by the name', async () => {
    const { server, port, host } = await echo();
    server.close();
    await once(server, 'close');
    const { local, failed, steps, net, peer } = await forwarded({ port, host });
    expect(await resetOf(client(local))).toBe('ECONNRESET');
    expect(failed).toEqual([{ peerId: net.peerId, reason: jasmine.stringContaining('ECONNREFUSED') }]);
    expect(steps[1]).toEqual({
      type: 'failed',
      reason: 'the peer reset the channel: the service cannot be reached',
    });
    const other = await firstValueFrom(
      forwardPort$(net, await unlOf(peer), { name: 'other' }).pipe(
        map((step) => {
          if (step.type === 'listening') client(step.local);
          return step;
        }),
        filter(({ type }) => type === 'failed'),
      ),
    );
    expect(other).toEqual({ type: 'failed', reason: jasmine.stringContaining('nobody takes channels of this name') });
  });

  it('passes on a reset, either way', async () => {
    const atService: Promise<string | undefined>[] = [];
    const { local } = await forwarded(
      await service((socket) => {
        atService.push(resetOf(socket));
        socket.on('data', (what: Buffer) => {
          if (what.toString() === 'reset me') socket.resetAndDestroy();
          else socket.write(what);
        });
      }),
    );
    const refused = client(local);
    const reset = resetOf(refused);
    refused.write('reset me');
    expect(await reset).toBe('ECONNRESET');
    const leaving = client(local);
    leaving.write('hello');
    await once(leaving, 'data');
    leaving.resetAndDestroy();
    expect(await atService[1]).toBe('ECONNRESET');
  });

  it('carries WebSockets', async () => {
    const { server, port, host } = await service(() => undefined);
    server.close();
    await once(server, 'close');
    const webSockets = new WebSocketServer({ host, port });
    lab.onClose(() => {
      webSockets.close();
    });
    webSockets.on('connection', (webSocket) => {
      webSocket.on('message', (data, isBinary) => {
        webSocket.send(data, { binary: isBinary });
      });
    });
    const { local } = await forwarded({ port, host });
    const webSocket = new WebSocket(`ws://127.0.0.1:${local.port}`);
    await once(webSocket, 'open');
    webSocket.send('hello');
    const message: unknown[] = await once(webSocket, 'message');
    expect(String(message[0])).toBe('hello');
    webSocket.close();
    await once(webSocket, 'close');
  });

  it('goes on over another link when one breaks, and loses no byte', async () => {
    const cable = new Cable();
    lab.onClose(() => {
      cable.close();
    });
    const patient: Partial<NetConfig> = { timing: { survivalMs: 60_000 } };
    const on = (runtime: Runtime) => lab.net(patient, runtime);
    const { local } = await forwarded(await echo(), { net: on(cable.runtime), peer: on(cable.runtime) });
    // Rarely: a connection bears so many changes of links at once, and no more.
    cable.wear = [4_000_000, 3_000_000, 8_000_000];
    const bytes = randomBytes(5_000_000);
    const socket = client(local);
    socket.write('x');
    await once(socket, 'data');
    cable.cut();
    socket.end(bytes);
    expect((await buffer(socket)).equals(bytes)).toBeTrue();
    expect(cable.made).toBeGreaterThan(2);
  });

  it('resets its clients when the peer leaves, and leads there again when it is back', async () => {
    const identity = createIdentity();
    const bind = newAddress();
    const { port, host } = await echo();
    const first = lab.net({ identity, bind });
    const { local, withdraw } = await forwarded({ port, host }, { peer: first });
    const socket = client(local);
    socket.write('x');
    await once(socket, 'data');
    const reset = resetOf(socket);
    const { local: at } = await firstValueFrom(first.status$);
    withdraw();
    await first.close();
    expect(await reset).toBe('ECONNRESET');
    expect(await resetOf(client(local))).toBe('ECONNRESET');
    const second = lab.net({ identity, bind, port: at?.port });
    lab.collect(exposePort$(second, { name: 'web', host, port }));
    await second.start();
    const again = client(local);
    again.end('again');
    expect(await text(again)).toBe('again');
  });

  it('has as many streams as the peer allows, and room again when one has ended', async () => {
    const { local, failed, steps } = await forwarded(await echo(), { exposed: { streams: 1 } });
    const first = client(local);
    first.write('x');
    await once(first, 'data');
    expect(await resetOf(client(local))).toBe('ECONNRESET');
    expect(failed.map(({ reason }) => reason)).toEqual(['1 streams are open']);
    expect(steps[1]).toEqual({ type: 'failed', reason: 'the peer reset the channel: too many streams are open' });
    first.end();
    await once(first.resume(), 'close');
    const next = client(local);
    next.write('y');
    await once(next, 'data');
  });

  it('has as many clients as it is told', async () => {
    const { local } = await forwarded(await echo(), { config: { clients: 1 } });
    const first = client(local);
    first.write('x');
    await once(first, 'data');
    expect(await resetOf(client(local))).toBe('ECONNRESET');
  });

  it('ends at the service, too, what a client had that gives way to another', async () => {
    const atService: Socket[] = [];
    const { local } = await forwarded(await service((socket) => void atService.push(socket.pipe(socket))), {
      config: { clients: 2, host: '0.0.0.0' },
    });
    const from = (localAddress: string) => {
      const socket = connect({ host: '127.0.0.1', port: local.port, localAddress });
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      socket.write('x');
      return socket;
    };
    const site = newAddress();
    const first = from(site);
    await once(first, 'data');
    const second = from(site);
    await once(second, 'data');
    const ends = [second, ...atService.slice(1)].map(resetOf);
    await once(from(newAddress()), 'data');
    expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET']);
  });

  it('waits for room where the connection has as many channels as it may', async () => {
    const { local, failed } = await forwarded(await echo(), { net: lab.net({ limits: { channels: 1 } }) });
    const first = client(local);
    first.write('x');
    await once(first, 'data');
    const others = ['one', 'two'].map((word) => {
      const socket = client(local);
      socket.end(word);
      return text(socket);
    });
    // One that leaves before it is its turn takes no room.
    client(local).resetAndDestroy();
    first.end();
    expect(await Promise.all(others)).toEqual(['one', 'two']);
    expect(failed).toEqual([]);
  });

  it('counts the streams of a service together, by whichever name they come', async () => {
    const { server, port, host } = await echo();
    const peer = lab.net();
    const { local, net } = await forwarded({ port, host }, { peer, exposed: { name: ['web', '1'], streams: 1 } });
    const first = client(local);
    first.write('x');
    await once(first, 'data');
    const step$ = forwardPort$(net, await unlOf(peer), { name: '1' });
    const other = await lab.open(step$);
    if (other.type === 'listening') expect(await resetOf(client(other.local))).toBe('ECONNRESET');
    expect(other.type).toBe('listening');
    first.end();
    await once(first.resume(), 'close');
    server.close();
  });

  it('resets what is open when either end is unsubscribed from', async () => {
    for (const end of ['withdraw', 'stop'] as const) {
      const { local, [end]: unsubscribe } = await forwarded(await echo());
      const socket = client(local);
      socket.write('x');
      await once(socket, 'data');
      const reset = resetOf(socket);
      unsubscribe();
      expect(await reset).toBe('ECONNRESET');
    }
  });
});
