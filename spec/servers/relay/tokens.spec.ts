import { Tokens } from '../../../servers/relay/tokens.js';

const [alice, bob, eve] = ['alice', 'bob', 'eve'];

/** What a node asks for. */
function ask(from: string, to: string, token = 't') {
  return { from, to, token, at: 0 };
}

describe('the tokens of a relay', () => {
  let now = 0;
  let tokens: Tokens<string>;

  beforeEach(() => {
    now = 1_000;
    tokens = new Tokens({ forMs: 100, maxTokens: 2, now: () => now });
  });

  it('join two nodes that name each other', () => {
    expect(tokens.refusalOf(ask(alice, bob))).toBeUndefined();
    expect(tokens.meet(ask(alice, bob))).toBeUndefined();
    tokens.wait(ask(alice, bob), 'alice waits');
    expect(tokens.refusalOf(ask(bob, alice))).toBeUndefined();
    expect(tokens.isAwaited(ask(bob, alice))).toBeTrue();
    expect(tokens.meet(ask(bob, alice))).toBe('alice waits');
    expect(tokens.isAwaited(ask(bob, alice))).toBeFalse();
  });

  it('are of no use to anybody else, and to these two no second time', () => {
    tokens.wait(ask(alice, bob), 'alice waits');
    expect(tokens.refusalOf(ask(alice, bob))).toBe('replayed');
    for (const [from, to] of [
      [eve, alice],
      [alice, eve],
      [bob, eve],
    ] as const) {
      expect(tokens.refusalOf(ask(from, to))).toBe('taken');
    }
    tokens.meet(ask(bob, alice));
    expect(tokens.refusalOf(ask(alice, bob))).toBe('replayed');
    expect(tokens.refusalOf(ask(bob, alice))).toBe('replayed');
  });

  it('are of no use when the first has left', () => {
    tokens.wait(ask(alice, bob), 'alice waits');
    tokens.leave('t');
    expect(tokens.refusalOf(ask(alice, bob))).toBe('replayed');
    expect(tokens.refusalOf(ask(bob, alice))).toBe('gone');
  });

  it('are remembered for their time, and longer while somebody waits', () => {
    tokens.wait(ask(alice, bob), 'alice waits');
    now += 101;
    expect(tokens.refusalOf(ask(alice, bob))).toBe('replayed');
    tokens.leave('t');
    expect(tokens.refusalOf(ask(alice, bob))).toBeUndefined();
    tokens.wait(ask(alice, bob), 'alice waits again');
    tokens.leave('t');
    now += 100;
    expect(tokens.refusalOf(ask(alice, bob))).toBe('replayed');
  });

  it('are never forgotten for want of room: no new one is taken then', () => {
    tokens.wait(ask(alice, bob, '1'), '');
    tokens.wait(ask(alice, bob, '2'), '');
    expect(tokens.refusalOf(ask(alice, bob, '3'))).toBe('server-full');
    expect(tokens.refusalOf(ask(bob, alice, '2'))).toBeUndefined();
    tokens.leave('1');
    tokens.leave('2');
    now += 101;
    expect(tokens.refusalOf(ask(alice, bob, '3'))).toBeUndefined();
  });
});
