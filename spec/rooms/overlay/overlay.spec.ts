import * as fc from 'fast-check';
import type { Member } from '../../../lib/rooms/machine.js';
import type { Overlay, OverlayInput, OverlayOutput } from '../../../lib/rooms/overlay/interface.js';
import type { OverlayMessage } from '../../../lib/rooms/overlay/messages.js';
import { createOverlay } from '../../../lib/rooms/overlay/overlay.js';
import { Chance } from '../../fuzz/chance.js';

function member(id: string, dialable = true): Member {
  return { id, unl: `unl of ${id}`, dialable };
}

function overlayOf({ self = member('me'), seed = 1, activeView = 2 } = {}) {
  return createOverlay({ self, random: new Chance(seed).next, options: { activeView, passiveView: 6 } });
}

/** Has a peer dial this node and become its neighbour. */
function meet(overlay: Overlay, peer: Member, now = 0): readonly OverlayOutput[] {
  return [
    ...overlay.handle({ type: 'opened', member: peer }, now),
    ...overlay.handle({ type: 'received', from: peer.id, message: { type: 'neighbour', priority: 'low' } }, now),
  ];
}

const idsOf = (members: readonly Member[]) => members.map(({ id }) => id);

function sentTo(outputs: readonly OverlayOutput[], to: string): OverlayMessage[] {
  return outputs.flatMap((output) => (output.type === 'send' && output.to === to ? [output.message] : []));
}

describe('The overlay', () => {
  it('dials whom discovery finds, joins by the first, and asks the others', () => {
    const overlay = overlayOf();
    const dials = overlay.handle({ type: 'found', members: [member('a'), member('b'), member('me')] }, 0);
    expect(dials.map((output) => output.type === 'dial' && output.member.id).sort()).toEqual(['a', 'b']);
    expect(overlay.handle({ type: 'opened', member: member('a') }, 100)).toEqual([
      { type: 'send', to: 'a', message: { type: 'join' } },
    ]);
    expect(overlay.handle({ type: 'opened', member: member('b') }, 100)).toEqual([
      { type: 'send', to: 'b', message: { type: 'neighbour', priority: 'low' } },
    ]);
    const accepted = { type: 'neighbour-answer', accepted: true, members: [] } as const;
    expect(overlay.handle({ type: 'received', from: 'a', message: accepted }, 200)).toEqual([{ type: 'up', id: 'a' }]);
    expect(idsOf(overlay.neighbours)).toEqual(['a']);
  });

  it('passes a join on to its neighbours', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    overlay.handle({ type: 'opened', member: member('new') }, 0);
    const outputs = overlay.handle({ type: 'received', from: 'new', message: { type: 'join' } }, 0);
    expect(sentTo(outputs, 'a')).toEqual([{ type: 'forward-join', member: member('new'), ttl: 6 }]);
    expect(sentTo(outputs, 'new')).toEqual([{ type: 'neighbour-answer', accepted: true, members: [] }]);
  });

  it('has a join walk on, learns of the newcomer where the walk ends, and dials it if it looks for a neighbour', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    meet(overlay, member('b'));
    const walk = (ttl: number, id: string) =>
      overlay.handle({ type: 'received', from: 'a', message: { type: 'forward-join', member: member(id), ttl } }, 0);
    expect(walk(3, 'new')).toEqual([
      { type: 'send', to: 'b', message: { type: 'forward-join', member: member('new'), ttl: 2 } },
    ]);
    expect(idsOf(overlay.known)).toEqual(['new']);
    expect(walk(0, 'newer')).toEqual([]);
    expect(idsOf(overlay.known).sort()).toEqual(['new', 'newer']);
    const another = overlayOf();
    meet(another, member('a'));
    const message = { type: 'forward-join', member: member('new'), ttl: 0 } as const;
    expect(another.handle({ type: 'received', from: 'a', message }, 0)).toEqual([
      { type: 'dial', member: member('new') },
    ]);
  });

  it('refuses another neighbour when it is full, and names others', () => {
    const overlay = overlayOf();
    for (const id of ['a', 'b', 'c', 'd']) meet(overlay, member(id));
    const [answer] = sentTo(meet(overlay, member('e')), 'e');
    expect(answer).toEqual(jasmine.objectContaining({ type: 'neighbour-answer', accepted: false }));
    expect(answer?.type === 'neighbour-answer' ? idsOf(answer.members).sort() : []).toEqual(['a', 'b', 'c', 'd']);
  });

  it('has somebody give way to a peer without neighbours, but only now and then', () => {
    const overlay = overlayOf();
    for (const id of ['a', 'b', 'c', 'd']) meet(overlay, member(id));
    const urgent = { type: 'neighbour', priority: 'high' } as const;
    let accepted = 0;
    for (let i = 0; i < 50; i++) {
      overlay.handle({ type: 'opened', member: member(`s${i}`) }, 0);
      const outputs = overlay.handle({ type: 'received', from: `s${i}`, message: urgent }, 0);
      if (outputs.some(({ type }) => type === 'up')) accepted++;
      expect(overlay.neighbours.length).toBe(4);
    }
    expect(accepted).toBe(2);
  });

  it('keeps half of those that it has dialled, however many others need a neighbour', () => {
    const overlay = overlayOf({ activeView: 4 });
    const chosen = ['a', 'b', 'c', 'd'];
    const outputs = [...overlay.handle({ type: 'found', members: chosen.map((id) => member(id)) }, 0)];
    const message = { type: 'neighbour-answer', accepted: true, members: [] } as const;
    for (let now = 0; now < 10_000; now += 1_000) {
      for (const output of outputs.splice(0)) {
        if (output.type !== 'dial') continue;
        outputs.push(...overlay.handle({ type: 'opened', member: output.member }, now));
        outputs.push(...overlay.handle({ type: 'received', from: output.member.id, message }, now));
      }
      outputs.push(...overlay.handle({ type: 'wake' }, now));
    }
    expect(idsOf(overlay.neighbours).sort()).toEqual(chosen);
    for (let i = 0; i < 200; i++) {
      const now = 10_000 + i * 1_000;
      overlay.handle({ type: 'opened', member: member(`s${i}`) }, now);
      overlay.handle({ type: 'received', from: `s${i}`, message: { type: 'join' } }, now);
    }
    const left = idsOf(overlay.neighbours);
    expect(left).toContain('s199');
    expect(left.filter((id) => chosen.includes(id)).length).toBeGreaterThanOrEqual(2);
  });

  it('has one site put out no more than one of another, however many keys it has', () => {
    const overlay = overlayOf({ activeView: 4 });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) meet(overlay, member(id));
    for (let i = 0; i < 200; i++) {
      const now = i * 1_000;
      overlay.handle({ type: 'opened', member: member(`s${i}`), site: '45.45.45.1' }, now);
      overlay.handle({ type: 'received', from: `s${i}`, message: { type: 'join' } }, now);
    }
    const left = idsOf(overlay.neighbours);
    expect(left).toContain('s199');
    expect(left.filter((id) => !id.startsWith('s'))).toHaveSize(5);
  });

  it('has one of the site give way that has most, of those that have not said what they want', () => {
    const overlay = overlayOf();
    overlay.handle({ type: 'opened', member: member('honest') }, 0);
    const closed = Array.from({ length: 40 }, (_, i) =>
      overlay.handle({ type: 'opened', member: member(`s${i}`), site: '45.45.45.1' }, i),
    ).flatMap((outputs) => outputs.flatMap((output) => (output.type === 'close' ? [output.id] : [])));
    expect(closed).toEqual(Array.from({ length: 9 }, (_, i) => `s${i}`));
  });

  it('keeps the locators that discovery has seen, and takes them in the place of hearsay', () => {
    const overlay = overlayOf({ activeView: 1 });
    meet(overlay, member('a'));
    const known = (unl: string): Member => ({ ...member('x'), unl });
    const shuffle = (members: readonly Member[], nonce: number): OverlayMessage => ({
      type: 'shuffle',
      nonce,
      ttl: 1,
      members,
    });
    overlay.handle({ type: 'received', from: 'a', message: shuffle([known('hearsay')], 1) }, 0);
    expect(overlay.known).toEqual([known('hearsay')]);
    overlay.handle({ type: 'found', members: [member('other')] }, 0);
    overlay.handle({ type: 'found', members: [known('seen')] }, 0);
    expect(overlay.known).toContain(known('seen'));
    for (let nonce = 2; nonce < 10; nonce++) {
      const members = Array.from({ length: 7 }, (_, i) => member(`y${nonce}-${i}`));
      overlay.handle(
        { type: 'received', from: 'a', message: shuffle([known('lie'), ...members], nonce) },
        nonce * 10_000,
      );
    }
    expect(overlay.known).toHaveSize(6);
    expect(overlay.known).toContain(known('seen'));
  });

  it('takes more of those that cannot be dialled, if it can be dialled itself', () => {
    const taken = (self: Member) => {
      const overlay = overlayOf({ self });
      for (let i = 0; i < 10; i++) meet(overlay, member(`p${i}`, false));
      return overlay.neighbours.length;
    };
    expect(taken(member('me', true))).toBe(5);
    expect(taken(member('me', false))).toBe(4);
  });

  it('dials another when a neighbour is gone, dialable ones first once a dial has failed', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    meet(overlay, member('b'));
    const answer = [member('x', false), member('y', true), member('z', false)];
    for (const each of answer)
      overlay.handle(
        { type: 'received', from: 'a', message: { type: 'shuffle', nonce: 1, ttl: 1, members: [each] } },
        0,
      );
    expect(idsOf(overlay.known).sort()).toEqual(['x', 'y', 'z']);
    const [down, dial] = overlay.handle({ type: 'closed', id: 'b' }, 0);
    expect(down).toEqual({ type: 'down', id: 'b' });
    const first = dial?.type === 'dial' ? dial.member.id : '';
    const [next] = overlay.handle({ type: 'failed', id: first }, 100);
    if (first !== 'y') expect(next).toEqual({ type: 'dial', member: member('y', true) });
  });

  it('does not wait for a dial that takes long', () => {
    const overlay = overlayOf({ activeView: 1 });
    overlay.handle({ type: 'found', members: [member('a'), member('b')] }, 0);
    expect(overlay.wakeAt).toBe(2_000);
    expect(overlay.handle({ type: 'wake' }, 2_000).map(({ type }) => type)).toEqual(['dial']);
  });

  it('answers a shuffle where its walk ends, and the answer goes back by the same way', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    meet(overlay, member('b'));
    const shuffle = (ttl: number, nonce: number) =>
      overlay.handle(
        { type: 'received', from: 'a', message: { type: 'shuffle', nonce, ttl, members: [member('o')] } },
        0,
      );
    expect(sentTo(shuffle(3, 7), 'b')).toEqual([{ type: 'shuffle', nonce: 7, ttl: 2, members: [member('o')] }]);
    const answer = { type: 'shuffle-answer', nonce: 7, members: [member('q')] } as const;
    expect(overlay.handle({ type: 'received', from: 'b', message: answer }, 0)).toEqual([
      { type: 'send', to: 'a', message: answer },
    ]);
    // Once, and from nobody else.
    expect(overlay.handle({ type: 'received', from: 'b', message: answer }, 0)).toEqual([]);
    expect(sentTo(shuffle(1, 8), 'a')).toEqual([{ type: 'shuffle-answer', nonce: 8, members: [] }]);
    expect(idsOf(overlay.known)).toEqual(['o']);
  });

  it('starts shuffles by itself, and takes what comes back', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    const outputs = overlay.handle({ type: 'wake' }, overlay.wakeAt ?? NaN);
    const [shuffle] = sentTo(outputs, 'a');
    if (shuffle?.type !== 'shuffle') throw new Error('Expected a shuffle');
    expect(idsOf(shuffle.members)).toEqual(['me']);
    const message = { type: 'shuffle-answer', nonce: shuffle.nonce, members: [member('q')] } as const;
    // It has a place for it.
    expect(overlay.handle({ type: 'received', from: 'a', message }, 20_000)).toEqual([
      { type: 'dial', member: member('q') },
    ]);
  });

  it('gives one neighbour no more than its share of the passive view', () => {
    const overlay = overlayOf();
    meet(overlay, member('liar'));
    meet(overlay, member('b'));
    const tell = (from: string, members: Member[]) =>
      overlay.handle({ type: 'received', from, message: { type: 'shuffle', nonce: 1, ttl: 1, members } }, 0);
    tell('b', [member('b1'), member('b2'), member('b3')]);
    for (let i = 0; i < 9; i++)
      tell(
        'liar',
        Array.from({ length: 8 }, (_, k) => member(`l${i} ${k}`)),
      );
    expect(idsOf(overlay.known)).toEqual(jasmine.arrayContaining(['b1', 'b2', 'b3']));
    expect(overlay.known.length).toBe(6);
  });

  it('dials nobody because one neighbour says that they have joined, where it looks for no neighbour', () => {
    const overlay = overlayOf();
    meet(overlay, member('liar'));
    meet(overlay, member('b'));
    for (let i = 0; i < 100; i++) {
      const message = { type: 'forward-join', member: member(`l${i}`), ttl: 0 } as const;
      expect(overlay.handle({ type: 'received', from: 'liar', message }, 0).map(({ type }) => type)).not.toContain(
        'dial',
      );
    }
    expect(overlay.known.length).toBeLessThanOrEqual(6);
  });

  it('puts out a peer that floods it, and one that is suspect, and keeps them out for a while', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    meet(overlay, member('b'));
    const outputs: OverlayOutput[] = [];
    const message = { type: 'forward-join', member: member('x'), ttl: 6 } as const;
    for (let i = 0; i < 1_000; i++) outputs.push(...overlay.handle({ type: 'received', from: 'a', message }, 0));
    expect(outputs).toContain({ type: 'close', id: 'a' });
    expect(outputs).toContain({ type: 'down', id: 'a' });
    expect(overlay.handle({ type: 'suspect', id: 'b' }, 0)).toContain({ type: 'close', id: 'b' });
    expect(overlay.handle({ type: 'opened', member: member('b') }, 1_000)).toEqual([{ type: 'close', id: 'b' }]);
    expect(idsOf([...overlay.neighbours, ...overlay.known])).not.toContain('a');
    expect(meet(overlay, member('b'), 700_000)).toContain({ type: 'up', id: 'b' });
  });

  it('keeps a neighbour that shuffles four times a minute for hours, and one that sends too much now and then', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    const shuffle = { type: 'shuffle', ttl: 0, members: [] } as const;
    let answers = 0;
    for (let nonce = 1; nonce <= 1_000; nonce++) {
      const message = { ...shuffle, nonce };
      answers += sentTo(overlay.handle({ type: 'received', from: 'a', message }, nonce * 15_000), 'a').length;
    }
    expect(answers).toBeGreaterThanOrEqual(1_000);
    let now = 20_000_000;
    for (let burst = 0; burst < 5; burst++, now += 600_000)
      for (let i = 0; i < 600; i++)
        overlay.handle({ type: 'received', from: 'a', message: { ...shuffle, nonce: i } }, now);
    expect(idsOf(overlay.neighbours)).toEqual(['a']);
  });

  it('sends no more joins on to a neighbour than that reads', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    let sent = 0;
    for (let i = 0; i < 1_000; i++) {
      const now = i * 200;
      overlay.handle({ type: 'opened', member: member(`n${i}`) }, now);
      const outputs = overlay.handle({ type: 'received', from: `n${i}`, message: { type: 'join' } }, now);
      sent += sentTo(outputs, 'a').filter(({ type }) => type === 'forward-join').length;
      overlay.handle({ type: 'closed', id: `n${i}` }, now);
    }
    // A hundred at once, and one a second.
    expect(sent).toBeLessThanOrEqual(300);
    expect(sent).toBeGreaterThan(100);
  });

  it('goes on counting where a peer opens another channel', () => {
    const overlay = overlayOf();
    meet(overlay, member('b'));
    const walkedOn = () => {
      meet(overlay, member('a'));
      let count = 0;
      for (let nonce = 0; nonce < 20; nonce++) {
        const message = { type: 'shuffle', nonce, ttl: 3, members: [] } as const;
        count += sentTo(overlay.handle({ type: 'received', from: 'a', message }, 0), 'b').length;
      }
      overlay.handle({ type: 'closed', id: 'a' }, 0);
      return count;
    };
    expect([walkedOn(), walkedOn()]).toEqual([10, 0]);
  });

  it('tells its neighbours that it leaves, and does nothing after that', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    expect(overlay.handle({ type: 'leave' }, 0)).toEqual([
      { type: 'send', to: 'a', message: { type: 'disconnect', leaving: true } },
      { type: 'close', id: 'a' },
      { type: 'down', id: 'a' },
    ]);
    expect(overlay.wakeAt).toBeUndefined();
    expect(overlay.handle({ type: 'found', members: [member('b')] }, 0)).toEqual([]);
  });

  it('forgets a neighbour that leaves, and remembers one that only parts', () => {
    const overlay = overlayOf();
    meet(overlay, member('a'));
    meet(overlay, member('b'));
    overlay.handle({ type: 'received', from: 'a', message: { type: 'disconnect', leaving: true } }, 0);
    overlay.handle({ type: 'received', from: 'b', message: { type: 'disconnect', leaving: false } }, 0);
    expect(idsOf(overlay.known)).toEqual(['b']);
  });

  it('closes channels whose other end says nothing', () => {
    const overlay = overlayOf();
    overlay.handle({ type: 'opened', member: member('a') }, 0);
    expect(overlay.handle({ type: 'wake' }, overlay.wakeAt ?? NaN)).toEqual([{ type: 'close', id: 'a' }]);
  });

  it('keeps within its bounds and to its word, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(input, { maxLength: 300 }), fc.integer(), (inputs, seed) => {
        const overlay = overlayOf({ seed });
        const world = new World();
        let now = 0;
        for (const [each, ms] of inputs) {
          now += ms;
          world.hear(each);
          for (const output of overlay.handle(each, now)) world.check(output);
          const neighbours = idsOf(overlay.neighbours);
          const known = idsOf(overlay.known);
          if (each.type !== 'leave') expect(new Set(neighbours)).toEqual(world.up);
          expect(neighbours.length).toBeLessThanOrEqual(5);
          expect(known.length).toBeLessThanOrEqual(6);
          expect(new Set([...neighbours, ...known, 'me']).size).toBe(neighbours.length + known.length + 1);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** What the other side of the machine knows: which channels are open, which dials are under way, and who is a neighbour. */
class World {
  readonly open = new Set<string>();
  readonly dialled = new Set<string>();
  readonly up = new Set<string>();

  hear(input: OverlayInput): void {
    if (input.type === 'opened') {
      this.dialled.delete(input.member.id);
      this.open.add(input.member.id);
    }
    if (input.type === 'failed') this.dialled.delete(input.id);
    if (input.type === 'closed') this.open.delete(input.id);
  }

  check(output: OverlayOutput): void {
    switch (output.type) {
      case 'dial':
        expect(this.open.has(output.member.id)).toBeFalse();
        expect(output.member.id).not.toBe('me');
        this.dialled.add(output.member.id);
        break;
      case 'send':
        expect(this.open.has(output.to)).toBeTrue();
        break;
      case 'close':
        this.open.delete(output.id);
        break;
      case 'up':
        expect(this.up.has(output.id)).toBeFalse();
        this.up.add(output.id);
        break;
      case 'down':
        expect(this.up.delete(output.id)).toBeTrue();
        break;
    }
  }
}

const someId = fc.constantFrom('me', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
const someMember = fc.record({ id: someId, unl: fc.string({ maxLength: 3 }), dialable: fc.boolean() });
const someMembers = fc.array(someMember, { maxLength: 8 });
const ttl = fc.integer({ min: 0, max: 6 });
const nonce = fc.integer({ min: 0, max: 3 });

const someMessage: fc.Arbitrary<OverlayMessage> = fc.oneof(
  fc.constant({ type: 'join' } as const),
  fc.record({ type: fc.constant('forward-join' as const), member: someMember, ttl }),
  fc.record({ type: fc.constant('neighbour' as const), priority: fc.constantFrom('high' as const, 'low' as const) }),
  fc.record({ type: fc.constant('neighbour-answer' as const), accepted: fc.boolean(), members: someMembers }),
  fc.record({ type: fc.constant('disconnect' as const), leaving: fc.boolean() }),
  fc.record({ type: fc.constant('shuffle' as const), nonce, ttl, members: someMembers }),
  fc.record({ type: fc.constant('shuffle-answer' as const), nonce, members: someMembers }),
);

const someInput: fc.Arbitrary<OverlayInput> = fc.oneof(
  fc.record({ type: fc.constant('found' as const), members: someMembers }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('opened' as const), member: someMember }) },
  fc.record({ type: fc.constant('failed' as const), id: someId }),
  fc.record({ type: fc.constant('closed' as const), id: someId }),
  { weight: 6, arbitrary: fc.record({ type: fc.constant('received' as const), from: someId, message: someMessage }) },
  fc.record({ type: fc.constant('moved' as const), self: fc.constant(member('me', false)) }),
  fc.constant({ type: 'wake' } as const),
  { weight: 1, arbitrary: fc.record({ type: fc.constant('suspect' as const), id: someId }) },
);

const input = fc.tuple(someInput, fc.constantFrom(0, 1, 100, 3_000, 20_000));
