import { createServer as createHttpsServer } from 'node:https';
import { firstValueFrom, noop } from 'rxjs';
import { io } from 'socket.io-client';
import { Server } from 'socket.io';
import split2 from 'split2';
import { selfSignedCertificate } from '../../lib/certificate.js';
import { createIdentity } from '../../lib/index.js';
import type { Benchmark } from './benchmark.js';
import { portOf, read, rxp2pNet, tlsEnds } from './nodes.js';
import { MEASURED, sendingOf, sendingOver, throughput } from './throughput.js';

/** A value that takes 64 bytes as JSON. */
interface Tick {
  readonly symbol: string;
  readonly price: number;
  readonly at: number;
  readonly n: string;
}

const VALUE_BYTES = 64;

/** Different ones, so that nothing can be remembered of a value from the last time. */
const VALUES: readonly Tick[] = Array.from({ length: 1_000 }, (_, i) => {
  const tick = { symbol: 'ACME', price: 123.25, at: 1_795_862_264_000 + i, n: '' };
  return { ...tick, n: String(i).padStart(VALUE_BYTES - JSON.stringify(tick).length, '0') };
});

/** What one process exposes, and the other subscribes to. */
interface Ticker {
  ticks(): Iterable<Tick>;
}

function* endlessly(): Generator<Tick> {
  for (;;) yield* VALUES;
}

/** Socket.IO keeps what it is told to send, however much that is: it is told to wait from here on, in packets. */
const SOCKET_IO_PACKETS = 1_000;

/** Values of an Observable in another process. */
export const values: Benchmark = {
  name: 'values',
  about: `values of ${VALUE_BYTES} bytes of JSON from one process to another: ours by net.expose and connection.remote, of an iterable; the others Socket.IO events over WebSocket and TLS, and a bare TLS 1.3 loop with JSON.stringify, one write a value, split2 and JSON.parse; ${MEASURED}`,
  ...throughput({
    thing: 'value',
    show: (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
    showCpu: (ms) => `${(ms * 1e6).toFixed(0)} ns`,
    ways: {
      rxp2p: {
        receive: (count) => {
          const net = rxp2pNet();
          read(net.connections$, (connection) => {
            read(connection.remote<Ticker>('ticker').ticks(), counting(count));
          });
          return firstValueFrom(net.unl$);
        },
        connect: async (unl) => {
          const net = rxp2pNet();
          net.expose<Ticker>({ ticks: endlessly }, { as: 'ticker' });
          await firstValueFrom(net.connect$(unl));
          // It is pulled from.
          return { fill: noop, onDrain: noop };
        },
      },
      socketIo: {
        receive: (count) => {
          const identity = createIdentity();
          const https = createHttpsServer({ cert: selfSignedCertificate(identity), key: identity.privateKey });
          new Server(https).on('connection', (socket) => {
            socket.on('tick', counting(count));
          });
          return new Promise((resolve) => {
            https.listen(0, '127.0.0.1', () => {
              resolve(portOf(https.address()));
            });
          });
        },
        connect: async (port) => {
          const socket = io(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, transports: ['websocket'] });
          await new Promise<void>((resolve) => {
            socket.once('connect', () => {
              resolve();
            });
          });
          const { engine } = socket.io;
          return {
            fill: sendingOf(VALUES, (value) => {
              socket.emit('tick', value);
              return engine.writeBuffer.length < SOCKET_IO_PACKETS;
            }),
            onDrain: (next) => {
              engine.on('drain', next);
            },
          };
        },
      },
      jsonLines: {
        receive: (count) =>
          tlsEnds().listen((socket) => {
            const take = counting(count);
            socket.on('error', noop);
            socket.pipe(split2()).on('data', (text: string) => {
              const tick: unknown = JSON.parse(text);
              if (isTick(tick)) take(tick);
            });
          }),
        connect: async (where) => {
          const socket = await tlsEnds().connect(where);
          return sendingOver(socket, VALUES, (value) => socket.write(`${JSON.stringify(value)}\n`));
        },
      },
    },
    pairs: [
      { ours: 'rxp2p', other: 'socketIo', words: 'remote Observable : Socket.IO events', target: { atLeast: 3 } },
      {
        ours: 'rxp2p',
        other: 'jsonLines',
        words: 'remote Observable : JSON lines over TLS 1.3',
        target: { atLeast: 0.8 },
      },
    ],
  }),
};

function counting(count: (amount: number) => void): (tick: Tick) => void {
  return ({ symbol }) => {
    if (symbol !== 'ACME') throw new Error(`Expected a price of ACME, got one of ${symbol}`);
    count(1);
  };
}

function isTick(value: unknown): value is Tick {
  return typeof value === 'object' && value !== null && 'symbol' in value;
}
