import fc from 'fast-check';
import { Ranking } from '../../../servers/mailbox/ranking.js';

describe('a ranking', () => {
  it('always finds the greatest', () => {
    const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.nat({ max: 9 })), { maxLength: 200 });
    fc.assert(
      fc.property(changes, (all) => {
        const ranking = new Ranking();
        const amounts = new Map<string, number>();
        for (const [index, amount] of all) {
          ranking.set(`${index}`, amount);
          amounts.set(`${index}`, amount);
          const most = Math.max(...amounts.values());
          if (most === 0) {
            throwUnless(ranking.most).toBeUndefined();
            continue;
          }
          throwUnless(ranking.most?.amount).toBe(most);
          throwUnless(amounts.get(ranking.most?.who ?? '')).toBe(most);
        }
      }),
    );
  });
});
