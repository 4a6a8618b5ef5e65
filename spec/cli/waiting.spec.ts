import { once } from 'node:events';
import { createServer } from 'node:net';
import { waitAloud } from '../../lib/cli/waiting.js';
import { formatUnl } from '../../lib/unl.js';
import { commands, COMMAND_LIMIT_MS } from '../support/commands.js';
import { unlOf } from '../support/locators.js';
import { marbles } from '../support/marbles.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('Waiting aloud', () => {
  const told = (source: string, expected: string, unsubscription?: string): readonly string[] => {
    const words: string[] = [];
    marbles(({ cold, expectObservable, scheduler }) => {
      const tell = (seconds: number) => words.push(`${seconds} s at ${scheduler.now()}`);
      expectObservable(cold(source).pipe(waitAloud(tell, scheduler)), unsubscription).toBe(expected);
    });
    return words;
  };

  it('tells every two seconds, until the first value', () => {
    expect(told('5s a 9s |', '5s a 9s |')).toEqual(['2 s at 2000', '4 s at 4000']);
    expect(told('1s a 9s b', '1s a 9s b', '20s !')).toEqual([]);
  });

  it('tells no more when no value comes, on failure, and after it is unsubscribed', () => {
    expect(told('3s |', '3s |')).toEqual(['2 s at 2000']);
    expect(told('3s #', '3s #')).toEqual(['2 s at 2000']);
    expect(told('20s a', '', '5s !')).toEqual(['2 s at 2000', '4 s at 4000']);
  });
});

describe('Commands that dial a peer which says nothing', () => {
  const lab = new Lab();
  const { rxp2p } = commands();
  afterEach(() => lab.close());

  it(
    'say what they are doing',
    async () => {
      leftToCi();
      const silent = createServer().listen(0, newAddress());
      await once(silent, 'listening');
      lab.onClose(() => silent.close());
      const unl = formatUnl(unlOf({ nodeType: 'passive', endpoints: [{ kind: 'wan', ...addressOf(silent) }] }));
      const direct = ['--bind', newAddress(), '--technique', 'direct', '--timeout', '100'];
      const programs = [
        ['connect', unl],
        ['ping', unl],
        ['forward', unl, '--target', 'web'],
      ].map((args) => rxp2p(...args, ...direct));
      await Promise.all(
        programs.map((program) =>
          program.until('it waits aloud', ({ stderr }) => stderr.includes('still dialling the peer (')),
        ),
      );
    },
    COMMAND_LIMIT_MS,
  );
});
