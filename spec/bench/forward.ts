import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, noop } from 'rxjs';
import { exposePort$, forwardPort$ } from '../../lib/index.js';
import { numberOf, textOf, type Handlers, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { portOf, read, rxp2pNet } from './nodes.js';
import { ratioOf } from './ratio.js';
import { hasSocat, startSecuredSocats, startSocat } from './socat.js';

/** What is asked, and answered, in bytes: a small query, and a small row. */
const REQUEST_BYTES = 128;

/** How many clients ask at once, each again when its answer has come. */
const CLIENTS = [1, 50] as const;

/** Code is compiled while it runs: what comes in before this is not counted. */
const WARM_UP_MS = 3_000;

const COUNT_MS = 1_000;

const ROUNDS = 5;

/** By which both sides know the service. */
const NAME = 'bench';

/** What socat does at both ends. */
const SOCAT = { inTheClear: 'socat at both ends, in the clear', secured: 'socat with OPENSSL at both ends' } as const;

/** Requests a second by a forwarded port. */
export const forward: Benchmark = {
  name: 'forward',
  about: `requests of ${REQUEST_BYTES} bytes to a service and answers as long, by a forwarded port, by socat at both ends in the clear, and by socat with TLS and certificates of both ends, each end a process of its own; ${CLIENTS.join(' and ')} clients at once; counted for ${COUNT_MS} ms a round; ${ROUNDS} rounds in turns`,
  roles: { service, exposing, forwarding, client },
  measure: async function* (start) {
    const asking = start('client', '');
    const port = numberOf(await start('service', '').ask('listen'), 'port');
    const ours = await forwardedBy(start, port);
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-bench-'));
    const others: Record<string, number> = { 'the service itself': port };
    if (hasSocat()) {
      others[SOCAT.inTheClear] = await startSocat(await startSocat(port, []), []);
      others[SOCAT.secured] = await startSecuredSocats(port, folder);
    }
    process.once('exit', () => {
      rmSync(folder, { recursive: true });
    });
    for (const clients of CLIENTS) {
      const rateAt = async (at: number, forMs = COUNT_MS) => {
        const asked = await asking.ask('load', { port: at, clients, forMs });
        return (numberOf(asked, 'count') / numberOf(asked, 'ms')) * 1_000;
      };
      for (const at of [ours, ...Object.values(others)]) await rateAt(at, WARM_UP_MS);
      const rates: Record<string, number[]> = { ours: [] };
      for (let round = 0; round < ROUNDS; round++) {
        rates['ours']?.push(await rateAt(ours));
        for (const [kind, at] of Object.entries(others)) (rates[kind] ??= []).push(await rateAt(at));
      }
      const how = clients === 1 ? 'one client' : `${clients} clients`;
      for (const kind of Object.keys(others).toReversed()) {
        yield ratioOf({
          what: `requests a second by a forwarded port, ${how} : ${kind}`,
          ours: rates['ours'] ?? [],
          other: rates[kind] ?? [],
          show: (rate) => `${rate.toFixed(0)}/s`,
          ...(kind === SOCAT.inTheClear && { target: { atLeast: 0.7 } }),
        });
      }
    }
  },
};

/** Two nodes, by which the service is reached. */
async function forwardedBy(start: Start, port: number): Promise<number> {
  const [there, here] = [start('exposing', ''), start('forwarding', '')];
  const unl = await there.ask('expose', { port });
  return numberOf(await here.ask('forward', unl), 'port');
}

function service(): Handlers {
  return {
    listen: async () => {
      const server = createServer({ noDelay: true }, (socket) => {
        socket.on('error', noop).pipe(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { port: Number(portOf(server.address())) };
    },
  };
}

function exposing(): Handlers {
  const net = rxp2pNet();
  return {
    expose: async (values) => {
      read(exposePort$(net, { name: NAME, host: '127.0.0.1', port: numberOf(values, 'port') }), noop);
      return { unl: await firstValueFrom(net.unl$) };
    },
  };
}

function forwarding(): Handlers {
  const net = rxp2pNet();
  return {
    forward: (values) =>
      new Promise((resolve) => {
        read(forwardPort$(net, textOf(values, 'unl'), { name: NAME }), (step) => {
          if (step.type === 'listening') resolve({ port: step.local.port });
        });
      }),
  };
}

function client(): Handlers {
  return {
    load: async (values) => {
      const [port, clients, forMs] = ['port', 'clients', 'forMs'].map((name) => numberOf(values, name));
      const sockets = await Promise.all(Array.from({ length: clients ?? 0 }, () => connected(port ?? 0)));
      const begun = performance.now();
      const counts = await Promise.all(sockets.map((socket) => askOn(socket, begun + (forMs ?? 0))));
      const ms = performance.now() - begun;
      for (const socket of sockets) socket.destroy();
      return { count: counts.reduce((sum, count) => sum + count, 0), ms };
    },
  };
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Asks again and again; resolves to how often, when the time is over. */
function askOn(socket: Socket, until: number): Promise<number> {
  const request = Buffer.alloc(REQUEST_BYTES, 'x');
  return new Promise((resolve, reject) => {
    let [count, come] = [0, 0];
    socket.on('error', reject).on('close', () => {
      reject(new Error('Expected an answer, but the connection has ended'));
    });
    socket.on('data', (chunk) => {
      come += chunk.length;
      if (come < REQUEST_BYTES) return;
      come = 0;
      count++;
      if (performance.now() < until) socket.write(request);
      else resolve(count);
    });
    socket.write(request);
  });
}
