import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressToBytes, type Endpoint } from '../../lib/endpoint.js';
import { hasProgram } from './installed-programs.js';

/** Says aloud that a program is missing; where everything is required, that is a failure. */
export function needsProgram(program: string): void {
  if (hasProgram(program)) return;
  const why = `this spec needs ${program} (Debian package ${program})`;
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

/** Proxies that a suite starts, each with a configuration of its own; they end with the spec. */
export class Proxies {
  readonly #running: { readonly child: ChildProcess; readonly folder: string }[] = [];

  /** nginx, with these lines in `http { … }`. */
  async nginx(listening: Endpoint, http: (folder: string) => string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-nginx-'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ');
    const text = `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events { worker_connections 256; }
      http { access_log off; ${temporary} ${http(folder)} }`;
    writeFileSync(join(folder, 'nginx.conf'), text);
    const child = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr'], { stdio: 'ignore' });
    this.#running.push({ child, folder });
    await listensAt(listening, child);
  }

  /** HAProxy, with these sections. */
  async haproxy(listening: Endpoint, sections: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-haproxy-'));
    const file = join(folder, 'haproxy.cfg');
    const defaults = 'defaults\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n';
    writeFileSync(file, `global\n  maxconn 256\n${defaults}${sections}\n`);
    const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
    this.#running.push({ child, folder });
    await listensAt(listening, child);
  }

  /** Caddy, with this Caddyfile; it has a home of its own. */
  async caddy(listening: Endpoint, text: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-caddy-'));
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, `{\n\tadmin off\n}\n\n${text}`);
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const child = spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { stdio: 'ignore', env });
    this.#running.push({ child, folder });
    await listensAt(listening, child);
  }

  async close(): Promise<void> {
    for (const { child, folder } of this.#running.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true });
    }
  }
}

/** Tries until somebody answers: a program that has started does not say when it listens. */
async function listensAt({ address, port }: Endpoint, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The proxy ended with ${child.exitCode} before it listened`);
    const socket = connect({ host: address, port });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket
        .on('connect', () => {
          resolve(true);
        })
        .on('error', () => {
          resolve(false);
        });
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What a header of version 2 has beside the two ends. */
interface Header2Config {
  readonly command?: number;
  readonly family?: number;
  readonly more?: Buffer;
}

/** A header of the PROXY protocol, version 2. */
export function proxyHeader2(
  { source, destination }: { readonly source: Endpoint; readonly destination: Endpoint },
  { command = 0x21, family, more = Buffer.alloc(0) }: Header2Config = {},
): Buffer {
  const addresses = [source, destination].map(({ address }) => addressToBytes(address));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const rest = Buffer.concat([...addresses, ports, more]);
  const fixed = Buffer.from([command, family ?? (addresses[0]?.length === 4 ? 0x11 : 0x21), 0, 0]);
  fixed.writeUInt16BE(rest.length, 2);
  return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), fixed, rest]);
}
