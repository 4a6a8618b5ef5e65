import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuTimeOf } from './footprint.js';

/** Whether there is a mosquitto on this machine to measure against. */
export function hasMosquitto(): boolean {
  // Asked for its version it answers with its usage, and fails.
  return spawnSync('mosquitto', ['-h'], { encoding: 'utf8' }).stdout.startsWith('mosquitto version');
}

/** A mosquitto that runs until this process ends. */
export interface Mosquitto {
  readonly port: number;
  /** Its resident set, in bytes. */
  rss(): number;
  /** Its CPU time so far, in milliseconds. */
  cpu(): number;
  end(): void;
}

/** Starts a mosquitto on loopback that takes anybody in, keeps nothing, and sends at once. */
export async function startMosquitto(port: number): Promise<Mosquitto> {
  const dir = mkdtempSync(join(tmpdir(), 'rxp2p-bench-mosquitto-'));
  const file = join(dir, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'log_type none',
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    'user root',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
  const end = () => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', end);
  while (!(await isListening(port))) await pause(50);
  const { pid } = child;
  if (pid === undefined) throw new Error('mosquitto did not start');
  return {
    port,
    rss: () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    cpu: () => cpuTimeOf(pid),
    end: () => {
      process.off('exit', end);
      end();
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => {
      resolve(false);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
