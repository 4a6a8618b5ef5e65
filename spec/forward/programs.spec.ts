import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { userInfo } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { exposePort$, forwardPort$ } from '../../lib/index.js';
import { temporaryFolder } from '../support/folder.js';
import { addressOf, Lab } from '../support/nodes.js';
import { needsProgram } from '../support/proxies.js';
import { needsRedis, redisServers } from '../support/redis.js';
import { leftToCi } from '../support/left-to-ci.js';
import { freePort } from '../support/free-port.js';

/** They start several programs. */
const LIMIT_MS = 60_000;

describe('By a forwarded port', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const { start } = redisServers();
  const run = promisify(execFile);
  afterEach(() => lab.close());

  /** A local port that leads to a service on loopback. */
  async function forwardedTo(port: number): Promise<number> {
    const [net, peer] = [lab.net(), lab.net()];
    lab.collect(exposePort$(peer, { name: 'service', host: '127.0.0.1', port }));
    const step = await lab.open(forwardPort$(net, await firstValueFrom(peer.unl$), { name: 'service' }));
    if (step.type !== 'listening') throw new Error(`Expected a port, but ${step.reason}`);
    return step.local.port;
  }

  const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  it(
    'curl fetches many pages at once by few connections, and sends a large file',
    async () => {
      leftToCi();
      needsProgram('curl');
      const bytes = randomBytes(4_000_000);
      const server = createServer((request, response) => {
        if (request.method === 'POST') void buffer(request).then((body) => response.end(hashOf(body)));
        else response.end(bytes);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      lab.onClose(() => {
        server.closeAllConnections();
        server.close();
      });
      const url = `http://127.0.0.1:${await forwardedTo(addressOf(server).port)}/`;
      const pages = Array.from({ length: 20 }, (_, i) => path(`page-${i}`));
      const files = pages.flatMap((file) => ['-o', file, url]);
      await run('curl', ['--silent', '--show-error', '--fail', '--parallel', ...files]);
      const hashes = await run('sha256sum', pages);
      expect(new Set(hashes.stdout.match(/^[0-9a-f]{64}/gm))).toEqual(new Set([hashOf(bytes)]));
      writeFileSync(path('file'), bytes);
      const { stdout } = await run('curl', ['--silent', '--show-error', '--data-binary', `@${path('file')}`, url]);
      expect(stdout).toBe(hashOf(bytes));
    },
    LIMIT_MS,
  );

  it(
    'ssh runs a command: what goes in may end before the answer comes, and the status comes back',
    async () => {
      needsProgram('sshd');
      needsProgram('ssh');
      const port = await startSshd(lab, path);
      const local = await forwardedTo(port);
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'LogLevel=ERROR'];
      const ssh = (command: string) =>
        spawn('ssh', [
          ...['-F', 'none', '-p', String(local), '-i', path('key')],
          ...options.flatMap((option) => ['-o', option]),
          `${userInfo().username}@127.0.0.1`,
          command,
        ]);
      const bytes = randomBytes(3_000_000);
      const hashing = ssh('sha256sum');
      hashing.stdin.end(bytes);
      expect(await outputOf(hashing)).toEqual([`${hashOf(bytes)}  -\n`, '', 0]);
      expect(await outputOf(ssh('echo hello; exit 7'))).toEqual(['hello\n', '', 7]);
    },
    LIMIT_MS,
  );

  it(
    'redis-benchmark asks a Redis by fifty connections, thousands of times',
    async () => {
      leftToCi();
      needsRedis();
      needsProgram('redis-benchmark');
      const redis = await start();
      const local = await forwardedTo(redis.port);
      const args = ['-h', '127.0.0.1', '-p', String(local), '-c', '50', '-n', '5000', '-t', 'incr,lpush', '--csv'];
      const { stdout, stderr } = await run('redis-benchmark', args);
      expect(stdout).toMatch(/^"INCR","\d/m);
      expect(stdout).toMatch(/^"LPUSH","\d/m);
      expect(`${stdout}${stderr}`).not.toContain('Error');
      expect(Number(await redis.ask('GET', 'counter:__rand_int__'))).toBe(5_000);
      expect(Number(await redis.ask('LLEN', 'mylist'))).toBe(5_000);
    },
    LIMIT_MS,
  );
});

/** An sshd on loopback that lets in the key `key`, and nobody else; it ends with the spec. Resolves to its port. */
async function startSshd(lab: Lab, path: (name: string) => string): Promise<number> {
  const port = await freePort();
  for (const name of ['key', 'host']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path(name)]);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${path('host')}`,
    `AuthorizedKeysFile ${path('key.pub')}`,
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'PidFile none',
  ];
  writeFileSync(path('sshd.conf'), `${lines.join('\n')}\n`);
  // Where it separates privileges; started as a service it has one.
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  // It starts itself anew for each connection, for which it has to be named by its whole path.
  const sshd = execFileSync('sh', ['-c', 'command -v sshd'], { encoding: 'utf8' }).trim();
  const child = spawn(sshd, ['-D', '-e', '-f', path('sshd.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  lab.onClose(() => child.kill());
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
      if (said.includes('Server listening')) resolve();
    });
    child.once('exit', () => {
      reject(new Error(`sshd does not run: ${said}`));
    });
  });
  return port;
}

/** What a program has written, and its status. */
async function outputOf(child: ChildProcess): Promise<readonly [string, string, unknown]> {
  const ended = once(child, 'exit');
  const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) =>
    stream === null ? '' : (await buffer(stream)).toString(),
  );
  const exit: unknown[] = await ended;
  return [(await stdout) ?? '', (await stderr) ?? '', exit[0]];
}
