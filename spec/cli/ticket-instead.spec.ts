import { of, VirtualTimeScheduler } from 'rxjs';
import { ticketInstead$ } from '../../lib/cli/files/ticket-instead.js';

describe('The ticket of a transfer whose code has come to nothing', () => {
  /** When the ticket is shown, in milliseconds after the code is not shown any more. */
  function shownAt(paired: readonly string[], arrived: readonly string[]): readonly number[] {
    const time = new VirtualTimeScheduler();
    const shown: number[] = [];
    const show = (ticket: string) => {
      expect(ticket).toBe('ticket');
      shown.push(time.frame);
      return Promise.resolve();
    };
    ticketInstead$(
      { paired: new Set(paired), arrived: new Set(arrived) },
      of('ticket', 'later'),
      show,
      time,
    ).subscribe();
    time.flush();
    return shown;
  }

  it('is shown at once where nobody has typed the code', () => {
    expect(shownAt([], [])).toEqual([0]);
  });

  it('is shown after a minute where the peer that has typed it does not come', () => {
    expect(shownAt(['bob'], [])).toEqual([60_000]);
  });

  it('is not shown where the peer has come', () => {
    expect(shownAt(['bob'], ['bob'])).toEqual([]);
  });
});
