import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Subscription } from 'rxjs';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { redisStore$, type RedisStore, type RedisStoreConfig } from '../../servers/store/redis-store.js';
import { hasProgram } from './installed-programs.js';

/** Starting three Redis servers and making a cluster of them takes seconds on a busy machine. */
export const REDIS_LIMIT_MS = 60_000;

/** A Redis server that runs on a port of loopback. */
export interface RedisServer {
  readonly port: number;
  /** Sends it a signal. Resolves when it has ended, if it ends by that. */
  kill(signal?: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it again on the same port, with what it has kept on its disk, if anything. Resolves when it answers. */
  restart(): Promise<void>;
  /** Asks it something. */
  ask(command: string, ...args: string[]): Promise<unknown>;
  /** Subscribes to a channel by a connection of its own, which ends with the suite. */
  subscribe(channel: string): Promise<Redis>;
}

/** Whether there is a Redis on this machine to try things with. */
export function hasRedis(): boolean {
  return hasProgram('redis-server') && hasProgram('redis-cli');
}

/** Says aloud why a spec with a Redis can't run here; where everything is required, that is a failure. */
export function needsRedis(): void {
  if (hasRedis()) return;
  const why = 'this needs redis-server and redis-cli (Debian packages redis-server and redis-tools)';
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

/** Gives each spec of a suite what opens stores in Redis; they are closed behind it. */
export function redisStores(): (
  url: string,
  config?: RedisStoreConfig,
  runtime?: Partial<Runtime>,
) => Promise<RedisStore> {
  let opened = new Subscription();
  beforeEach(() => {
    opened = new Subscription();
  });
  afterEach(() => {
    opened.unsubscribe();
  });
  return (url, config, runtime) =>
    new Promise((resolve, reject) => {
      const store$ = redisStore$(url, config, { ...systemRuntime, ...runtime });
      opened.add(store$.subscribe({ next: resolve, error: reject }));
    });
}

/** Gives each suite what starts Redis servers; they end with the suite. */
export function redisServers(): {
  readonly start: (...options: string[]) => Promise<RedisServer>;
  /** Three nodes of a cluster. */
  readonly startCluster: () => Promise<readonly RedisServer[]>;
  /** A replica of the first of them. */
  readonly startReplica: (nodes: readonly RedisServer[]) => Promise<RedisServer>;
} {
  const started: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await Promise.all(started.splice(0).map((end) => end()));
  });

  const start = async (...options: string[]): Promise<RedisServer> => {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-redis-'));
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...options];
    let child = spawn('redis-server', args, { stdio: 'ignore' });
    started.push(async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    });
    await answers(port);
    return {
      port,
      async kill(signal = 'SIGKILL') {
        if (signal === 'SIGKILL') await end(child);
        else child.kill(signal);
      },
      async restart() {
        await end(child);
        child = spawn('redis-server', args, { stdio: 'ignore' });
        await answers(port);
      },
      ask: (command, ...words) => ask(port, command, ...words),
      async subscribe(channel) {
        const client = new Redis({ port, host: '127.0.0.1' });
        started.push(() => {
          client.disconnect();
          return Promise.resolve();
        });
        await client.subscribe(channel);
        return client;
      },
    };
  };

  const startNode = async () => {
    const options = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '500',
      '--cluster-require-full-coverage',
      'no',
    ];
    return start(...options, '--repl-diskless-sync-delay', '0', '--cluster-port', `${await freePort()}`);
  };

  const startCluster = async () => {
    const nodes = await Promise.all([0, 1, 2].map(startNode));
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    const made = spawn('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' });
    await once(made, 'exit');
    for (const node of nodes) {
      while (!String(await node.ask('cluster', 'info')).includes('cluster_state:ok')) await pause(50);
    }
    return nodes;
  };

  const startReplica = async (nodes: readonly RedisServer[]) => {
    const [first] = nodes;
    if (first === undefined) throw new RangeError('Expected nodes');
    const replica = await startNode();
    const [, busPort] =
      /@(\d+)/.exec(
        String(await first.ask('cluster', 'nodes'))
          .split('\n')
          .find((line) => line.includes('myself')) ?? '',
      ) ?? [];
    await replica.ask('cluster', 'meet', '127.0.0.1', `${first.port}`, busPort ?? '');
    const id = String(await first.ask('cluster', 'myid'));
    while ((await replica.ask('cluster', 'replicate', id).catch(() => undefined)) !== 'OK') await pause(50);
    while (!String(await replica.ask('info', 'replication')).includes('master_link_status:up')) await pause(50);
    for (const node of nodes) {
      while (!String(await node.ask('cluster', 'nodes')).includes(`slave ${id}`)) await pause(50);
    }
    return replica;
  };

  return { start, startCluster, startReplica };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function answers(port: number): Promise<void> {
  while ((await ask(port, 'ping').catch(() => undefined)) !== 'PONG') await pause(20);
}

async function ask(port: number, command: string, ...args: string[]): Promise<unknown> {
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}

/** A port of loopback at which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No port is free');
  return address.port;
}
