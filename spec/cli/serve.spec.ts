import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '../../lib/signalling/carriers/mailbox-messages.js';
import { commands, COMMAND_LIMIT_MS, SERVE } from '../support/commands.js';
import { LineClient } from '../support/line-client.js';
import { call, MailboxCaller } from '../support/mailbox.js';
import { Lab } from '../support/nodes.js';
import { RXP2P } from '../support/program.js';
import { needsProgram } from '../support/proxies.js';
import { putCertificate, webCertificate } from '../support/web-certificate.js';
import { bytesOf, closing, joined, RelayNode, relayRefusalOf } from '../support/relay.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p serve', () => {
  const lab = new Lab();
  const { rxp2p, rxp2pWith, listening } = commands();
  afterEach(() => lab.close());

  it(
    'has a certificate, and nodes come to one HTTPS port for everything',
    async () => {
      leftToCi();
      const folder = await mkdtemp(join(tmpdir(), 'rxp2p-tls-'));
      const { certFile, keyFile } = putCertificate((name) => join(folder, name), webCertificate('localhost'));
      const server = rxp2p(...SERVE, '--tls-cert', certFile, '--tls-key', keyFile);
      await server.line(/^http /);
      const name = `wss://localhost:${server.lines[1]?.split(':')[1] ?? ''}`;
      const { unl } = await listening('--rendezvous', name, '--ca', certFile, '--no-port-mapping');
      const caller = rxp2p('connect', unl, '--rendezvous', name, '--ca', certFile, '--technique', 'relay');
      await caller.until('it is connected', ({ stderr }) => stderr.includes('relayed'));
      const wrong = rxp2p('listen', '--rendezvous', name, '--ca', join(folder, 'nosuch'));
      expect(await wrong.exit()).toBe(2);
      expect(wrong.stderr).toMatch(/`--ca` cannot be read/);
      await rm(folder, { recursive: true });
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'has a key of its own, and prints the name by which nodes come, encrypted',
    async () => {
      leftToCi();
      const folder = await mkdtemp(join(tmpdir(), 'rxp2p-key-'));
      const names: string[] = [];
      for (let run = 0; run < 2; run++) {
        const server = rxp2p(...SERVE, '--key', join(folder, 'key'));
        await server.line(/^rxp2p:/);
        const name = server.lines.find((line) => line.startsWith('rxp2p:')) ?? '';
        expect(name).toMatch(/^rxp2p:\/\/[\w-]{43}@127\.0\.0\.1:\d+$/);
        expect(server.lines).toContain(`rendezvous ${name.split('@')[1] ?? ''}`);
        names.push(name.split('@')[0] ?? '');
        const { unl } = await listening('--rendezvous', name, '--no-port-mapping');
        // By the server in the locator.
        const caller = rxp2p('connect', unl);
        await caller.until('it is connected', ({ stderr }) => stderr.includes('connected'));
        server.signal('SIGTERM');
      }
      expect(names[0]).toBe(names[1]);
      await rm(folder, { recursive: true });
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'prints each endpoint, serves there, and ends cleanly on a signal',
    async () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        const server = rxp2p(...SERVE);
        await server.line(/^http 127\.0\.0\.1:\d+$/);
        expect(server.lines[0]).toMatch(/^rendezvous 127\.0\.0\.1:\d+$/);
        const http = server.lines[1]?.slice('http '.length) ?? '';
        expect(await (await fetch(`http://${http}/address`)).json()).toEqual(
          jasmine.objectContaining({ address: '127.0.0.1' }),
        );
        expect(await (await fetch(`http://${http}/net.php?action=get_wan_ip`)).text()).toBe('127.0.0.1');
        expect((await fetch(`http://${http}/secret`)).status).toBe(404);
        server.signal(signal);
        expect(await server.exit()).toBe(0);
      }
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'refuses what was signed for a server of another name than its own',
    async () => {
      const names = ['--host', 'rv.example.org:8080', '--host', 'mail.example.org'];
      const server = rxp2p(...SERVE, ...names);
      await server.line(/^http /);
      const http = new URL(`http://${server.lines[1]?.slice('http '.length) ?? ''}`);
      const where = { host: http.hostname, port: Number(http.port) };
      const bob = new MailboxCaller(where);
      const statuses: number[] = [];
      for (const host of ['rv.example.org:8080', 'mail.example.org', http.host]) {
        const body = encode({ owner: bob.peerId, at: bob.at(), waitMs: 0, acknowledge: [], holding: [] });
        const headers = { authorization: bob.sign('take', body, host), host };
        statuses.push((await call(where, '/mailbox/take', body, headers)).status);
      }
      expect(statuses).toEqual([200, 200, 401]);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'joins nodes that cannot reach each other, within limits, and tells what it does',
    async () => {
      const server = rxp2p(...SERVE, '--json', '--relay-sessions', '1', '--relay-bytes', '10', '--relay-rate', '1000');
      await server.line(/^http /);
      expect(await server.event('relay')).toEqual(
        jasmine.objectContaining({
          event: 'relay',
          sessions: 0,
          waiting: 0,
          joined: 0,
          bytes: 0,
          refused: {},
          cut: { unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 0 },
        }),
      );
      const listening = server.events.filter(({ event }) => event === 'listening');
      expect(listening.map(({ name, address, port }) => `${String(name)} ${String(address)}:${String(port)}`)).toEqual([
        ...server.lines,
      ]);
      const where = { host: '127.0.0.1', port: Number(listening[1]?.['port']) };
      const [here, there] = await joined(new RelayNode(where), new RelayNode(where));
      expect(relayRefusalOf(await new RelayNode(where).ask({}))).toBe('server-full');
      here.write('0123456789');
      expect(await bytesOf(there, 10)).toBe('0123456789');
      here.write('x');
      await Promise.all([closing(here), closing(there)]);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'logs one JSON object a line where stderr is no terminal, as much as it is told to',
    async () => {
      leftToCi();
      // As many connections as any process may have.
      const few = ['--limit', 'rendezvous.connections=100', '--limit', 'http.connections=100'];
      const server = rxp2p(...SERVE, ...few, '--log-level', 'debug');
      await server.line(/^http /);
      const [host = '', port = ''] = (server.lines[0] ?? '').slice('rendezvous '.length).split(':');
      const client = await LineClient.to({ address: host, port: Number(port) });
      await client.ask('HELLO 99');
      client.socket.destroy();
      await server.event('refused');
      server.signal('SIGTERM');
      expect(await server.exit()).toBe(0);
      expect(server.stderr.split('\n').slice(0, -1).length).toBe(server.events.length);
      expect(server.events.map(({ event }) => event)).toEqual([
        'listening',
        'listening',
        'relay',
        'refused',
        'draining',
        'ended',
      ]);
      expect(await server.event('refused')).toEqual({
        level: 'debug',
        time: jasmine.stringMatching(/^\d{4}-\d\d-\d\dT/),
        event: 'refused',
        server: 'rendezvous',
        reason: 'bad-version',
        network: '127.0.0.0/24',
        msg: 'rendezvous refused 127.0.0.0/24: bad-version',
      });
      const silent = rxp2p(...SERVE, '--log-level', 'silent');
      await silent.line(/^http /);
      silent.signal('SIGTERM');
      await silent.exit();
      expect(silent.stderr).toBe('');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'is looked at where it is told, and takes options from a file and prints them',
    async () => {
      leftToCi();
      const folder = await mkdtemp(join(tmpdir(), 'rxp2p-config-'));
      const key = ['--key', join(folder, 'server.key')];
      const printing = rxp2p(...SERVE, ...key, '--no-relay', '--admin', '0', '--print-config');
      expect(await printing.exit()).toBe(0);
      // It has made no key.
      expect(await readdir(folder)).toEqual([]);
      const file = join(folder, 'rxp2p.json');
      await writeFile(file, printing.stdout);
      const server = rxp2p('serve', '--config', file);
      await server.line(/^rxp2p:/);
      const [, , admin = ''] = server.lines;
      const ports = server.lines.slice(0, 3).map((line) => line.split(' ')[0]);
      expect(ports).toEqual(['rendezvous', 'http', 'admin']);
      expect(await readdir(folder)).toEqual(['rxp2p.json', 'server.key']);
      expect((await fetch(`http://${admin.slice('admin '.length)}/readyz`)).status).toBe(200);
      const http = server.lines[1]?.slice('http '.length) ?? '';
      expect((await fetch(`http://${http}/relay`)).status).toBe(404);
      await writeFile(file, '{"htpPort": 1}');
      const wrong = rxp2p('serve', '--config', file);
      expect(await wrong.exit()).toBe(2);
      expect(wrong.stderr).toContain('has `htpPort`, which is no option');
      await rm(folder, { recursive: true });
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'prints options on a terminal as it does into a file, a line each',
    () => {
      needsProgram('script');
      const command = `${process.execPath} ${RXP2P} serve --print-config`;
      const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' });
      expect(stdout).toMatch(/^ {2}"port": 8000,\r?$/m);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'takes options from the environment, and names a variable there that is none',
    async () => {
      const server = rxp2pWith({ RXP2P_ADMIN: '0', RXP2P_HTP_PORT: '1' }, ...SERVE);
      await server.line(/^admin 127\.0\.0\.1:/);
      expect(await server.event('unknown')).toEqual(
        jasmine.objectContaining({ level: 'warn', name: 'RXP2P_HTP_PORT' }),
      );
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'lets a pair at the relay end within the time that it is given, and ends at once on a second signal',
    async () => {
      leftToCi();
      for (const [seconds, times, status] of [
        ['0', 1, 0],
        ['86400', 2, 'SIGTERM'],
      ] as const) {
        const server = rxp2p(...SERVE, '--drain', seconds);
        await server.line(/^http /);
        const where = { host: '127.0.0.1', port: Number(server.lines[1]?.split(':')[1]) };
        const [here, there] = await joined(new RelayNode(where), new RelayNode(where));
        server.signal('SIGTERM');
        if (times === 2) {
          await server.event('draining');
          here.write('still here');
          expect(await bytesOf(there, 10)).toBe('still here');
          server.signal('SIGTERM');
        }
        expect(await server.exit()).toBe(status);
        for (const socket of [here, there]) socket.destroy();
      }
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'has no relay where none is wanted',
    async () => {
      leftToCi();
      const server = rxp2p(...SERVE, '--no-relay');
      await server.line(/^http /);
      const port = Number(server.lines[1]?.split(':')[1]);
      expect((await new RelayNode({ host: '127.0.0.1', port }).ask({})).status).toBe(404);
      const wrong = rxp2p(...SERVE, '--no-relay', '--relay-bytes', '1');
      expect(await wrong.exit()).toBe(2);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'tells when the folder cannot be used, and ends',
    async () => {
      const server = rxp2p(...SERVE, '--data', '/proc/nope');
      expect(await server.exit()).toBe(1);
      expect(server.stderr).toContain('The folder /proc/nope cannot be used');
      expect(server.stderr).toContain('choose another');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'tells when the port is taken',
    async () => {
      const { local } = await lab.server();
      const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', String(local.port), '--http-port', '0');
      expect(await server.exit()).toBe(1);
      const { level, reason } = await server.event('failed');
      expect([level, reason]).toEqual(['fatal', jasmine.stringMatching(/EADDRINUSE.*Choose another/)]);
    },
    COMMAND_LIMIT_MS,
  );
});
