import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../support/free-port.js';

/** Whether there is a socat on this machine to measure against. */
export function hasSocat(): boolean {
  return spawnSync('socat', ['-V']).status === 0;
}

/** Has socat pass on what comes to a port, until this process ends. Resolves to the port. */
export async function startSocat(to: number, options: readonly string[]): Promise<number> {
  return start([...options], (port) => [listenAt('TCP-LISTEN', port), `TCP:127.0.0.1:${to},nodelay`]);
}

/**
 * Has two socats pass on what comes to a port, with TLS in between, in which each proves its certificate to the other: what a forwarded port
 * does. Resolves to the port.
 *
 * @param folder where the key and the certificate are put.
 */
export async function startSecuredSocats(to: number, folder: string): Promise<number> {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = ['-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
  execFileSync('openssl', ['req', ...made, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const proven = `cert=${cert},key=${key},cafile=${cert},verify=1`;
  const there = await start([], (port) => [
    `${listenAt('OPENSSL-LISTEN', port)},${proven}`,
    `TCP:127.0.0.1:${to},nodelay`,
  ]);
  return start([], (port) => [
    listenAt('TCP-LISTEN', port),
    `OPENSSL:127.0.0.1:${there},nodelay,commonname=localhost,${proven}`,
  ]);
}

const listenAt = (kind: string, port: number): string =>
  `${kind}:${port},bind=127.0.0.1,fork,backlog=128,reuseaddr,nodelay`;

async function start(options: readonly string[], addresses: (port: number) => readonly string[]): Promise<number> {
  const port = await freePort();
  // In a group of its own, with the process that it forks for each connection.
  const child = spawn('socat', [...options, ...addresses(port)], { stdio: 'ignore', detached: true });
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
