import { Failures } from '../../lib/rooms/failures.js';

describe('Failures to enter a room', () => {
  let now = 0;

  beforeEach(() => {
    now = 1_000_000;
  });

  const direct = (site: string) => ({ site, isRelayed: false });
  const relayed = (site: string) => ({ site, isRelayed: true });

  /** Fails as often as it may, up to a number. Returns how often that was. */
  function failUpTo(failures: Failures, place: ReturnType<typeof direct>, most = 1_000): number {
    let count = 0;
    for (; count < most && !failures.areTooMany(place); count++) failures.note(place);
    return count;
  }

  it('are forgiven twenty times to a site, and once a minute from then on', () => {
    const failures = new Failures(() => now);
    expect(failUpTo(failures, direct('1.2.3.4'))).toBe(20);
    expect(failures.areTooMany(direct('1.2.3.5'))).toBeFalse();
    now += 60_000;
    expect(failUpTo(failures, direct('1.2.3.4'))).toBe(1);
  });

  it('of a peer that comes by a relay keep no other out, until they are very many of all of those', () => {
    const failures = new Failures(() => now);
    expect(failUpTo(failures, relayed('a'))).toBe(20);
    expect(failures.areTooMany(relayed('b'))).toBeFalse();
    for (let key = 0; key < 9; key++) failUpTo(failures, relayed(`key ${key}`));
    expect(failures.areTooMany(relayed('b'))).toBeTrue();
    expect(failures.areTooMany(direct('1.2.3.4'))).toBeFalse();
    now += 60_000;
    expect(failUpTo(failures, relayed('b'))).toBe(1);
  });
});
