// For examples that need servers of others: starts those that are installed on this machine, on loopback alone. They end with the example.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Starts an MQTT broker that anybody may use. Resolves when it listens: `false` where it is not installed. */
export function startMosquitto(port: number): Promise<boolean> {
  const config = join(folder(), 'mosquitto.conf');
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
  return start('mosquitto', ['-c', config], port);
}

/**
 * Starts a server of STUN and TURN by TCP. Resolves when it listens: `false` where it is not installed.
 *
 * @param user `NAME:PASSWORD`, for TURN.
 */
export function startTurnserver(port: number, user: string): Promise<boolean> {
  const byTcp = ['-n', '--no-cli', '--no-udp', '--no-tls', '--no-dtls', '--listening-port', `${port}`];
  const loopback = ['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--allow-loopback-peers'];
  const files = ['--log-file', 'stdout', '--pidfile', join(folder(), 'pid')];
  return start('turnserver', [...byTcp, ...loopback, ...files, '-a', '-u', user, '-r', 'rxp2p.example'], port);
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** A folder that is gone when the example ends. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rxp2p-servers-'));
  process.once('exit', () => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** Where servers are installed that a user's `PATH` may not name. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'];

async function start(program: string, args: readonly string[], port: number): Promise<boolean> {
  const PATH = [process.env['PATH'], ...FOLDERS].filter((each) => each !== undefined).join(delimiter);
  const child = spawn(program, args, { env: { ...process.env, PATH }, stdio: 'ignore' });
  const isInstalled = await once(child, 'spawn').then(
    () => true,
    () => false,
  );
  if (!isInstalled) return false;
  child.unref();
  process.once('exit', () => child.kill());
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${program} has ended with status ${child.exitCode}`);
    await pause(50);
  }
  return true;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  const isThere = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isThere;
}
