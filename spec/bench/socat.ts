import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './redis.js';

/** Whether there is a socat on this machine to measure against. */
export function hasSocat(): boolean {
  return spawnSync('socat', ['-V']).status === 0;
}

/** Has socat pass on what comes to a port, until this process ends. Resolves to the port. */
export async function startSocat(to: number, options: readonly string[]): Promise<number> {
  const port = await freePort();
  const addresses = [`TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr,nodelay`, `TCP:127.0.0.1:${to},nodelay`];
  // In a group of its own, with the process that it forks for each connection.
  const child = spawn('socat', [...options, ...addresses], { stdio: 'ignore', detached: true });
  // It would keep this process from ending.
  child.unref();
  process.once('exit', () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
  for (;;) {
    const probe = connect({ port, host: '127.0.0.1' });
    const isThere = await once(probe, 'connect').then(
      () => true,
      () => false,
    );
    probe.destroy();
    if (isThere) return port;
    await pause(20);
  }
}
