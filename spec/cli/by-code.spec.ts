import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { commands, COMMAND_LIMIT_MS, SERVE } from '../support/commands.js';
import { addressOf, newAddress } from '../support/nodes.js';
import type { Program } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

const CODE = /^[1-9]\d*-[a-z]+-[a-z]+$/;

describe('Commands that meet a peer by a code', () => {
  const { rxp2p, rxp2pWith, listening } = commands();

  /** A rendezvous server. */
  async function server(): Promise<string> {
    const serve = rxp2p(...SERVE);
    await serve.line(/^http /);
    return (serve.lines[0] ?? '').replace(/^\w+ /, '');
  }

  async function codeOf(program: Program): Promise<string> {
    return String((await program.event('code'))['code']);
  }

  const ALONE = ['--interval', '0.1', '--count', '1', '--json'];

  it(
    'ping, and connect, the node that shows it, once',
    async () => {
      const rendezvous = await server();
      const { program, unl } = await listening('--rendezvous', rendezvous, '--echo', '--code', '--json');
      const code = await codeOf(program);
      expect(code).toMatch(CODE);
      const peerId = (await program.event('ready'))['peerId'];
      const ping = rxp2pWith({ RXP2P_RENDEZVOUS: rendezvous }, 'ping', code, '--bind', newAddress(), ...ALONE);
      expect(await ping.exit()).toBe(0);
      expect((await ping.event('paired'))['peerId']).toBe(peerId);
      await program.event('paired');
      expect(program.lines).toEqual([unl]);
      const late = rxp2p('connect', code, '--rendezvous', rendezvous, '--bind', newAddress(), '--json');
      expect(await late.exit()).toBe(1);
      expect((await late.event('failed'))['reason']).toMatch(/^Nobody waits with this code/);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'reach a service by it, which nobody else does',
    async () => {
      leftToCi();
      const rendezvous = await server();
      const service = createServer((socket) => socket.on('error', () => undefined).end('hello')).listen(0, '127.0.0.1');
      await once(service, 'listening');
      const port = String(addressOf(service).port);
      const here = ['--rendezvous', rendezvous, '--json'];
      const expose = rxp2p('expose', port, '--code', '--no-port-mapping', '--bind', newAddress(), ...here);
      await expose.until('its code', ({ lines }) => lines.length > 1);
      const [unl = '', code = ''] = expose.lines;
      expect(code).toMatch(CODE);
      const stranger = rxp2p('forward', unl, '--bind', newAddress(), ...here);
      expect(await stranger.exit()).toBe(1);
      const forward = rxp2p('forward', code.toUpperCase(), '--bind', newAddress(), ...here);
      await forward.until('its port', ({ lines }) => lines.length > 0);
      const { hostname, port: local } = new URL(`tcp://${forward.lines[0] ?? ''}`);
      expect(await text(connect({ host: hostname, port: Number(local) }))).toBe('hello');
      service.close();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'tell the peer all that it has to type, the servers, too',
    async () => {
      leftToCi();
      const rendezvous = await server();
      const at = ['--rendezvous', rendezvous, '--bind', newAddress()];
      const shown = async (command: string, ...args: readonly string[]) => {
        const program = rxp2p(command, ...args, '--code', ...at);
        await program.until('its code', ({ stderr }) => stderr.includes('for the peer, once: '));
        return /for the peer, once: rxp2p (.*)\n/.exec(program.stderr)?.[1] ?? '';
      };
      const typed = await shown('listen');
      const ping = rxp2p(...typed.replace('connect', 'ping').split(' '), '--bind', newAddress(), ...ALONE);
      expect(await ping.exit()).toBe(0);
      expect(await shown('expose', '80')).toMatch(new RegExp(`^forward \\S+ --rendezvous ${rendezvous}$`));
      expect(await shown('receive', '--yes')).toMatch(new RegExp(`^send PATH --to \\S+ --rendezvous ${rendezvous}$`));
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'say of a wrong word which is meant, and of wrong words that they are wrong; after three of those there is no code',
    async () => {
      leftToCi();
      const rendezvous = await server();
      const { program } = await listening('--rendezvous', rendezvous, '--code', '--json');
      const [slot = ''] = (await codeOf(program)).split('-');
      const ping = (code: string) => rxp2p('ping', code, '--rendezvous', rendezvous, '--bind', newAddress(), ...ALONE);
      const misspelt = ping(`${slot}-otter-vilet`);
      expect(await misspelt.exit()).toBe(2);
      expect((await misspelt.event('failed'))['reason']).toMatch(/violet/);
      // One of 65,536 codes is the right one: it is not both of these.
      const tries = await Promise.all(
        ['acorn-adobe', 'adobe-acorn', 'zebra-zinc'].map(async (words) => {
          const wrong = ping(`${slot}-${words}`);
          return [await wrong.exit(), (await wrong.event('failed'))['reason']];
        }),
      );
      expect(tries.map(([status]) => status)).toEqual([1, 1, 1]);
      expect(tries.map(([, reason]) => reason)).toContain(jasmine.stringMatching(/^The words are not those/));
      expect((await program.event('code-closed'))['reason']).toMatch(/^The code was closed: 3 times/);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'ask for a server, where none is named',
    async () => {
      const runs = [
        ['ping', '7-otter-violet'],
        ['listen', '--code'],
        ['expose', '80', '--code'],
      ].map((args) => rxp2p(...args, '--bind', newAddress(), '--json'));
      for (const run of runs) {
        expect(await run.exit()).toBe(2);
        expect((await run.event('failed'))['reason']).toMatch(
          /--rendezvous or RXP2P_RENDEZVOUS, or leave out --no-lan$/,
        );
      }
    },
    COMMAND_LIMIT_MS,
  );
});
