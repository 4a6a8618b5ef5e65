import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Lab } from './nodes.js';
import type { WebCertificate } from './web-certificate.js';
import { hasProgram } from './installed-programs.js';
import { endChild } from './end-child.js';
import { freePort } from './free-port.js';

/** Says aloud that there is no broker on this machine; where everything is required, that is a failure. */
export function needsMosquitto(): void {
  if (hasMosquitto()) return;
  const why = 'this needs mosquitto (Debian package mosquitto)';
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

/** Whether there is a broker on this machine. */
export function hasMosquitto(): boolean {
  return hasProgram('mosquitto');
}

/** How a broker is run. */
export interface MosquittoOptions {
  /** By what its port is spoken to. Default: plain MQTT. */
  readonly scheme?: 'mqtt' | 'mqtts' | 'ws' | 'wss' | undefined;
  /** For `mqtts` and `wss`. */
  readonly certificate?: WebCertificate | undefined;
  /** Who may connect. Default: everybody. */
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** What everybody may do, as in the file of `acl_file`. Default: everything. */
  readonly acl?: string | undefined;
}

/** A broker that runs on a port of loopback. */
export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** Kills it. Resolves when it has ended. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing of what it had. */
  restart(): Promise<void>;
}

/** Starts a broker that ends with the spec. */
export async function startMosquitto(lab: Lab, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const { scheme = 'mqtt', certificate, user, acl } = options;
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'rxp2p-mosquitto-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const lines = ['user root', 'persistence false', 'sys_interval 0', `listener ${port} 127.0.0.1`];
  const isWebSocket = scheme === 'ws' || scheme === 'wss';
  if (isWebSocket) lines.push('protocol websockets');
  if (certificate !== undefined) {
    lines.push(`certfile ${file('cert.pem', certificate.cert)}`, `keyfile ${file('key.pem', certificate.key)}`);
  }
  if (user === undefined) {
    lines.push('allow_anonymous true');
  } else {
    const passwords = join(folder, 'passwords');
    const made = spawnSync('mosquitto_passwd', ['-c', '-b', passwords, user.name, user.password]);
    if (made.status !== 0) throw new Error(`mosquitto_passwd failed: ${made.stderr.toString()}`);
    lines.push('allow_anonymous false', `password_file ${passwords}`);
  }
  if (acl !== undefined) lines.push(`acl_file ${file('acl', acl)}`);
  // It does not start without a listener of MQTT itself.
  if (isWebSocket) lines.push(`listener ${await freePort()} 127.0.0.1`);
  const config = file('mosquitto.conf', `${lines.join('\n')}\n`);
  const start = async () => {
    const child = spawn('mosquitto', ['-c', config], { stdio: 'ignore' });
    await listensAt(port, child);
    return child;
  };
  let child = await start();
  lab.onClose(async () => {
    await endChild(child);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}${isWebSocket ? '/' : ''}`,
    kill: () => endChild(child),
    async restart() {
      await endChild(child);
      child = await start();
    },
  };
}

/**
 * Puts before a broker one that speaks only MQTT 3.1.1: it refuses clients of version 5 as such brokers do, and passes on the bytes of others.
 *
 * @param how what is said to clients of version 5: that the version is wrong, or nothing.
 */
export async function startOldBroker(
  lab: Lab,
  { port }: Mosquitto,
  how: 'refuses' | 'closes' = 'refuses',
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => {
      // CONNECT: type, length, 0 4 M Q T T, version.
      const version = chunk[chunk.indexOf('MQTT') + 4];
      if (version === 5) {
        socket.end(how === 'refuses' ? Buffer.of(0x20, 2, 0, 1) : '');
        return;
      }
      const onward = connect(port, '127.0.0.1').on('error', () => undefined);
      onward.write(chunk);
      pipe(socket, onward);
      pipe(onward, socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onClose(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Expected a port');
  return `mqtt://127.0.0.1:${address.port}`;
}

/** Closes the other when one has closed. */
function pipe(from: Socket, to: Socket): void {
  from.pipe(to);
  from.once('close', () => {
    to.destroy();
  });
}

async function listensAt(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await pause(20);
    } finally {
      socket.destroy();
    }
  }
}
