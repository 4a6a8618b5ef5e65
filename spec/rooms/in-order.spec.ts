import { VirtualTimeScheduler } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import { readMessage, streamOf } from '../../lib/rooms/author/message.js';
import { InOrder } from '../../lib/rooms/in-order.js';
import { signedBy } from './support.js';

describe('The order of the messages of an author', () => {
  const [alice, bob] = [createIdentity(), createIdentity()];

  /** Has messages arrive: numbers of Alice, or of who is named; a wait between them in milliseconds. */
  function passed(
    arrivals: readonly (number | readonly ['bob' | 'again' | 'skip', number] | { readonly wait: number })[],
  ) {
    const scheduler = new VirtualTimeScheduler();
    const order = new InOrder(scheduler);
    const all: string[] = [];
    let at = 0;
    for (const arrival of arrivals) {
      if (typeof arrival === 'object' && 'wait' in arrival) {
        at += arrival.wait;
        continue;
      }
      const [who, number] = typeof arrival === 'number' ? ['alice', arrival] : arrival;
      const stream = streamOf(who === 'again' ? 2_000 : 1_000, Buffer.of(0, 0));
      const signed = readMessage(signedBy(who === 'bob' ? bob : alice, { number, stream }));
      scheduler.schedule(() => {
        if (who === 'skip') order.skip(signed);
        else order.add(signed, () => all.push(`${who} ${number} at ${scheduler.frame}`));
      }, at);
    }
    scheduler.flush();
    order.close();
    return all;
  }

  it('is that in which they were said, beginning with the first that comes', () => {
    expect(passed([3, 4, 6, 5, 7])).toEqual([3, 4, 5, 6, 7].map((number) => `alice ${number} at 0`));
  });

  it('leaves out what comes twice, or after its gap was given up', () => {
    const late = passed([1, 3, 3, { wait: 2_500 }, 2, 4]);
    expect(late).toEqual(['alice 1 at 0', 'alice 3 at 2000', 'alice 4 at 2500']);
  });

  it('waits once for each gap, and for no other author or run', () => {
    const all = passed([1, 3, ['bob', 7], ['again', 1], { wait: 1_000 }, 5, { wait: 3_000 }, 6]);
    expect(all).toEqual([
      'alice 1 at 0',
      'bob 7 at 0',
      'again 1 at 0',
      'alice 3 at 2000',
      'alice 5 at 4000',
      'alice 6 at 4000',
    ]);
  });

  it('does not wait for what was left out, which begins no stream', () => {
    const all = passed([1, ['skip', 2], 3, 5, ['skip', 4], 6, { wait: 100 }, ['skip', 3], 7]);
    expect(all).toEqual([...[1, 3, 5, 6].map((number) => `alice ${number} at 0`), 'alice 7 at 100']);
    expect(passed([['skip', 1], 9, 10])).toEqual(['alice 9 at 0', 'alice 10 at 0']);
  });

  it('holds no more than a few of an author', () => {
    const many = Array.from({ length: 70 }, (_, index) => index + 10);
    const all = passed([1, ...many]);
    expect(all.length).toBe(71);
    expect(all[1]).toBe('alice 10 at 0');
  });
});
