import { createGossip } from '../../lib/rooms/gossip.js';
import type { Member } from '../../lib/rooms/machine.js';
import { Chance } from '../fuzz/chance.js';
import { mutated } from '../fuzz/mutate.js';
import { ROOM_TARGETS } from '../fuzz/targets/rooms.js';

const member = (id: string): Member => ({ id, unl: id, dialable: true });

describe('Both machines of a room', () => {
  /** A member with one neighbour. */
  function withNeighbour() {
    const gossip = createGossip({ self: member('me'), random: Math.random, options: { history: 1, graftMs: 500 } });
    gossip.handle({ type: 'opened', member: member('a') }, 0);
    const message = { type: 'neighbour', priority: 'low' } as const;
    return { gossip, outputs: gossip.handle({ type: 'received', from: 'a', message }, 0) };
  }

  it('tell the broadcast of a neighbour before it is told to do anything with it', () => {
    const { gossip, outputs } = withNeighbour();
    expect(outputs).toEqual([
      { type: 'send', to: 'a', message: { type: 'neighbour-answer', accepted: true, members: [] } },
      { type: 'up', id: 'a' },
      { type: 'send', to: 'a', message: { type: 'history', count: 1 } },
    ]);
    expect(gossip.neighbours).toEqual([member('a')]);
  });

  it('give messages to the machine that they are for', () => {
    const { gossip } = withNeighbour();
    const message = { id: '1', bytes: Buffer.of(1), isKept: true };
    const outputs = gossip.handle({ type: 'received', from: 'a', message: { type: 'gossip', message, round: 1 } }, 0);
    expect(outputs).toEqual([{ type: 'check', from: 'a', message, isPast: false }]);
    expect(gossip.handle({ type: 'checked', id: '1', from: 'a', verdict: 'accept' }, 0)).toEqual([
      { type: 'deliver', from: 'a', message, hops: 1, isPast: false },
    ]);
  });

  it('close the channel with a neighbour that the broadcast suspects', () => {
    const { gossip } = withNeighbour();
    const outputs = ['1', '2', '3'].flatMap((id) => {
      const message = { id, bytes: Buffer.of(1), isKept: true };
      gossip.handle({ type: 'received', from: 'a', message: { type: 'gossip', message, round: 1 } }, 0);
      return [...gossip.handle({ type: 'checked', id, from: 'a', verdict: 'reject' }, 0)];
    });
    expect(outputs).toEqual([
      { type: 'down', id: 'a' },
      { type: 'close', id: 'a' },
    ]);
  });

  it('send nothing to a neighbour that is closed in the same moment', () => {
    const gossip = createGossip({ self: member('me'), random: () => 0 });
    for (const id of ['a', 'b']) {
      gossip.handle({ type: 'opened', member: member(id) }, 0);
      gossip.handle({ type: 'received', from: id, message: { type: 'neighbour', priority: 'low' } }, 0);
    }
    // Now both may be taken for the way on when the other goes.
    gossip.handle({ type: 'received', from: 'b', message: { type: 'prune' } }, 0);
    const outputs = gossip.handle({ type: 'leave' }, 0);
    const closed = new Set<string>();
    for (const output of outputs) {
      if (output.type === 'close') closed.add(output.id);
      if (output.type === 'send') expect(closed).not.toContain(output.to);
    }
    expect(closed.size).toBe(2);
  });

  it('keep within their bounds, and speak by open channels only, whatever peers send', () => {
    const chance = new Chance(1);
    for (const { seeds, run } of ROOM_TARGETS) {
      for (let i = 0; i < 3_000; i++) run(mutated(seeds, chance), chance);
    }
    expect(ROOM_TARGETS.length).toBe(1);
  });

  it('are woken when the first of them wants it', () => {
    const { gossip } = withNeighbour();
    const shuffleAt = gossip.wakeAt ?? NaN;
    expect(shuffleAt).toBeGreaterThan(1_000);
    gossip.handle({ type: 'opened', member: member('b') }, 0);
    gossip.handle({ type: 'received', from: 'b', message: { type: 'neighbour', priority: 'low' } }, 0);
    gossip.handle({ type: 'received', from: 'b', message: { type: 'graft', ids: [], isBranch: true } }, 0);
    const announced = [{ id: '1', round: 1, length: 1 }];
    gossip.handle({ type: 'received', from: 'a', message: { type: 'announce', announced } }, 100);
    expect(gossip.wakeAt).toBe(600);
    expect(gossip.handle({ type: 'wake' }, 600)).toEqual([
      { type: 'send', to: 'a', message: { type: 'graft', ids: ['1'], isBranch: true } },
    ]);
    expect(gossip.handle({ type: 'wake' }, shuffleAt).map(({ type }) => type)).toContain('send');
  });
});
