import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Subscription } from 'rxjs';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { redisStore$, type RedisStore, type RedisStoreConfig } from '../../servers/store/redis-store.js';
import { SLOTS } from '../../servers/store/redis/slots.js';
import { hasProgram } from './installed-programs.js';
import { endChild } from './end-child.js';
import { freePort } from './free-port.js';
import { until } from './until.js';

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

/** One that is a node of a cluster. */
export interface ClusterNode extends RedisServer {
  /** At which the others speak to it. */
  readonly busPort: number;
}

/** Whether there is a Redis on this machine to try things with. */
export function hasRedis(): boolean {
  return hasProgram('redis-server');
}

/** Says aloud why a spec with a Redis can't run here; where everything is required, that is a failure. */
export function needsRedis(): void {
  if (hasRedis()) return;
  const why = 'this needs redis-server (Debian package redis-server)';
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
  readonly startCluster: () => Promise<readonly ClusterNode[]>;
  /** A replica of the first of them. */
  readonly startReplica: (nodes: readonly ClusterNode[]) => Promise<ClusterNode>;
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
      await endChild(child);
      rmSync(folder, { recursive: true, force: true });
    });
    await answers(port, child);
    return {
      port,
      async kill(signal = 'SIGKILL') {
        if (signal === 'SIGKILL') await endChild(child);
        else child.kill(signal);
      },
      async restart() {
        await endChild(child);
        child = spawn('redis-server', args, { stdio: 'ignore' });
        await answers(port, child);
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

  const startNode = async (): Promise<ClusterNode> => {
    const busPort = await freePort();
    const options = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '500',
      '--cluster-require-full-coverage',
      'no',
    ];
    const node = await start(...options, '--repl-diskless-sync-delay', '0', '--cluster-port', `${busPort}`);
    return { ...node, busPort };
  };

  const startCluster = async () => {
    const nodes = await Promise.all([0, 1, 2].map(startNode));
    const bounds = nodes.map((_, index) => Math.round((SLOTS * index) / nodes.length));
    await Promise.all(
      nodes.map(async (node, index) => {
        await node.ask('cluster', 'set-config-epoch', `${index + 1}`);
        await node.ask('cluster', 'addslotsrange', `${bounds[index] ?? 0}`, `${(bounds[index + 1] ?? SLOTS) - 1}`);
      }),
    );
    for (const node of nodes) {
      await waits(node, 'has met all others', async () => {
        const info = String(await node.ask('cluster', 'info'));
        if (info.includes(`cluster_known_nodes:${nodes.length}`) && info.includes('cluster_state:ok')) return true;
        await meet(node, nodes);
        return false;
      });
    }
    return nodes;
  };

  const startReplica = async (nodes: readonly ClusterNode[]) => {
    const [first] = nodes;
    if (first === undefined) throw new RangeError('Expected nodes');
    const replica = await startNode();
    const id = String(await first.ask('cluster', 'myid'));
    await waits(replica, 'replicates the first', async () => {
      await meet(replica, [first]);
      return (await replica.ask('cluster', 'replicate', id).catch(() => undefined)) === 'OK';
    });
    await waits(replica, 'has what the first has', async () =>
      String(await replica.ask('info', 'replication')).includes('master_link_status:up'),
    );
    for (const node of nodes) {
      await waits(node, 'knows the replica', async () =>
        String(await node.ask('cluster', 'nodes')).includes(`slave ${id}`),
      );
    }
    return replica;
  };

  return { start, startCluster, startReplica };
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  while ((await ask(port, 'ping').catch(() => undefined)) !== 'PONG') {
    if (child.exitCode !== null) throw new Error(`The redis-server for port ${port} ended with ${child.exitCode}`);
    await pause(20);
  }
}

/** Introduces a node to others. They forget one another when a handshake takes longer than a second, as on a busy machine. */
async function meet(node: RedisServer, others: readonly ClusterNode[]): Promise<void> {
  for (const { port, busPort } of others) {
    if (port !== node.port) await node.ask('cluster', 'meet', '127.0.0.1', `${port}`, `${busPort}`);
  }
}

/** Resolves when something holds of a node. */
async function waits({ port }: RedisServer, what: string, holds: () => Promise<boolean>): Promise<void> {
  await until(holds, `the Redis at port ${port} ${what}`);
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
