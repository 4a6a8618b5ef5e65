import { formatUnl, parseUnl } from '../../lib/unl.js';
import { COMMAND_LIMIT_MS, commands } from '../support/commands.js';
import { newAddress } from '../support/nodes.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('The command line on the local network', () => {
  const { rxp2p, listening } = commands();

  it(
    'reaches a node whose UNL has no addresses, with --lan on both sides',
    async () => {
      leftToCi();
      const { unl } = await listening('--lan', '--echo');
      const named = parseUnl(unl);
      if (named.version !== 3) throw new Error('Expected version 3');
      const old = formatUnl({ ...named, nodeType: 'active', endpoints: [] });
      const peer = rxp2p('connect', old, '--lan', '--bind', newAddress(), '--json', '--technique', 'direct');
      await peer.until('it is connected', ({ events }) => events.some(({ event }) => event === 'connected'));
      expect(peer.events).toContain(jasmine.objectContaining({ event: 'lan', state: 'joined' }));
      peer.type('hello\n');
      await peer.line('hello');

      const alone = rxp2p('connect', old, '--bind', newAddress(), '--technique', 'direct', '--timeout', '5');
      expect(await alone.exit()).toBe(1);
      expect(alone.stderr).toContain('The UNL has no endpoint that can be dialled from here');
    },
    COMMAND_LIMIT_MS,
  );
});
