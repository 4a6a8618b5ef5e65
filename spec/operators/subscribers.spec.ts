import { Observable, Subscription } from 'rxjs';
import { Subscribers } from '../../lib/operators/subscribers.js';

describe('subscribers', () => {
  const open = () => {
    const subscribers = new Subscribers<string>();
    const value$ = new Observable<string>((subscriber) => subscribers.join(subscriber));
    return { subscribers, value$ };
  };

  it('all get each value from when they join until they leave, and the end', () => {
    const { subscribers, value$ } = open();
    const got: string[] = [];
    const first = value$.subscribe((value) => got.push(`first ${value}`));
    subscribers.next('a');
    value$.subscribe({ next: (value) => got.push(`second ${value}`), complete: () => got.push('second |') });
    subscribers.next('b');
    first.unsubscribe();
    subscribers.next('c');
    expect(subscribers.size).toBe(1);
    subscribers.complete();
    expect(subscribers.size).toBe(0);
    expect(got).toEqual(['first a', 'first b', 'second b', 'second c', 'second |']);
  });

  it('all get an error', () => {
    const { subscribers, value$ } = open();
    const got: unknown[] = [];
    value$.subscribe({ error: (error: unknown) => got.push(error) });
    value$.subscribe({ error: (error: unknown) => got.push(error) });
    subscribers.error('broken');
    expect(got).toEqual(['broken', 'broken']);
  });

  it('who joins or leaves while a value is handed out changes nothing for that value', () => {
    const { subscribers, value$ } = open();
    const got: string[] = [];
    const second = new Subscription();
    const joinLate = () => value$.subscribe((value) => got.push(`third ${value}`));
    value$.subscribe((value) => {
      got.push(`first ${value}`);
      second.unsubscribe();
      joinLate();
    });
    second.add(value$.subscribe((value) => got.push(`second ${value}`)));
    subscribers.next('a');
    // The second has left, and an Observable tells nothing to who has left.
    expect(got).toEqual(['first a']);
  });
});
