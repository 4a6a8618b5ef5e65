import type { Broadcast, BroadcastOutput, Verdict } from '../../../lib/rooms/broadcast/interface.js';
import { createBroadcast } from '../../../lib/rooms/broadcast/broadcast.js';
import { MAX_PUSHED_BYTES, type BroadcastMessage, type Carried } from '../../../lib/rooms/broadcast/messages.js';
import { Chance } from '../../fuzz/chance.js';

function carried(id: string, length = 10, isKept = true): Carried {
  return { id, bytes: new Uint8Array(length), isKept };
}

/** A broadcast with neighbours, and a room that judges at once. */
function broadcastWith(
  ids: readonly string[],
  { own = 'z', history = 0, messageBytes = Infinity, verdict = (): Verdict => 'accept' } = {},
) {
  const broadcast = createBroadcast({
    own,
    random: new Chance(1).next,
    options: { history, messageBytes, graftMs: 500 },
  });
  const judged = (outputs: readonly BroadcastOutput[], now: number): BroadcastOutput[] =>
    outputs.flatMap((output) => {
      if (output.type !== 'check') return [output];
      const { id } = output.message;
      return judged(broadcast.handle({ type: 'checked', id, from: output.from, verdict: verdict() }, now), now);
    });
  const up = ids.flatMap((id) => [...broadcast.handle({ type: 'up', id }, 0)]);
  return {
    broadcast,
    up,
    hear: (from: string, message: BroadcastMessage, now = 0) =>
      judged(broadcast.handle({ type: 'received', from, message }, now), now),
    publish: (message: Carried, now = 0) => judged(broadcast.handle({ type: 'publish', message }, now), now),
    wake: (now = broadcast.wakeAt ?? NaN) => judged(broadcast.handle({ type: 'wake' }, now), now),
  };
}

const gossip = (id: string, round = 1): BroadcastMessage => ({ type: 'gossip', message: carried(id), round });
const announce = (id: string, round = 1, length = 10): BroadcastMessage => ({
  type: 'announce',
  announced: [{ id, round, length }],
});
/** Makes the way to a neighbour a branch of the tree. */
const BRANCH: BroadcastMessage = { type: 'graft', ids: [], isBranch: true };
const sends = (outputs: readonly BroadcastOutput[]) =>
  outputs.flatMap((output) => (output.type === 'send' ? [`${output.message.type} to ${output.to}`] : []));
const sendsUntil = (broadcast: Broadcast, now: number) => sends(broadcast.handle({ type: 'wake' }, now));
const delivered = (outputs: readonly BroadcastOutput[]) =>
  outputs.flatMap((output) => (output.type === 'deliver' ? [output.message.id] : []));

describe('The broadcast', () => {
  it('pushes what this node says to one neighbour as long as it is in no tree, and tells the others at once', () => {
    const { hear, publish } = broadcastWith(['a', 'b']);
    const kinds = (outputs: readonly BroadcastOutput[]) =>
      sends(outputs)
        .map((text) => text.split(' ')[0])
        .sort();
    expect(kinds(publish(carried('1')))).toEqual(['announce', 'gossip']);
    expect(publish(carried('1'))).toEqual([]);
    for (const id of ['a', 'b']) hear(id, { type: 'prune' });
    expect(kinds(publish(carried('2')))).toContain('gossip');
    const newcomer = broadcastWith(['a', 'b']);
    newcomer.hear('b', BRANCH);
    expect(sends(newcomer.publish(carried('1')))).toEqual(['announce to a', 'gossip to b']);
  });

  it('tells neighbours of what was said while there was none, until one has asked for it, of the last 64 messages, and of no sign of life', () => {
    const { broadcast, publish } = broadcastWith([]);
    for (let number = 0; number < 70; number++) publish(carried(`${number}`));
    publish(carried('here', 10, false));
    const [told, ...others] = broadcast.handle({ type: 'up', id: 'a' }, 0);
    const ids = Array.from({ length: 64 }, (_, index) => ({ id: `${index + 6}`, round: 1, length: 10 }));
    expect(told).toEqual({ type: 'send', to: 'a', message: { type: 'announce', announced: ids } });
    expect(others).toEqual([]);
    // One that goes before it has asked has not heard them: the next is told. What one has asked for it passes on itself.
    broadcast.handle({ type: 'down', id: 'a' }, 0);
    expect(broadcast.handle({ type: 'up', id: 'a' }, 0)).toEqual(told === undefined ? [] : [told]);
    const asked = broadcast.handle(
      { type: 'received', from: 'a', message: { type: 'graft', ids: ids.map(({ id }) => id), isBranch: true } },
      0,
    );
    expect(sends(asked)).toEqual(ids.map(() => 'gossip to a'));
    expect(broadcast.handle({ type: 'up', id: 'b' }, 0)).toEqual([]);
  });

  it('announces at once what is the first for a neighbour, and asks at once where nobody pushes: the first message makes the tree', () => {
    const { hear } = broadcastWith(['a', 'b', 'c']);
    expect(sends(hear('a', announce('1')))).toEqual(['graft to a']);
    expect(hear('b', announce('1'))).toEqual([]);
    expect(sends(hear('a', gossip('1')))).toEqual(['announce to c']);
    // From now on it would come by that branch: it is waited for.
    expect(hear('b', announce('2'))).toEqual([]);
    // What a branch announces it does not push.
    expect(sends(hear('a', announce('3')))).toEqual(['graft to a']);
  });

  it('delivers a message once, passes it on with one hop more, and asks for it no more by a second way', () => {
    const { hear } = broadcastWith(['a', 'b', 'c']);
    hear('b', BRANCH);
    expect(hear('a', gossip('1', 4))).toEqual([
      { type: 'deliver', from: 'a', message: carried('1'), hops: 4, isPast: false },
      { type: 'send', to: 'b', message: gossip('1', 5) },
      { type: 'send', to: 'c', message: announce('1', 5) },
    ]);
    expect(sends(hear('b', gossip('1')))).toEqual(['prune to b']);
    // What was on its way when it was told is no reason to tell it again.
    expect(hear('b', gossip('1'), 10)).toEqual([]);
  });

  it('does not wait for what is announced as longer than any message', () => {
    const { broadcast, hear } = broadcastWith(['a', 'b'], { messageBytes: 100_000 });
    hear('a', announce('1', 1, 4_294_967_295));
    expect(broadcast.wakeAt).toBeUndefined();
    expect(sends(hear('b', announce('1', 1, 100_000)))).toEqual(['graft to b']);
  });

  it('only announces to those who have it from somebody else, several at a time', () => {
    const { hear, publish, wake } = broadcastWith(['a', 'b']);
    hear('a', BRANCH);
    expect(sends(publish(carried('0')))).toEqual(['gossip to a', 'announce to b']);
    expect(sends(publish(carried('1')))).toEqual(['gossip to a']);
    expect(sends(publish(carried('2')))).toEqual(['gossip to a']);
    expect(wake()).toEqual([
      {
        type: 'send',
        to: 'b',
        message: {
          type: 'announce',
          announced: [
            { id: '1', round: 1, length: 10 },
            { id: '2', round: 1, length: 10 },
          ],
        },
      },
    ]);
  });

  it('announces less often as long as nothing is missing', () => {
    const { broadcast, hear, publish, wake } = broadcastWith(['a', 'b']);
    hear('a', BRANCH);
    publish(carried('first'));
    const waits = (count: number, from: number) =>
      Array.from({ length: count }, (_, i) => {
        const now = from + i * 10_000;
        publish(carried(`${now}`), now);
        const wait = (broadcast.wakeAt ?? NaN) - now;
        wake();
        return wait;
      });
    const calm = waits(6, 10_000);
    for (const [i, most] of [250, 500, 1_000, 2_000, 4_000, 4_000].entries()) {
      expect(calm[i]).toBeGreaterThanOrEqual(most / 5);
      expect(calm[i]).toBeLessThanOrEqual(most);
    }
    hear('b', { type: 'graft', ids: ['first'], isBranch: true }, 70_000);
    hear('b', { type: 'prune' }, 70_000);
    expect(waits(1, 80_000)[0]).toBeLessThanOrEqual(250);
  });

  it('waits once for the neighbour to announce where that is to do so first: of two, one announces', () => {
    // Its own id is 'm': on the way to 'a' it announces first, on the way to 'z' the other does.
    const { broadcast, hear, wake } = broadcastWith(['a', 'z', 'branch'], { own: 'm' });
    hear('branch', BRANCH);
    hear('branch', gossip('heard'));
    hear('branch', gossip('1'));
    expect(sends(wake())).toEqual(['announce to a']);
    // It has been silent.
    expect(sends(wake())).toEqual(['announce to z']);
    expect(broadcast.wakeAt).toBeUndefined();
    hear('branch', gossip('2'));
    expect(sends(wake())).toEqual(['announce to a']);
    hear('branch', gossip('3'));
    hear('z', announce('2'));
    // What it has not announced yet may be on its way.
    expect(sends(wake())).toEqual(['announce to a']);
    hear('z', announce('3'));
    expect(sends(wake())).toEqual([]);
    expect(broadcast.wakeAt).toBeUndefined();
  });

  it('announces at once what waits to be announced to a neighbour that becomes a branch', () => {
    const { hear, publish, wake } = broadcastWith(['a', 'b']);
    hear('a', BRANCH);
    for (const id of ['0', '1', '2']) publish(carried(id));
    expect(hear('b', { type: 'graft', ids: ['0', '1'], isBranch: true })).toEqual([
      { type: 'send', to: 'b', message: gossip('0', 1) },
      { type: 'send', to: 'b', message: gossip('1', 1) },
      { type: 'send', to: 'b', message: announce('2', 1) },
    ]);
    expect(sends(wake(60_000))).toEqual([]);
  });

  it('has one way left when two have been told to announce only while messages were on their way', () => {
    const { hear } = broadcastWith(['a', 'b']);
    hear('a', gossip('1'), 0);
    expect(sends(hear('b', gossip('1'), 0))).toEqual(['prune to b']);
    // By that of b, which it had sent before it heard so, b does not come back in the place of a.
    hear('b', gossip('2'), 100);
    expect(sends(hear('a', gossip('2'), 100))).toEqual([]);
    expect(sends(hear('b', gossip('2'), 2_000))).toEqual(['prune to b']);
  });

  it('waits longer for the first that are announced: the tree has yet to grow', () => {
    const broadcast = createBroadcast({ own: 'z', random: Math.random });
    for (const id of ['a', 'b']) broadcast.handle({ type: 'up', id }, 0);
    const hear = (from: string, message: BroadcastMessage, now: number) => {
      broadcast.handle({ type: 'received', from, message }, now);
      if (message.type === 'gossip')
        broadcast.handle({ type: 'checked', id: message.message.id, from, verdict: 'accept' }, now);
    };
    hear('a', BRANCH, 0);
    hear('b', announce('1'), 0);
    expect(broadcast.wakeAt).toBe(3_000);
    hear('a', gossip('1'), 20);
    for (let i = 0; i < 30; i++) hear('a', gossip(`in time ${i}`), 100);
    hear('b', announce('2'), 10_000);
    expect(sendsUntil(broadcast, 10_499)).not.toContain('graft to b');
    expect(sendsUntil(broadcast, 10_500)).toContain('graft to b');
  });

  it('waits longer for what was announced where messages come late', () => {
    const { broadcast, hear, wake } = broadcastWith(['a', 'b', 'c']);
    hear('a', BRANCH);
    hear('b', announce('1'), 0);
    expect(broadcast.wakeAt).toBe(500);
    expect(sends(wake(500))).toEqual(['graft to b']);
    hear('a', gossip('1'), 900);
    hear('c', announce('2'), 1_000);
    expect(broadcast.wakeAt).toBe(1_000 + 1.5 * 900);
    // In time, and again: with each it waits less, but never less than at first.
    for (let i = 0; i < 40; i++) hear('a', gossip(`in time ${i}`), 1_100);
    hear('c', announce('3'), 1_200);
    expect(sends(wake(1_699))).not.toContain('graft to c');
    expect(sends(wake(1_700))).toContain('graft to c');
    // However late, not longer than this.
    hear('c', announce('5'), 10_000);
    hear('a', gossip('5'), 70_000);
    hear('c', announce('6'), 80_000);
    expect(broadcast.wakeAt).toBe(84_000);
  });

  it('does not announce to a neighbour what that has announced itself', () => {
    const { hear, wake } = broadcastWith(['a', 'b', 'c']);
    hear('a', gossip('0'));
    hear('a', gossip('1'));
    hear('b', announce('1'));
    expect(sends(wake())).toEqual(['announce to c']);
  });

  it('asks for what was announced and does not come, one neighbour after the other', () => {
    const { broadcast, hear, wake } = broadcastWith(['a', 'b', 'c']);
    hear('c', BRANCH);
    hear('a', announce('1'));
    hear('b', announce('1'));
    expect(broadcast.wakeAt).toBe(500);
    expect(wake()).toEqual([{ type: 'send', to: 'a', message: { type: 'graft', ids: ['1'], isBranch: true } }]);
    expect(sends(wake(1_000))).toEqual(['graft to b']);
    expect(delivered(hear('b', gossip('1')))).toEqual(['1']);
  });

  it('asks for nothing that has come', () => {
    const { hear, wake } = broadcastWith(['a', 'b']);
    hear('b', announce('1'));
    hear('a', gossip('1'));
    hear('b', announce('1'));
    expect(sends(wake(60_000))).toEqual([]);
  });

  it('sends what it is asked for, and pushes by that way from now on', () => {
    const { hear, publish } = broadcastWith(['a', 'b']);
    hear('b', BRANCH);
    publish(carried('1'));
    expect(sends(publish(carried('2')))).toEqual(['gossip to b']);
    expect(hear('a', { type: 'graft', ids: ['2', 'unknown'], isBranch: true })).toEqual([
      { type: 'send', to: 'a', message: gossip('2') },
    ]);
    expect(sends(publish(carried('3')))).toEqual(['gossip to a', 'gossip to b']);
  });

  it('takes a way that is shorter by several hops', () => {
    const { hear } = broadcastWith(['a', 'b']);
    hear('a', gossip('0', 9));
    hear('b', announce('1', 2));
    expect(sends(hear('a', gossip('1', 9)))).toEqual(['graft to b', 'prune to a']);
    const other = broadcastWith(['a', 'b']);
    other.hear('a', gossip('0', 9));
    other.hear('b', announce('1', 8));
    expect(sends(other.hear('a', gossip('1', 9)))).toEqual([]);
  });

  it('announces a large message to everybody at once, and fetches one from a single neighbour', () => {
    const large = carried('1', MAX_PUSHED_BYTES + 1);
    const author = broadcastWith(['a', 'b']);
    expect(sends(author.publish(large))).toEqual(['announce to a', 'announce to b']);
    const { hear } = broadcastWith(['a', 'b']);
    expect(hear('a', announce('1', 1, large.bytes.length))).toEqual([
      { type: 'send', to: 'a', message: { type: 'graft', ids: ['1'], isBranch: false } },
    ]);
    expect(hear('b', announce('1', 1, large.bytes.length))).toEqual([]);
    expect(sends(hear('a', { type: 'gossip', message: large, round: 1 }))).toEqual([]);
    expect(sends(author.hear('a', { type: 'graft', ids: ['1'], isBranch: false }))).toEqual(['gossip to a']);
  });

  it('neither delivers nor passes on what the room does not accept', () => {
    for (const verdict of ['ignore', 'refuse', 'reject'] as const) {
      const { hear } = broadcastWith(['a', 'b'], { verdict: () => verdict });
      expect(hear('a', gossip('1')))
        .withContext(verdict)
        .toEqual([]);
    }
  });

  it('waits for the verdict, and takes the true message when a false one of its name came first', () => {
    const broadcast = createBroadcast({ own: 'z', random: Math.random });
    for (const id of ['a', 'b', 'c']) broadcast.handle({ type: 'up', id }, 0);
    const check = broadcast.handle({ type: 'received', from: 'a', message: gossip('1') }, 0);
    expect(check).toEqual([{ type: 'check', from: 'a', message: carried('1'), isPast: false }]);
    expect(broadcast.handle({ type: 'received', from: 'b', message: gossip('1') }, 0)).toEqual([]);
    expect(broadcast.handle({ type: 'checked', id: '1', from: 'a', verdict: 'reject' }, 9)).toEqual([
      { type: 'check', from: 'b', message: carried('1'), isPast: false },
    ]);
    const outputs = broadcast.handle({ type: 'checked', id: '1', from: 'b', verdict: 'accept' }, 9);
    expect(delivered(outputs)).toEqual(['1']);
  });

  it('suspects a neighbour that announces and never delivers, and one that sends what is forged', () => {
    const { hear, wake } = broadcastWith(['a', 'b']);
    hear('b', BRANCH);
    for (const id of ['1', '2', '3']) hear('a', announce(id));
    wake(500);
    expect(wake(5_400)).toEqual([]);
    expect(wake(5_500)).toEqual([{ type: 'suspect', id: 'a' }]);
    const forged = broadcastWith(['a'], { verdict: () => 'reject' });
    const outputs = ['1', '2', '3'].flatMap((id) => forged.hear('a', gossip(id)));
    expect(outputs).toEqual([{ type: 'suspect', id: 'a' }]);
  });

  it('does not suspect one that brings something new now and then', () => {
    const { hear, wake } = broadcastWith(['a', 'b']);
    for (let i = 0; i < 10; i++) {
      hear('a', announce(`missing ${i}`), i * 10_000);
      wake(i * 10_000 + 500);
      expect(wake(i * 10_000 + 5_500)).toEqual([]);
      hear('a', gossip(`new ${i}`), i * 10_000 + 6_000);
    }
  });

  it('keeps bounded what a neighbour announces, and leaves the others their share', () => {
    const { hear, wake } = broadcastWith(['a', 'b', 'c']);
    hear('c', BRANCH);
    for (let i = 0; i < 100; i++)
      hear('a', {
        type: 'announce',
        announced: Array.from({ length: 128 }, (_, k) => ({ id: `${i} ${k}`, round: 1, length: 10 })),
      });
    hear('b', announce('1'));
    const outputs = wake(500);
    const asked = (of: string) =>
      outputs.flatMap((output) =>
        output.type === 'send' && output.to === of && output.message.type === 'graft' ? output.message.ids : [],
      );
    expect(asked('a').length).toBe(64);
    expect(asked('b')).toEqual(['1']);
  });

  it('does not send the same again without end', () => {
    const { hear, publish } = broadcastWith(['a']);
    publish(carried('1', 60_000));
    let sent = 0;
    for (let i = 0; i < 1_000; i++) sent += hear('a', { type: 'graft', ids: ['1'], isBranch: true }).length;
    expect(sent).toBeLessThan(40);
    expect(hear('a', { type: 'graft', ids: ['1'], isBranch: true }, 60_000).length).toBe(1);
  });

  it('gives a newcomer the last messages that are for that, once', () => {
    const { hear, publish } = broadcastWith(['a']);
    for (const id of ['1', '2', '3']) publish(carried(id));
    publish(carried('presence', 10, false));
    const history = { type: 'history', count: 2 } as const;
    expect(hear('a', history)).toEqual([
      { type: 'send', to: 'a', message: { type: 'past', message: carried('2'), left: 1 } },
      { type: 'send', to: 'a', message: { type: 'past', message: carried('3'), left: 0 } },
    ]);
    expect(hear('a', history)).toEqual([]);
  });

  it('asks for the last messages when it comes, delivers them, and passes them on to nobody', () => {
    const { up, hear } = broadcastWith(['a', 'b'], { history: 2 });
    expect(sends(up)).toEqual(['history to a', 'history to b']);
    const past = (id: string, left: number): BroadcastMessage => ({ type: 'past', message: carried(id), left });
    expect(hear('a', past('1', 1))).toEqual([
      { type: 'deliver', from: 'a', message: carried('1'), hops: 0, isPast: true },
    ]);
    expect(hear('b', past('1', 1))).toEqual([]);
    expect(delivered(hear('a', past('2', 0)))).toEqual(['2']);
    expect(hear('a', past('3', 0))).toEqual([]);
    expect(broadcastWith(['a']).hear('a', past('1', 0))).toEqual([]);
  });

  it('stays in the tree when the neighbour goes that it had its messages from', () => {
    const { broadcast, hear } = broadcastWith(['a', 'b']);
    hear('a', BRANCH);
    expect(sends(broadcast.handle({ type: 'down', id: 'a' }, 0))).toEqual(['graft to b']);
  });

  it('makes the next neighbour a branch where the last one has gone', () => {
    const { broadcast, hear } = broadcastWith(['a']);
    hear('a', BRANCH);
    expect(broadcast.handle({ type: 'down', id: 'a' }, 0)).toEqual([]);
    expect(sends(broadcast.handle({ type: 'up', id: 'b' }, 0))).toEqual(['graft to b']);
    expect(sends(broadcast.handle({ type: 'up', id: 'c' }, 0))).toEqual([]);
  });

  it('does not push to one that has announced the message, and was asked for it', () => {
    const { hear, wake } = broadcastWith(['a', 'b']);
    hear('a', BRANCH);
    hear('b', announce('1'));
    expect(sends(wake(500))).toEqual(['graft to b']);
    expect(sends(hear('a', gossip('1')))).toEqual([]);
  });

  it('hears nothing of those who are no neighbours', () => {
    const { broadcast, hear } = broadcastWith(['a']);
    broadcast.handle({ type: 'down', id: 'a' }, 0);
    expect(hear('a', gossip('1'))).toEqual([]);
    expect(hear('stranger', gossip('1'))).toEqual([]);
  });
});
