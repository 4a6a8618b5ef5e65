import { NEVER, of } from 'rxjs';
import { AnswerRoom } from '../../lib/peers/guests.js';

describe('What a node does for others', () => {
  it('makes room for a newcomer of another site by evicting the newest of the largest, which is refused', () => {
    const answering = new AnswerRoom({ most: 4, mostOfHost: 2 });
    const told: string[] = [];
    for (const [seenAt, name] of [
      ['192.0.2.1', '1'],
      ['192.0.2.1', '2'],
      ['192.0.2.2', '3'],
      ['192.0.2.2', '4'],
    ] as const) {
      answering.count$(seenAt, NEVER, of(name)).subscribe((refused) => told.push(refused));
    }
    expect(answering.hasRoom('192.0.2.1')).toBeFalse();
    expect(answering.hasRoom('198.51.100.1')).toBeTrue();
    answering.count$('198.51.100.1', NEVER, of('newcomer')).subscribe((refused) => told.push(refused));
    expect(told.length).toBe(1);
    expect(told.every((name) => ['2', '4'].includes(name))).toBeTrue();
  });

  it('counts peers without a seen address as one site, and frees finished work', () => {
    const answering = new AnswerRoom({ most: 4, mostOfHost: 1 });
    const work = answering.count$(undefined, NEVER, of('refused')).subscribe();
    expect(answering.hasRoom(undefined)).toBeFalse();
    work.unsubscribe();
    expect(answering.hasRoom(undefined)).toBeTrue();
  });
});
