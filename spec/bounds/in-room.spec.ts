import { NEVER, of, Subject } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { inRoom } from '../../lib/bounds/in-room.js';

describe('Work in a room that sites share', () => {
  const refusal = (why: string) => new Error(why);

  it('takes an entry for as long as it is subscribed to', () => {
    const room = new Admission<() => void>({ most: 2 });
    const work = NEVER.pipe(inRoom({ room, site: 'a', refusal })).subscribe();
    expect(room.size).toBe(1);
    of(1)
      .pipe(inRoom({ room, site: 'b', refusal }))
      .subscribe();
    expect(room.size).toBe(1);
    work.unsubscribe();
    expect(room.size).toBe(0);
  });

  it('is not started without room, and fails with the reason', () => {
    const room = new Admission<() => void>({ most: 2, mostOfSite: 1 });
    const source = new Subject();
    const reasons: unknown[] = [];
    for (const site of ['a', 'a', 'b', 'c']) {
      const error = (reason: unknown) => reasons.push(reason);
      source.pipe(inRoom({ room, site, refusal })).subscribe({ error });
    }
    expect(reasons).toEqual([refusal('site-full'), refusal('full')]);
    expect(room.size).toBe(2);
  });

  it('fails when a newcomer evicts it, with its source unsubscribed', () => {
    const room = new Admission<() => void>({ most: 2 });
    const [first, second] = [new Subject(), new Subject()];
    const reasons: unknown[] = [];
    for (const source of [first, second]) {
      source.pipe(inRoom({ room, site: 'a', refusal })).subscribe({ error: (reason: unknown) => reasons.push(reason) });
    }
    NEVER.pipe(inRoom({ room, site: 'b', refusal })).subscribe();
    expect(reasons).toEqual([refusal('gave-way')]);
    expect([first.observed, second.observed]).toEqual([true, false]);
    expect([room.of('a'), room.of('b')]).toEqual([1, 1]);
  });
});
