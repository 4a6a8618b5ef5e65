/** Whether two nodes whose ports nobody can predict meet at a TURN server that one of them may use, with no relay of ours. */
import { join } from 'node:path';
import { hasCoturn, needsCoturn } from '../support/stun.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planPair } from './plan.js';
import { Run } from './run.js';
import { RXP2P } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';

describe('Two nodes behind random NATs', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab() && hasCoturn()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab() && hasCoturn()) await run.close();
  });

  for (const whose of ['dialer', 'listener'] as const)
    it(
      `meet at the TURN server of the ${whose}`,
      async () => {
        needsLab();
        needsCoturn();
        await run.with(planPair(['random', 'cgnat-random']), DEFAULT_PATH, async (topology) => {
          const [s1, s2] = (['s1', 's2'] as const).map((server) => addressOf(topology.plan, server, 4));
          const options = ['-n', '--verbose', '--no-cli', '--no-udp', '--no-tls', '--no-dtls'];
          const users = ['-a', '-u', 'alice:secret', '-r', 'example.org'];
          const files = ['--pidfile', join(run.directory, 'turn.pid'), '--log-file', 'stdout'];
          const turnServer = [
            'turnserver',
            ...options,
            ...users,
            ...files,
            '--listening-ip',
            s2 ?? '',
            '--relay-ip',
            s2 ?? '',
          ];
          const serve = topology.run('s1', [process.execPath, RXP2P, 'serve', '--no-relay']);
          await Promise.all([
            serve.line((text) => text.startsWith('http')),
            topology.run('s2', turnServer).line((text) => text.includes('listener opened on')),
          ]);
          const places = ['--rendezvous', `${s1 ?? ''}:8000`, '--stun', `${s2 ?? ''}:3478`];
          const turn = ['--turn', `turn:alice:secret@${s2 ?? ''}:3478`];
          const start = (host: 'a' | 'b', ...args: string[]) =>
            topology.run(host, [process.execPath, RXP2P, ...args, ...places]);
          const listener = start('b', 'listen', '--echo', ...(whose === 'listener' ? turn : []));
          const unl = (await listener.line(() => true)).text;
          const dialer = start('a', 'connect', unl, ...(whose === 'dialer' ? turn : []));
          await dialer.line((text) => /^connected to .* \(turn, relayed, /.test(text), dialer.stderr$);
          dialer.write('hello');
          expect((await dialer.line(() => true)).text).toBe('hello');
        });
      },
      LAB_LIMIT_MS,
    );
});
