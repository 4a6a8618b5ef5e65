import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { firstValueFrom, noop } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import { join$ } from '../../lib/techniques/relay/join.js';
import { systemRuntime } from '../../lib/runtime.js';
import { relayServer$ } from '../../servers/relay/server.js';
import { numberOf, textOf, type Actor, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { hasCoturn, listenAtCoturn, startCoturn } from './coturn.js';
import { cpuTime, footprint, perOne } from './footprint.js';
import { inParallel } from './parallel.js';
import { ratioOf } from './ratio.js';
import { hasSocat, startSocat } from './socat.js';
import { freePort } from '../support/free-port.js';

/** Ours; two sockets and Node's `pipe`; socat as it comes, and with as large a buffer as Node reads with; a TURN server. */
const KINDS = ['rxp2p', 'pipe', 'socat', 'wideSocat', 'coturn'] as const;

type Kind = (typeof KINDS)[number];

const ROUNDS = 3;

/** Code is compiled while it runs, and TCP's windows open: what comes before this is not counted. */
const WARM_UP_MS = 700;

const COUNT_MS = 1_000;

/** As many as a relay takes by default. */
const IDLE_SESSIONS = 4_000;

/** Sessions before those: code is compiled and the heap grows while they come, once, however many there are then. */
const EARLIER_SESSIONS = 500;

const MEMORY_ROUNDS = 2;

/** Sessions that are opened at the same time. */
const AT_ONCE = 32;

const CHUNK = Buffer.alloc(64 * 1024, 'a chunk of what one node sends to the other ');

/** The first byte of a session tells the sink what to do with it: send back what comes, count it, or not read it. */
type What = 'echo' | 'count' | 'stall';

/** Bytes through a relay, between two processes that are the same whichever relay it is. */
export const relay: Benchmark = {
  name: 'relay',
  about: `bytes through a relay in a process of its own, between the same two processes: ours, two sockets and Node's pipe, socat, and coturn; counted by the receiver for ${COUNT_MS} ms after ${WARM_UP_MS} ms of warming up, ${ROUNDS} rounds; what the relay grows by for each of ${IDLE_SESSIONS} idle sessions beside ${EARLIER_SESSIONS}, after garbage collection, ${MEMORY_ROUNDS} rounds`,
  roles: { relay: relayOf, end: endOf },
  measure: async function* (start) {
    const missing: readonly Kind[] = [
      ...(hasSocat() ? [] : (['socat', 'wideSocat'] as const)),
      ...(hasCoturn() ? [] : (['coturn'] as const)),
    ];
    if (missing.length > 0) console.log(`  Left out, since they are not here: ${missing.join(', ')}`);
    const kinds = KINDS.filter((kind) => !missing.includes(kind));
    yield* await throughput(kinds, start);
    yield await besideStalled(start);
    yield* await idle(start);
  },
};

/** What our throughput is at least, beside others. */
const TARGETS = {
  pipe: { atLeast: 0.8 },
  socat: { atLeast: 0.8 },
  wideSocat: { atLeast: 0.85 },
  coturn: undefined,
} as const;

async function throughput(kinds: readonly Kind[], start: Start) {
  const rates = new Map(kinds.map((kind) => [kind, new Array<number>()]));
  const perCpu = new Map(kinds.map((kind) => [kind, new Array<number>()]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of kinds) {
      const { rate, rateOfCpu } = await rateOf(kind, start);
      rates.get(kind)?.push(rate);
      perCpu.get(kind)?.push(rateOfCpu);
    }
  }
  const names = { pipe: 'pipe', socat: 'socat', wideSocat: 'socat -b 65536', coturn: 'coturn' };
  const show = (rate: number) => `${(rate / 1e6).toFixed(0)} MB/s`;
  const others = (['pipe', 'socat', 'wideSocat', 'coturn'] as const).filter((kind) => kinds.includes(kind));
  return [
    ...others.map((kind) =>
      ratioOf({
        what: `bytes a second, one session : ${names[kind]}`,
        ours: rates.get('rxp2p') ?? [],
        other: rates.get(kind) ?? [],
        show,
        target: TARGETS[kind],
      }),
    ),
    ...(['pipe', 'coturn'] as const)
      .filter((kind) => kinds.includes(kind))
      .map((kind) =>
        ratioOf({
          what: `bytes a second of CPU time : ${names[kind]}`,
          ours: perCpu.get('rxp2p') ?? [],
          other: perCpu.get(kind) ?? [],
          show,
        }),
      ),
  ];
}

async function besideStalled(start: Start) {
  const [alone, beside]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    alone.push((await rateOf('rxp2p', start)).rate);
    beside.push((await rateOf('rxp2p', start, 'stall')).rate);
  }
  return ratioOf({
    what: 'bytes a second beside a session that nobody reads : alone',
    ours: beside,
    other: alone,
    show: (rate) => `${(rate / 1e6).toFixed(0)} MB/s`,
    target: { atLeast: 0.9 },
  });
}

async function idle(start: Start) {
  const [ours, other]: [Values[], Values[]] = [[], []];
  for (let round = 0; round < MEMORY_ROUNDS; round++) {
    ours.push(await growth('rxp2p', start));
    other.push(await growth('pipe', start));
  }
  return (['rss', 'heap'] as const).map((figure) =>
    ratioOf({
      what: `${figure === 'rss' ? 'resident set' : 'heap + external'} a session : pipe`,
      ours: ours.map((values) => numberOf(values, figure)),
      other: other.map((values) => numberOf(values, figure)),
      show: (bytes) => `${(bytes / 1024).toFixed(1)} KiB`,
      target: figure === 'rss' ? { atMost: 1.5 } : undefined,
    }),
  );
}

/** A relay and two ends, of which one sends and the other receives. */
async function ready(kind: Kind, start: Start) {
  const [middle, source, sink] = [start('relay', kind), start('end', kind), start('end', kind)];
  const [from, to] = [await source.ask('who'), await sink.ask('who')];
  const { port = 0 } = await middle.ask('listen', { to: numberOf(to, 'port') });
  let first = 0;
  const open = async (what: What, count: number) => {
    const config = { port, first, count };
    const awaited = sink.ask('await', { ...config, peer: textOf(from, 'peer') });
    // A TURN server listens for each peer at a port of its own.
    const at = kind === 'coturn' ? numberOf(await awaited, 'port') : port;
    await Promise.all([awaited, source.ask('open', { ...config, port: at, peer: textOf(to, 'peer'), what })]);
    first += count;
  };
  const end = () => Promise.all([middle, source, sink].map((actor: Actor) => actor.end()));
  return { middle, sink, open, end };
}

async function rateOf(kind: Kind, start: Start, other?: What) {
  const { middle, sink, open, end } = await ready(kind, start);
  if (other !== undefined) await open(other, 1);
  await open('count', 1);
  await pause(WARM_UP_MS);
  const before = numberOf(await middle.ask('cpu'), 'cpu');
  const { bytes, ms } = await sink.ask('count');
  const cpu = numberOf(await middle.ask('cpu'), 'cpu') - before;
  await end();
  return { rate: (Number(bytes) / Number(ms)) * 1000, rateOfCpu: (Number(bytes) / cpu) * 1000 };
}

async function growth(kind: Kind, start: Start) {
  const { middle, open, end } = await ready(kind, start);
  await open('echo', EARLIER_SESSIONS);
  const before = await middle.ask('measure');
  await open('echo', IDLE_SESSIONS);
  const after = await middle.ask('measure');
  await end();
  return perOne(before, after, IDLE_SESSIONS);
}

async function listening(server: Server): Promise<number> {
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Expected a port');
  return address.port;
}

/** The relay that is measured. */
function relayOf(kind: string): ReturnType<Role> {
  let cpu = cpuTime;
  const listen = async (to: number): Promise<number> => {
    switch (kind) {
      case 'rxp2p':
        return ourRelay();
      case 'pipe':
        return listening(
          createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
            const other = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
            for (const each of [socket, other]) each.on('error', noop);
            socket.pipe(other).pipe(socket);
          }),
        );
      case 'coturn': {
        const port = await freePort();
        cpu = await startCoturn(port);
        return port;
      }
      default:
        return startSocat(to, kind === 'wideSocat' ? ['-b', '65536'] : []);
    }
  };
  return {
    listen: async ({ to }) => ({ port: await listen(Number(to)) }),
    cpu: () => ({ cpu: cpu() }),
    measure: footprint,
  };
}

async function ourRelay(): Promise<number> {
  const limits = { sessions: 10_000, nodesPerHost: 10_000, requestsPerSecond: 100_000, requestBurst: 100_000 };
  const http = { connectionsPerHost: 20_000 };
  const { local } = await new Promise<{ local: { port: number } }>((resolve, reject) => {
    relayServer$({ bind: '127.0.0.1', port: 0, limits, http }).subscribe({ next: resolve, error: reject });
  });
  return local.port;
}

/** One of the two nodes. */
function endOf(kind: string): ReturnType<Role> {
  const identity = createIdentity();
  let counted = 0;
  const serve = (socket: Socket) => {
    socket.on('error', noop).once('data', (first: Buffer) => {
      switch (first.toString('latin1', 0, 1)) {
        case 'e':
          socket.write(first);
          break;
        case 'c':
          socket.on('data', ({ length }: Buffer) => {
            counted += length;
          });
          break;
        default:
          socket.pause();
      }
    });
  };
  const join = (port: number, to: string, index: number) => {
    const token = Buffer.alloc(16, index.toString().padStart(16)).toString('base64url');
    return firstValueFrom(
      join$(new URL(`http://127.0.0.1:${port}`), { identity, to, token, runtime: systemRuntime, timeoutMs: 60_000 }),
    );
  };
  const bare = async (port: number) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return socket;
  };
  return {
    who: async () => ({
      peer: identity.peerId,
      port: await listening(createServer({ allowHalfOpen: true, noDelay: true }, serve)),
    }),
    await: async ({ port, peer, first, count }) => {
      if (kind === 'coturn') return { port: await listenAtCoturn(Number(port), serve) };
      if (kind !== 'rxp2p') return {};
      const indices = Array.from({ length: Number(count) }, (_, index) => Number(first) + index);
      await inParallel(indices, AT_ONCE, async (index) => {
        serve(await join(Number(port), String(peer), index));
      });
      return {};
    },
    open: async ({ port, peer, first, count, what }) => {
      const indices = Array.from({ length: Number(count) }, (_, index) => Number(first) + index);
      await inParallel(indices, AT_ONCE, async (index) => {
        const socket = kind === 'rxp2p' ? await join(Number(port), String(peer), index) : await bare(Number(port));
        socket.on('error', noop);
        if (kind === 'coturn') await once(socket, 'data');
        socket.write(String(what).charAt(0));
        if (what === 'echo') {
          await once(socket, 'data');
        } else {
          socket.on('drain', () => {
            fill(socket);
          });
          // The answer goes first.
          setImmediate(fill, socket);
        }
      });
      return {};
    },
    count: async () => {
      const [bytes, start] = [counted, performance.now()];
      await pause(COUNT_MS);
      return { bytes: counted - bytes, ms: performance.now() - start };
    },
  };
}

/** Writes until it is told to wait. */
function fill(socket: Socket): void {
  while (socket.write(CHUNK));
}
