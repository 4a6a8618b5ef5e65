import { isWanted, LinkChoice } from '../../../lib/connection/transport/link-choice.js';
import { TransportLink } from '../../../lib/connection/transport/transport-link.js';
import { VirtualClock, VirtualLink } from '../virtual-links.js';

const linkOf = (name: string, isDirect = true) => new TransportLink(new VirtualLink(name, isDirect).here, true);

describe('The choice of a link', () => {
  it('is numbered by the controlling side', () => {
    const [first, second] = [linkOf('first'), linkOf('second')];
    const choice = new LinkChoice(first, true);
    choice.take(first);
    choice.take(second);
    expect([choice.count, first.choice, second.choice, choice.current]).toEqual([2, 1, 2, second]);
  });

  it('is followed by the other side, and an older one is not', () => {
    const [first, second] = [linkOf('first'), linkOf('second')];
    const choice = new LinkChoice(first, false);
    choice.take(first);
    expect(choice.hear(second, 2)).toBeTrue();
    choice.take(second);
    expect(choice.hear(first, 1)).toBeFalse();
    expect([choice.count, second.choice]).toEqual([2, 2]);
  });

  it('is not followed by the controlling side, for the current link, or for a link that was left', () => {
    const [first, second] = [linkOf('first'), linkOf('second')];
    expect(new LinkChoice(first, true).hear(second, 5)).toBeFalse();
    const choice = new LinkChoice(first, false);
    expect(choice.hear(first, 1)).toBeFalse();
    second.leave(new VirtualClock());
    expect(choice.hear(second, 2)).toBeFalse();
    expect(choice.count).toBe(2);
  });

  it('counts as lost by every choice from its own on', () => {
    const [first, second] = [linkOf('first'), linkOf('second')];
    const choice = new LinkChoice(first, true);
    expect(choice.isLostWith(5)).toBeFalse();
    choice.take(first);
    choice.take(second);
    expect([undefined, 1, 2, 3].map((lost) => choice.isLostWith(lost))).toEqual([false, false, true, true]);
  });

  it('remembers the last link when there is none any more', () => {
    const [first, second] = [linkOf('first'), linkOf('second')];
    const choice = new LinkChoice(first, true);
    choice.take(second);
    choice.clear();
    expect([choice.current, choice.lastLink]).toEqual([undefined, second.framed]);
  });

  it('wants any link if any is needed, and only a direct one if that is needed', () => {
    const [direct, relayed] = [linkOf('direct').framed.link, linkOf('relayed', false).framed.link];
    const wanted = (['none', 'direct', 'any'] as const).map((need) => [
      isWanted(direct, need),
      isWanted(relayed, need),
    ]);
    expect(wanted).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
  });
});
