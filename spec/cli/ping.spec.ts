import { readFileSync } from 'node:fs';
import { commands, COMMAND_LIMIT_MS, SERVE } from '../support/commands.js';
import { temporaryFolder } from '../support/folder.js';
import { newAddress } from '../support/nodes.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p ping', () => {
  const { rxp2p, listening } = commands();
  const path = temporaryFolder();

  const pinging = (unl: string, ...args: readonly string[]) =>
    rxp2p('ping', unl, '--bind', newAddress(), '--interval', '0.1', '--json', ...args);

  it(
    'tells each round trip to any node, and the way that it took',
    async () => {
      const { unl } = await listening();
      const ping = pinging(unl, '--count', '3');
      expect(await ping.exit()).toBe(0);
      expect(ping.lines.map((line) => line.replace(/\d+\.\d ms/, 'T ms').replace(/:\d+$/, ''))).toEqual(
        [1, 2, 3].map((number) => jasmine.stringMatching(`^${number}: T ms, direct by direct at 127\\.`)),
      );
      expect(await ping.event('pong')).toEqual(
        jasmine.objectContaining({ number: 1, technique: 'direct', direct: true, roundTripMs: jasmine.any(Number) }),
      );
      expect(await ping.event('pinged')).toEqual(
        jasmine.objectContaining({ asked: 3, answered: 3, averageMs: jasmine.any(Number) }),
      );
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'goes on until it is interrupted, or until there is a direct way, if it is told so',
    async () => {
      leftToCi();
      const { unl } = await listening();
      const [endless, direct] = [pinging(unl), pinging(unl, '--until-direct')];
      expect(await direct.exit()).toBe(0);
      expect(direct.lines.length).toBe(1);
      await endless.until('several', ({ lines }) => lines.length > 2);
      endless.signal('SIGINT');
      expect(await endless.exit()).toBe(0);
      await endless.event('pinged');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'ends with 3 when every answer came by a relay, where a direct way was waited for; its report tells of them',
    async () => {
      leftToCi();
      const server = rxp2p(...SERVE);
      await server.line(/^http /);
      const [rendezvous = '', http = ''] = server.lines.map((line) => line.replace(/^\w+ /, ''));
      const { unl } = await listening('--rendezvous', rendezvous);
      const only = ['--rendezvous', rendezvous, '--relay', `http://${http}`, '--technique', 'relay'];
      const report = path('ping.html');
      const ping = pinging(unl, ...only, '--count', '2', '--until-direct', '--report', report);
      expect(await ping.exit()).toBe(3);
      expect(ping.lines).toEqual([1, 2].map((number) => jasmine.stringMatching(`^${number}: .* ms, relayed by relay`)));
      const page = readFileSync(report, 'utf8');
      for (const words of ['answer 2 after', '2 of 2 answered', 'lines go by relay']) expect(page).toContain(words);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'ends with 1 when the peer leaves, or is not there',
    async () => {
      leftToCi();
      const { program, unl } = await listening();
      const ping = pinging(unl);
      await ping.line(/^1: /);
      program.signal('SIGTERM');
      expect(await ping.exit()).toBe(1);
      await ping.event('closed');
      const again = pinging(unl, '--technique', 'direct');
      expect(await again.exit()).toBe(1);
      expect([again.stdout, again.events.some(({ event }) => event === 'pinged')]).toEqual(['', false]);
    },
    COMMAND_LIMIT_MS,
  );
});
