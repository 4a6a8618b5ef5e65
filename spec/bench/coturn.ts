import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ignoreElements, map, merge, switchMap, tap } from 'rxjs';
import { systemRuntime } from '../../lib/runtime.js';
import { allocate$ } from '../../lib/techniques/turn/allocation.js';
import { cpuTimeOf } from './footprint.js';

const USER = { username: 'bench', credential: 'secret' };

/** Whether there is a coturn on this machine to measure against. */
export function hasCoturn(): boolean {
  return spawnSync('turnserver', ['--version']).error === undefined;
}

/** Starts a coturn on loopback that relays TCP until this process ends. Resolves to what tells its CPU time so far, in milliseconds. */
export async function startCoturn(port: number): Promise<() => number> {
  const folder = mkdtempSync(join(tmpdir(), 'rxp2p-bench-coturn-'));
  const options = ['-n', '--verbose', '--no-cli', '--no-udp', '--no-tls', '--no-dtls', '--listening-port', `${port}`];
  const files = ['--log-file', 'stdout', '--pidfile', join(folder, 'pid')];
  const user = ['-a', '-u', `${USER.username}:${USER.credential}`, '-r', 'example.org'];
  const loopback = ['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--allow-loopback-peers'];
  const child = spawn('turnserver', [...options, ...files, ...user, ...loopback], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  process.once('exit', () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('listener opened on')) resolve();
    });
    child.once('exit', () => {
      reject(new Error('turnserver has ended'));
    });
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('turnserver did not start');
  return () => cpuTimeOf(pid);
}

/** What is sent to a peer first: until its connection is taken, coturn holds little of what it sends, and then ends it. */
const TAKEN = '!';

/** Has it listen for a peer on loopback, until this process ends. Resolves to the port. */
export function listenAtCoturn(port: number, serve: (socket: Socket) => void): Promise<number> {
  const server = { host: '127.0.0.1', port, credentials: () => USER };
  const config = { localAddress: undefined, family: 4, timeoutMs: 60_000, runtime: systemRuntime } as const;
  return new Promise((resolve, reject) => {
    allocate$(server, config)
      .pipe(
        switchMap(({ relayed, permit$, arrival$ }) => {
          const served$ = arrival$.pipe(
            tap(({ socket }) => {
              serve(socket);
              // It is handed over paused, once this is done.
              setImmediate(() => socket.resume().write(TAKEN));
            }),
          );
          return merge(served$.pipe(ignoreElements()), permit$('127.0.0.1').pipe(map(() => relayed.port)));
        }),
      )
      .subscribe({ next: resolve, error: reject });
  });
}
