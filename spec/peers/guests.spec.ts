import { NEVER, of } from 'rxjs';
import { resolveConfig } from '../../lib/config/resolve.js';
import { AnswerRoom, guestsOf } from '../../lib/peers/guests.js';

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
      answering.count$({ from: name, seenAt }, NEVER, of(name)).subscribe((refused) => told.push(refused));
    }
    expect(answering.hasRoom({ from: 'any', seenAt: '192.0.2.1' })).toBeFalse();
    expect(answering.hasRoom({ from: 'any', seenAt: '198.51.100.1' })).toBeTrue();
    answering
      .count$({ from: 'any', seenAt: '198.51.100.1' }, NEVER, of('newcomer'))
      .subscribe((refused) => told.push(refused));
    expect(told.length).toBe(1);
    expect(told.every((name) => ['2', '4'].includes(name))).toBeTrue();
  });

  it('counts peers that no carrier has seen by their keys, in half as much room of their own, and frees finished work', () => {
    const answering = new AnswerRoom({ most: 8, mostOfHost: 4 });
    const refused: string[] = [];
    const begin = (from: string, seenAt?: string) =>
      answering.count$({ from, seenAt }, NEVER, of(from)).subscribe((name) => refused.push(name));
    const work = ['a', 'a', 'b', 'c'].map((from) => begin(from));
    // A key has two at most; and when all is taken, one that has two gives way to one that has none.
    expect(answering.hasRoom({ from: 'a', seenAt: undefined })).toBeFalse();
    expect(answering.hasRoom({ from: 'b', seenAt: undefined })).toBeFalse();
    begin('d');
    expect(refused).toEqual(['a']);
    begin('e');
    expect(refused).toEqual(['a', 'e']);
    // Peers that were seen have all of their room.
    for (let host = 0; host < 8; host++) begin('x', `192.0.2.${host}`);
    expect(refused).toEqual(['a', 'e']);
    for (const each of work) each.unsubscribe();
    expect(answering.hasRoom({ from: 'a', seenAt: undefined })).toBeTrue();
  });
});

describe('Who may ask', () => {
  const peers = { get: () => undefined, hasInboundSlotFor: () => true };
  const open = () => {
    const clock = { now: 0 };
    const scheduler = { now: () => clock.now };
    return { clock, guests: guestsOf({ config: resolveConfig({ mode: 'direct' }), runtime: { scheduler }, peers }) };
  };

  it('is limited by address where a carrier has seen it, and else by key', () => {
    for (const seenAt of ['192.0.2.1', undefined]) {
      const { guests } = open();
      const asked = (from: string, count: number) =>
        Array.from({ length: count }, () => guests.admits({ from, seenAt })).filter(Boolean).length;
      expect(asked('a', 100)).toBe(6);
      // One that asks too often uses up the rate of its address, and nothing of those whom nobody has seen.
      expect(asked('b', 6)).toBe(seenAt === undefined ? 6 : 0);
    }
    const { clock, guests } = open();
    const admitted = Array.from({ length: 1_000 }, (_, key) => guests.admits({ from: `${key}`, seenAt: undefined }));
    expect(admitted.filter(Boolean).length).toBe(240);
    expect(guests.admits({ from: 'seen', seenAt: '192.0.2.1' })).toBeTrue();
    clock.now = 1_000;
    expect(guests.admits({ from: 'later', seenAt: undefined })).toBeTrue();
  });
});
