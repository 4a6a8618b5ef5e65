import { logRefusals, wordsOf, type Log } from '../../lib/cli/log.js';

describe('The log of rxp2p serve', () => {
  it('has words for a terminal, without what it would obey', () => {
    const line = JSON.stringify({
      level: 'warn',
      time: '2026-01-02T03:04:05.678Z',
      event: 'storage',
      reason: 'x',
      msg: 'a folder \u001b[2J of mischief\nand more',
    });
    const words = wordsOf(line);
    expect(words).toMatch(/^03:04:05 WARN {2}a folder .*of mischief.*and more\n$/);
    expect(words.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });

  it('names who is refused by network, unless addresses are to be seen, and a few of many', () => {
    const told: string[] = [];
    const log: Log = (level, event, fields, words) =>
      told.push(`${level} ${event} ${String(fields['network'])} ${words}`);
    logRefusals(log, false).refused('mailbox', 'too-often', '192.0.2.7');
    logRefusals(log, false).refused('mailbox', 'too-often', '20010db80001');
    logRefusals(log, true).refused('relay', 'malformed', '192.0.2.7');
    expect(told).toEqual([
      'debug refused 192.0.2.0/24 mailbox refused 192.0.2.0/24: too-often',
      'debug refused 2001:0db8:0001::/48 mailbox refused 2001:0db8:0001::/48: too-often',
      'debug refused 192.0.2.7 relay refused 192.0.2.7: malformed',
    ]);
    told.length = 0;
    const watch = logRefusals(log, false);
    for (let count = 0; count < 10_000; count++) watch.refused('mailbox', 'too-often', '192.0.2.7');
    expect(told.length).toBeLessThan(1_000);
  });
});
