import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { noop } from 'rxjs';

/** Whether there is a Redis on this machine to measure against. */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0;
}

/** A Redis server that runs until this process ends. */
export interface Redis {
  readonly port: number;
  /** Its resident set, in bytes. */
  rss(): number;
}

/** As our mailbox with a folder does, answer only when what was accepted is on the disk. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'] as const;

/** Starts a Redis. By default it keeps what it accepts on its disk, and answers only then. */
export async function startRedis(port: number, options: readonly string[] = DURABLE): Promise<Redis> {
  const dir = mkdtempSync(join(tmpdir(), 'rxp2p-bench-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--maxclients', '20000'];
  const child = spawn('redis-server', [...args, ...options], { stdio: 'ignore' });
  // It ends with this process, which does not wait for it.
  child.unref();
  process.once('exit', () => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  for (;;) {
    const client = await connectRedis(port).catch(() => undefined);
    if (client !== undefined) {
      client.close();
      break;
    }
    await pause(50);
  }
  return {
    port,
    rss: () => {
      const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid ?? 'self'}/status`, 'utf8')) ?? [];
      return Number(kib) * 1024;
    },
  };
}

/** What Redis answers: texts, numbers, nothing, and lists of them. */
export type Reply = string | number | null | readonly Reply[];

/** A connection to a Redis, as far as it is needed here: commands one after the other. */
export interface RedisClient {
  ask(...command: readonly string[]): Promise<Reply>;
  close(): void;
}

/** Connects to a Redis. */
export function connectRedis(port: number): Promise<RedisClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.once('error', reject).once('connect', () => {
      socket.off('error', reject).on('error', noop);
      resolve(clientOver(socket));
    });
  });
}

function clientOver(socket: Socket): RedisClient {
  const waiting: ((reply: Reply) => void)[] = [];
  let unread: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    for (let read = readReply(unread, 0); read !== undefined; read = readReply(unread, 0)) {
      unread = unread.subarray(read.end);
      waiting.shift()?.(read.reply);
    }
  });
  return {
    ask: (...command) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
        socket.write(`*${command.length}\r\n${parts.join('')}`);
      }),
    close: () => socket.destroy(),
  };
}

/** Reads one reply (RESP 2); `undefined` when not all of it is there. */
function readReply(bytes: Buffer, start: number): { readonly reply: Reply; readonly end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('latin1', start + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: line, end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, end: next };
      if (bytes.length < next + length + 2) return undefined;
      return { reply: bytes.toString('utf8', next, next + length), end: next + length + 2 };
    }
    case '*': {
      const count = Number(line);
      if (count < 0) return { reply: null, end: next };
      const replies: Reply[] = [];
      let end = next;
      while (replies.length < count) {
        const read = readReply(bytes, end);
        if (read === undefined) return undefined;
        replies.push(read.reply);
        ({ end } = read);
      }
      return { reply: replies, end };
    }
    default:
      throw new Error(`Redis said ${line}`);
  }
}
