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
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBeUndefined();
    expect(tokens.meet(ask(alice, bob))).toBeUndefined();
    tokens.wait(ask(alice, bob), 'site', 'alice waits');
    expect(tokens.refusalOf(ask(bob, alice), 'site')).toBeUndefined();
    expect(tokens.isAwaited(ask(bob, alice))).toBeTrue();
    expect(tokens.meet(ask(bob, alice))).toBe('alice waits');
    expect(tokens.isAwaited(ask(bob, alice))).toBeFalse();
  });

  it('are of no use to anybody else, and to these two no second time', () => {
    tokens.wait(ask(alice, bob), 'site', 'alice waits');
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBe('replayed');
    for (const [from, to] of [
      [eve, alice],
      [alice, eve],
      [bob, eve],
    ] as const) {
      expect(tokens.refusalOf(ask(from, to), 'site')).toBe('taken');
    }
    tokens.meet(ask(bob, alice));
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBe('replayed');
    expect(tokens.refusalOf(ask(bob, alice), 'site')).toBe('replayed');
  });

  it('are of no use when the first has left', () => {
    tokens.wait(ask(alice, bob), 'site', 'alice waits');
    tokens.leave('t');
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBe('replayed');
    expect(tokens.refusalOf(ask(bob, alice), 'site')).toBe('gone');
  });

  it('are remembered for their time, and longer while somebody waits', () => {
    tokens.wait(ask(alice, bob), 'site', 'alice waits');
    now += 101;
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBe('replayed');
    tokens.leave('t');
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBeUndefined();
    tokens.wait(ask(alice, bob), 'site', 'alice waits again');
    tokens.leave('t');
    now += 100;
    expect(tokens.refusalOf(ask(alice, bob), 'site')).toBe('replayed');
  });

  it('are never forgotten to make room for a site that would have as many as any other', () => {
    tokens.wait(ask(alice, bob, '1'), 'site', '');
    tokens.wait(ask(alice, bob, '2'), 'site', '');
    expect(tokens.refusalOf(ask(alice, bob, '3'), 'site')).toBe('server-full');
    expect(tokens.refusalOf(ask(bob, alice, '2'), 'site')).toBeUndefined();
    tokens.leave('1');
    tokens.leave('2');
    now += 101;
    expect(tokens.refusalOf(ask(alice, bob, '3'), 'site')).toBeUndefined();
  });

  it('are evicted for those of other sites, the newest of the largest site first, and cannot be used afterwards', () => {
    tokens.wait(ask(alice, bob, '1'), 'flood', 'one');
    tokens.wait(ask(alice, bob, '2'), 'flood', 'two');
    expect(tokens.refusalOf(ask(eve, bob, '3'), 'honest')).toBeUndefined();
    expect(tokens.wait(ask(eve, bob, '3'), 'honest', 'three')).toBe('two');
    expect(tokens.isAwaited(ask(bob, eve, '3'))).toBeTrue();
    for (const again of [ask(alice, bob, '2'), ask(bob, alice, '2')]) {
      expect(tokens.refusalOf(again, 'elsewhere')).toBe('gone');
      now += 99;
      expect(tokens.refusalOf(again, 'elsewhere')).toBe('gone');
      now -= 99;
    }
    expect(tokens.refusalOf(ask(bob, alice, '1'), 'anywhere'))
      .withContext('what was there before')
      .toBeUndefined();
  });
});
