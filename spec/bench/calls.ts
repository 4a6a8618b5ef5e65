import { connect as connectHttp2, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { firstValueFrom, noop, of, type Observable } from 'rxjs';
import { selfSignedCertificate } from '../../lib/certificate.js';
import { createIdentity } from '../../lib/index.js';
import type { Benchmark } from './benchmark.js';
import { portOf, read, rxp2pNet } from './nodes.js';
import { MEASURED, throughput } from './throughput.js';

/** Calls that are under way at a time. */
const UNDER_WAY = 64;

/** What one process exposes, and the other calls. */
interface Adder {
  add(a: number, b: number): Observable<number>;
}

/** Calls of a method in another process. */
export const calls: Benchmark = {
  name: 'calls',
  about: `calls of add(1, 2) with ${UNDER_WAY} under way at a time, from one process to another: ours by connection.remote, with as many calls a second as it takes; the other HTTP/2 over TLS (node:http2), POST with JSON both ways; ${MEASURED}`,
  ...throughput({
    thing: 'call',
    show: (rate) => `${(rate / 1e3).toFixed(1)} k/s`,
    showCpu: (ms) => `${(ms * 1e3).toFixed(1)} µs`,
    ways: {
      rxp2p: {
        receive: (count) => {
          const net = rxp2pNet({ limits: { remoteCallsPerSecond: 10_000_000 } });
          const add = (a: number, b: number) => {
            count(1);
            return of(a + b);
          };
          net.expose<Adder>({ add }, { as: 'adder' });
          return firstValueFrom(net.unl$);
        },
        connect: async (unl) => {
          const connection = await firstValueFrom(rxp2pNet().connect$(unl));
          const { add } = connection.remote<Adder>('adder');
          return {
            fill: keepingUnderWay((done) => {
              read(add(1, 2), (sum) => {
                done(sum);
              });
            }),
            onDrain: noop,
          };
        },
      },
      http2: {
        receive: (count) => {
          const identity = createIdentity();
          const server = createSecureServer({ cert: selfSignedCertificate(identity), key: identity.privateKey });
          server.on('stream', (stream) => {
            count(1);
            void answer(stream);
          });
          return new Promise((resolve) => {
            server.listen(0, '127.0.0.1', () => {
              resolve(portOf(server.address()));
            });
          });
        },
        connect: (port) => {
          const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
          return Promise.resolve({
            fill: keepingUnderWay((done) => {
              const stream = session.request({ ':method': 'POST', ':path': '/add' });
              stream.end(JSON.stringify([1, 2]));
              let text = '';
              stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
              stream.on('end', () => {
                done(JSON.parse(text));
              });
            }),
            onDrain: noop,
          });
        },
      },
    },
    pairs: [
      { ours: 'rxp2p', other: 'http2', words: `${UNDER_WAY} under way, remote : HTTP/2`, target: { atLeast: 2 } },
    ],
  }),
};

/** Calls again whenever a call is answered. */
function keepingUnderWay(call: (done: (sum: unknown) => void) => void): () => void {
  const again = () => {
    call((sum) => {
      if (sum !== 3) throw new Error(`Expected 3, got ${String(sum)}`);
      again();
    });
  };
  return () => {
    for (let i = 0; i < UNDER_WAY; i++) again();
  };
}

async function answer(stream: ServerHttp2Stream): Promise<void> {
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) text += String(piece);
  const numbers: unknown = JSON.parse(text);
  const sum = Array.isArray(numbers) ? numbers.reduce<number>((total, each) => total + Number(each), 0) : undefined;
  stream.respond({ ':status': 200 });
  stream.end(JSON.stringify(sum));
}
