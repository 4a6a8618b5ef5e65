import { holdBack } from '../../lib/operators/hold-back.js';
import { marbles } from '../support/marbles.js';

describe('holdBack', () => {
  it('passes on at once what is not held back, and the rest after its time, also when the source has ended', () => {
    marbles(({ cold, expectObservable, scheduler, flush }) => {
      const discarded: string[] = [];
      const discard = (value: string) => discarded.push(value);
      const held = (diagram: string) =>
        cold(diagram).pipe(holdBack({ ms: (value) => (value === 'a' ? 0 : 3), discard, scheduler }));
      expectObservable(held('-a-a|')).toBe('-a-a|');
      expectObservable(held('-b----a|')).toBe('----b-a|');
      expectObservable(held('-b|')).toBe('----(b|)');
      expectObservable(held('-a-b')).toBe('-a----b');
      flush();
      expect(discarded).toEqual([]);
    });
  });

  it('discards what it holds when another takes its place, when the source fails, and when it is unsubscribed from', () => {
    marbles(({ cold, expectObservable, scheduler, flush }) => {
      const discarded: string[] = [];
      const held = (diagram: string) =>
        cold(diagram).pipe(
          holdBack({ ms: (value) => (value === 'a' ? 0 : 3), discard: (value) => discarded.push(value), scheduler }),
        );
      expectObservable(held('-b-a|')).toBe('---a|');
      expectObservable(held('-c-d|')).toBe('------(d|)');
      expectObservable(held('-e-#')).toBe('---#');
      expectObservable(held('-f'), '^-!').toBe('---');
      flush();
      expect(discarded.sort()).toEqual(['b', 'c', 'e', 'f']);
    });
  });
});
