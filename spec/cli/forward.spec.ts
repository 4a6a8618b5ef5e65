import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { createIdentity, saveIdentity } from '../../lib/index.js';
import { commands, COMMAND_LIMIT_MS } from '../support/commands.js';
import { temporaryFolder } from '../support/folder.js';
import { addressOf, newAddress } from '../support/nodes.js';
import type { Program } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p expose and forward', () => {
  const { rxp2p } = commands();
  const path = temporaryFolder();
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Listens on a port of loopback. */
  async function listening(server: Server): Promise<number> {
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return addressOf(server).port;
  }

  const web = () =>
    listening(createHttpServer((request, response) => response.end(`you asked for ${String(request.url)}`)));
  const greeting = () => listening(createServer((socket) => socket.on('error', () => undefined).end('hello')));

  /** A program whose first line of output is awaited. */
  async function started(...args: readonly string[]): Promise<{ program: Program; line: string }> {
    const program = rxp2p(...args, '--bind', newAddress(), '--json');
    await program.until('its first line', ({ lines }) => lines.length > 0);
    return { program, line: program.lines[0] ?? '' };
  }

  const exposing = (...args: readonly string[]) => started('expose', ...args, '--no-port-mapping');
  const forwarding = (...args: readonly string[]) => started('forward', ...args);

  async function said(local: string): Promise<string> {
    const { hostname, port } = new URL(`tcp://${local}`);
    return text(connect({ host: hostname, port: Number(port) }));
  }

  it(
    'lead a local port to a web server at the peer, and others to other services, by number and by name',
    async () => {
      const [webPort, greetingPort] = [await web(), await greeting()];
      const { program, line: unl } = await exposing(String(webPort), `hi=127.0.0.1:${greetingPort}`);
      const ready = await program.event('ready');
      expect(ready['targets']).toEqual([
        { number: 1, name: `localhost:${webPort}`, host: 'localhost', port: webPort },
        { number: 2, name: 'hi', host: '127.0.0.1', port: greetingPort },
      ]);
      const first = await forwarding(unl);
      expect(first.line).toMatch(/^127\.0\.0\.1:\d+$/);
      const answers = ['/a', '/b'].map(async (path) => (await fetch(`http://${first.line}${path}`)).text());
      expect(await Promise.all(answers)).toEqual(['you asked for /a', 'you asked for /b']);
      for (const target of ['2', 'hi']) {
        const { line } = await forwarding(unl, '--target', target, '--host', '127.0.0.2');
        expect(line).toMatch(/^127\.0\.0\.2:/);
        expect(await said(line)).toBe('hello');
      }
      // What is not exposed is not there, whatever it is called.
      const wrong = await forwarding(unl, '--target', `127.0.0.1:${greetingPort}`);
      await expectAsync(said(wrong.line)).toBeRejected();
      expect((await wrong.program.event('stream'))['reason']).toContain('nobody takes channels of this name');
      first.program.signal('SIGINT');
      program.signal('SIGTERM');
      expect([await first.program.exit(), await program.exit()]).toEqual([0, 0]);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'tell at both ends that the service refuses connections',
    async () => {
      leftToCi();
      const port = await greeting();
      for (const server of servers.splice(0)) {
        server.close();
        await once(server, 'close');
      }
      const exposed = await exposing(`127.0.0.1:${port}`);
      const forward = await forwarding(exposed.line);
      await expectAsync(said(forward.line)).toBeRejected();
      expect((await forward.program.event('stream'))['reason']).toContain('the service cannot be reached');
      expect((await exposed.program.event('stream'))['reason']).toContain('ECONNREFUSED');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'let in only who is allowed, where that is said',
    async () => {
      leftToCi();
      const friend = createIdentity();
      saveIdentity(friend, path('friend.key'));
      const exposed = await exposing(String(await greeting()), '--allow', friend.peerId);
      const stranger = rxp2p('forward', exposed.line, '--bind', newAddress());
      expect(await stranger.exit()).toBe(1);
      expect(stranger.stdout).toBe('');
      expect(stranger.stderr).toContain('not welcome');
      const { line } = await forwarding(exposed.line, '--key', path('friend.key'));
      expect(await said(line)).toBe('hello');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'find each other again when the exposing side has been started anew with its key',
    async () => {
      leftToCi();
      const services = [String(await greeting()), '--key', path('expose.key')];
      const bind = newAddress();
      const start = async (port: string) => {
        const program = rxp2p('expose', ...services, '--no-port-mapping', '--bind', bind, '--port', port, '--json');
        await program.until('its first line', ({ lines }) => lines.length > 0);
        return program;
      };
      const before = await start('0');
      const forward = await forwarding(before.lines[0] ?? '');
      expect(await said(forward.line)).toBe('hello');
      const { remote } = await forward.program.event('connected');
      before.signal('SIGTERM');
      expect(await before.exit()).toBe(0);
      await forward.program.event('closed');
      await start(String(remote).replace(/^.*:/, ''));
      await forward.program.until(
        'another connection',
        ({ events }) => events.filter(({ event }) => event === 'connected').length > 1,
      );
      expect(await said(forward.line)).toBe('hello');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'say what was wrong with what they were asked',
    async () => {
      leftToCi();
      const port = await greeting();
      const { line: unl } = await exposing(String(port));
      const taken = rxp2p('forward', unl, '--bind', newAddress(), '--port', String(port));
      expect(await taken.exit()).toBe(1);
      expect(taken.stderr).toContain('EADDRINUSE');
      const wrong = [
        ['expose'],
        ['expose', 'nowhere'],
        ['expose', '0'],
        ['expose', '7=8080'],
        ['expose', '8080', 'a=8080', 'a=8081'],
        ['expose', '8080', '--allow', 'me'],
        ['forward'],
        ['forward', 'garbage'],
        ['forward', unl, '--port', 'x'],
      ].map((args) => rxp2p(...args));
      expect(await Promise.all(wrong.map((program) => program.exit()))).toEqual(wrong.map(() => 2));
      expect(wrong[1]?.stderr).toContain('HOST:PORT');
      expect(wrong[3]?.stderr).toContain('a name with a letter');
      expect(wrong[4]?.stderr).toContain('got `a` twice');
      expect(wrong[5]?.stderr).toContain('a peer id');
    },
    COMMAND_LIMIT_MS,
  );
});
