/** What TURN servers do for two nodes: relay where nobody can predict the ports, and show each where the other is. */
import { needsMosquitto } from '../support/mosquitto.js';
import { needsCoturn } from '../support/stun.js';
import { labRun } from './lab-run.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planPair } from './plan.js';
import { RXP2P, startServers, startTurn, meetingPlaces, turnAt } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('Two nodes behind NATs', () => {
  const run = labRun();

  for (const whose of fewOf(['dialer', 'listener'], ['listener']))
    it(
      `meet at the TURN server of the ${whose}`,
      async () => {
        leftToCi();
        needsLab();
        needsCoturn();
        await run().with(planPair(['random', 'cgnat-random']), DEFAULT_PATH, async (topology) => {
          const [s1 = '', s2 = ''] = ['s1', 's2'].map((server) => addressOf(topology.plan, server, 4));
          const serve = topology.run('s1', [process.execPath, RXP2P, 'serve', '--no-relay']);
          await Promise.all([serve.line((text) => text.startsWith('http')), startTurn(topology, 's2')]);
          const places = ['--rendezvous', `${s1}:8000`, '--stun', `${s2}:3478`];
          const turn = turnAt(s2);
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

  it(
    'have a direct path with brokers and TURN servers alone, which see them, once they have met',
    async () => {
      leftToCi();
      needsLab();
      needsCoturn();
      needsMosquitto();
      await run().with(planPair(['random', 'preserving']), DEFAULT_PATH, async (topology) => {
        await startServers(topology, { rxp2p: RXP2P, carrier: 'mqtt' });
        const start = (host: 'a' | 'b', ...args: string[]) =>
          topology.run(host, [process.execPath, RXP2P, ...args, ...meetingPlaces(topology, host, 'mqtt')]);
        const unl = (await start('b', 'listen', '--echo').line(() => true)).text;
        const dialer = start('a', 'connect', unl);
        await dialer.line((text) => text.includes('(turn, relayed, '), dialer.stderr$);
        await dialer.line((text) => text.includes('simultaneous-open'), dialer.stderr$);
        dialer.write('hello');
        expect((await dialer.line(() => true)).text).toBe('hello');
      });
    },
    LAB_LIMIT_MS,
  );
});
