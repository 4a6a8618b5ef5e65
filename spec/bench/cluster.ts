import { setTimeout as pause } from 'node:timers/promises';
import { switchMap } from 'rxjs';
import { redisStore$, rendezvousServer$ } from '../../servers/index.js';
import { Crowd, type Member, type Sent } from '../support/crowd.js';
import { numberOf, textOf, type Actor, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { cpuTime, footprint } from './footprint.js';
import { inParallel } from './parallel.js';
import { quantile, ratioOf } from './ratio.js';
import { connectRedis, hasRedis, startRedis, type RedisClient } from './redis.js';
import { freePort } from '../support/free-port.js';

const [SERVERS, SESSIONS] = [4, 12_000];

/** Well below what a server takes from one address (256). */
const SESSIONS_PER_ADDRESS = 200;

/** Client processes: each has as many sockets as sessions, and so must keep below the limit of open files. */
const CLIENTS = 2;

/** Sessions that are opened at a time by each client process. */
const AT_ONCE = 32;

/** Messages of each kind that each client process sends, and how many wait for an answer at a time. */
const [MESSAGES, IN_FLIGHT] = [5_000, 4];

/** Within this time the sessions of a killed server shall be elsewhere, in milliseconds. */
const ELSEWHERE_MS = 2_000;

/** The re-registrations are told by spans of this length, in milliseconds. */
const SPAN_MS = 100;

/** Several rendezvous servers that share one Redis. */
export const cluster: Benchmark = {
  name: 'cluster',
  about: `${SERVERS} rendezvous servers, each a process, that share one Redis, with ${SESSIONS} sessions by ${CLIENTS} client processes, each with its own key; ${CLIENTS * MESSAGES} messages between sessions of one server and as many between those of two, ${CLIENTS * IN_FLIGHT} in flight, from the sender's write to the receiver's line; then one server is killed (SIGKILL) while messages go on; one round`,
  roles: { server: serverOf, clients: clientsOf },
  measure: async function* (start) {
    if (!hasRedis()) {
      console.log('There is no redis-server on this machine to share (apt-get install redis-server).');
      return;
    }
    const { port: redisPort } = await startRedis(await freePort(), ['--appendonly', 'no']);
    const redis = await connectRedis(redisPort);
    const servers = Array.from({ length: SERVERS }, () => start('server', 'rxp2p'));
    const ports = await Promise.all(
      servers.map(async (server) => textOf(await server.ask('listen', { redisPort }), 'where')),
    );
    const clients = await openAll(start, ports.join(' '), servers, redis);
    const ms = (value: number) => `${value.toFixed(2)} ms`;
    const between = await talk('between', clients, servers, redis);
    const within = await talk('within', clients, servers, redis);
    for (const [what, part] of [
      ['median', 0.5],
      ['99th percentile', 0.99],
    ] as const) {
      yield ratioOf({
        what: `message between two servers : within one, ${what}`,
        ours: [quantile(between.latencies, part)],
        other: [quantile(within.latencies, part)],
        show: ms,
      });
    }
    const [first] = servers;
    const moving = sumOf(await Promise.all(clients.map((client) => client.ask('begin', { server: 0 }))), 'moving');
    await pause(500);
    await Promise.all(clients.map((client) => client.ask('mark')));
    await first?.ask('die').catch(() => undefined);
    const moved = await Promise.all(clients.map((client) => client.ask('moved')));
    const returns = numbersOf(moved, 'returns');
    console.log(`  sessions of the killed server that are elsewhere, by ${SPAN_MS} ms: ${curveOf(returns)}`);
    yield* [
      ratioOf({
        what: `sessions elsewhere within ${ELSEWHERE_MS} ms : sessions of the killed server`,
        ours: [returns.filter((at) => at <= ELSEWHERE_MS).length],
        other: [moving],
        show: String,
        target: { atLeast: 1 },
      }),
      ratioOf({
        what: 'messages received : answered SENT, while a server was killed',
        ours: [sumOf(moved, 'received')],
        other: [sumOf(moved, 'sent')],
        show: String,
        target: { atLeast: 1 },
      }),
    ];
    const meanwhile = numbersOf(moved, 'latencies');
    console.log(
      `  of them received more than once: ${sumOf(moved, 'twice')}; messages between the sessions that stayed, meanwhile: median ${ms(quantile(meanwhile, 0.5))}, 99th percentile ${ms(quantile(meanwhile, 0.99))}`,
    );
    redis.close();
  },
};

/** Opens all sessions, and tells what they cost. */
async function openAll(
  start: Start,
  ports: string,
  servers: readonly Actor[],
  redis: RedisClient,
): Promise<readonly Actor[]> {
  const clients = Array.from({ length: CLIENTS }, () => start('clients', 'rxp2p'));
  const count = SESSIONS / CLIENTS;
  await Promise.all(clients.map((client, index) => client.ask('prepare', { ports, count, first: index * count })));
  const [idle, before] = [await Promise.all(servers.map((server) => server.ask('measure'))), await workOf(redis)];
  const begun = performance.now();
  await Promise.all(clients.map((client) => client.ask('open')));
  const tookMs = performance.now() - begun;
  const [full, after] = [await Promise.all(servers.map((server) => server.ask('measure'))), await workOf(redis)];
  const each = (name: string) => (sumOf(full, name) - sumOf(idle, name)) / SESSIONS;
  const ofRedis = (name: keyof typeof before) => (after[name] - before[name]) / SESSIONS;
  console.log(
    `  ${SESSIONS} sessions in ${(tookMs / 1000).toFixed(1)} s; of each: ${(each('rss') / 1024).toFixed(1)} KiB and ${each('cpu').toFixed(2)} ms of CPU of a server; of Redis ${ofRedis('bytes').toFixed(0)} bytes, ${ofRedis('commands').toFixed(1)} commands and ${(ofRedis('cpuMs') * 1000).toFixed(0)} µs of CPU`,
  );
  return clients;
}

/** Sends messages, and tells what they cost. */
async function talk(
  kind: 'between' | 'within',
  clients: readonly Actor[],
  servers: readonly Actor[],
  redis: RedisClient,
): Promise<{ readonly latencies: readonly number[] }> {
  const work = async () => ({
    ...(await workOf(redis)),
    serversMs: sumOf(await Promise.all(servers.map((server) => server.ask('cpu'))), 'cpu'),
  });
  const before = await work();
  const told = await Promise.all(clients.map((client) => client.ask('talk', { kind })));
  const after = await work();
  const each = (name: keyof typeof before) => (after[name] - before[name]) / (CLIENTS * MESSAGES);
  const what = kind === 'within' ? 'within one server' : 'between two servers';
  const microseconds = (ms: number) => `${(ms * 1000).toFixed(0)} µs of CPU`;
  console.log(
    `  a message ${what}: of Redis ${each('commands').toFixed(2)} commands and ${microseconds(each('cpuMs'))}, of the servers ${microseconds(each('serversMs'))}`,
  );
  return { latencies: numbersOf(told, 'latencies') };
}

/** What a Redis has done so far, and what it holds. */
async function workOf(redis: RedisClient) {
  const info = String(await redis.ask('info', 'everything'));
  const figure = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return {
    commands: figure('total_commands_processed'),
    bytes: figure('used_memory'),
    cpuMs: 1000 * (figure('used_cpu_user') + figure('used_cpu_sys')),
  };
}

function sumOf(all: readonly Values[], name: string): number {
  return all.reduce((sum, values) => sum + numberOf(values, name), 0);
}

function numbersOf(all: readonly Values[], name: string): readonly number[] {
  return all.flatMap((values) => textOf(values, name).split(' ').filter(Boolean).map(Number));
}

function curveOf(returns: readonly number[]): string {
  const spans = Math.floor(Math.max(0, ...returns) / SPAN_MS) + 1;
  const counts = Array.from(
    { length: spans },
    (_, span) => returns.filter((at) => Math.floor(at / SPAN_MS) === span).length,
  );
  return counts.join(' ');
}

function serverOf(): ReturnType<Role> {
  return {
    listen: (values) =>
      new Promise<Values>((resolve, reject) => {
        redisStore$(`redis://127.0.0.1:${numberOf(values, 'redisPort')}`, { prefix: 'bench:' })
          .pipe(switchMap((store) => rendezvousServer$({ bind: '127.0.0.1', port: 0, store })))
          .subscribe({
            next: ({ local }) => {
              resolve({ where: String(local.port) });
            },
            error: reject,
          });
      }),
    measure: async () => ({ ...(await footprint()), cpu: cpuTime() }),
    cpu: () => ({ cpu: cpuTime() }),
    die: () => {
      process.kill(process.pid, 'SIGKILL');
      return {};
    },
  };
}

function clientsOf(): ReturnType<Role> {
  let crowd = new Crowd({ ports: [] });
  let moving: readonly Member[] = [];
  const stayed: Sent[] = [];
  let markedAt = 0;
  let isOver = false;
  let talking: Promise<unknown> = Promise.resolve();
  const chosen = (members: readonly Member[]) => members[Math.floor(Math.random() * members.length)];
  return {
    prepare: (values) => {
      crowd = new Crowd({
        ports: textOf(values, 'ports').split(' ').map(Number),
        addressOf: (index) => `127.0.1.${Math.floor(index / SESSIONS_PER_ADDRESS) + 1}`,
      });
      crowd.add(numberOf(values, 'count'), numberOf(values, 'first'));
      return {};
    },
    open: async () => {
      await crowd.open(AT_ONCE);
      return {};
    },
    talk: async (values) => {
      const isWithin = textOf(values, 'kind') === 'within';
      const byServer = Array.from({ length: SERVERS }, (_, server) =>
        crowd.members.filter((one) => one.server === server),
      );
      crowd.messages.clear();
      await inParallel(Array.from({ length: MESSAGES }), IN_FLIGHT, async (_, index) => {
        const [from, to] = [
          chosen(byServer[index % SERVERS] ?? []),
          chosen(byServer[(index + (isWithin ? 0 : 1)) % SERVERS] ?? []),
        ];
        if (from !== undefined && to !== undefined) await crowd.send(from, to);
      });
      await pause(500);
      const latencies = [...crowd.messages.values()].map(({ at, received: [first = Number.NaN] }) => first - at);
      if (latencies.some(Number.isNaN)) throw new Error('A message did not come');
      return { latencies: latencies.map((latency) => latency.toFixed(3)).join(' ') };
    },
    begin: (values) => {
      moving = crowd.members.filter(({ server }) => server === numberOf(values, 'server'));
      crowd.messages.clear();
      const isMoving = new Set(moving);
      const talker = async () => {
        while (!isOver) {
          const [from, to] = [chosen(crowd.members), chosen(crowd.members)];
          if (from !== undefined && to !== undefined) {
            const message = await crowd.send(from, to);
            if (!isMoving.has(from) && !isMoving.has(to)) stayed.push(message);
          }
          await pause(5);
        }
      };
      talking = Promise.all(Array.from({ length: IN_FLIGHT }, talker));
      return { moving: moving.length };
    },
    mark: () => {
      markedAt = performance.now();
      return {};
    },
    moved: async () => {
      while (crowd.returns.length < moving.length) await pause(10);
      isOver = true;
      await talking;
      await pause(500);
      const all = [...crowd.messages.values()];
      const sent = all.filter(({ verdict }) => verdict === 'SENT');
      return {
        returns: crowd.returns.map((at) => (at - markedAt).toFixed(0)).join(' '),
        latencies: stayed
          .filter(({ at }) => at >= markedAt)
          .flatMap(({ at, received: [first] }) => (first === undefined ? [] : [(first - at).toFixed(2)]))
          .join(' '),
        sent: sent.length,
        received: sent.filter(({ received }) => received.length > 0).length,
        twice: all.filter(({ received }) => received.length > 1).length,
      };
    },
  };
}
