import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

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

/** As Linux counts CPU time for processes (`sysconf(_SC_CLK_TCK)`). */
const TICKS_PER_SECOND = 100;

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
  const about = (name: string) => readFileSync(`/proc/${child.pid ?? 'self'}/${name}`, 'utf8');
  return {
    port,
    rss: () => Number(/VmRSS:\s+(\d+) kB/.exec(about('status'))?.[1]) * 1024,
    cpu: () => {
      // The name, in brackets, may hold spaces. User and system time are the 14th and 15th field.
      const fields = about('stat')
        .replace(/^.*\) /, '')
        .split(' ');
      return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
    },
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
