import { VirtualTimeScheduler } from 'rxjs';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { Attendance } from '../../lib/rooms/attendance.js';
import { KIND, readMessage } from '../../lib/rooms/author/message.js';
import { hereBy, signedBy } from './support.js';

describe('Knowing who is in a room', () => {
  /** A node that knows so many members at most. Notes what it shows, and counts the signatures that it checks. */
  function attending(most: number) {
    const self = createIdentity();
    const now = 1_000_000;
    const scheduler = new VirtualTimeScheduler();
    const shown: (readonly [to: string, records: readonly Buffer[]])[] = [];
    let until = 0;
    let asleepMs = 0;
    let checks = 0;
    let members: readonly string[] = [];
    const attendance = new Attendance({
      own: self.peerId,
      most,
      runtime: { scheduler, timeOfDay: () => now + scheduler.now() + asleepMs, random: () => 0.5 },
      isGenuine: () => {
        checks++;
        return true;
      },
      sign: (payload) => hereBy(self, { at: now + scheduler.now() + asleepMs, payload }),
      neighbours: () => ['mallory', 'friend', 'other'],
      show: (to, records) => {
        shown.push([to, records]);
      },
    });
    attendance.members$.subscribe((all) => {
      members = all.map(({ peerId }) => peerId);
    });
    const record = (of: Identity, after = 0) => hereBy(of, { at: now + after });
    /** What is shown within a time. */
    const shownWithin = (ms: number) => {
      scheduler.maxFrames = until += ms;
      scheduler.flush();
      return shown.splice(0);
    };
    const sleep = (ms: number) => {
      asleepMs += ms;
    };
    return { attendance, self, shownWithin, sleep, record, checks: () => checks, members: () => members };
  }

  it('checks and passes on no record that it has no place for, however often it is shown', () => {
    const { attendance, shownWithin, record, checks } = attending(2);
    const [first, second, refused] = [createIdentity(), createIdentity(), createIdentity()].map(record);
    if (first === undefined || second === undefined || refused === undefined) throw new Error('Expected three records');
    attendance.onShown('mallory', '66.66.66.1', [first, second, refused]);
    for (let again = 0; again < 20; again++) attendance.onShown('mallory', '66.66.66.1', [refused]);
    expect(checks()).toBe(2);
    expect(shownWithin(1_000)).toEqual([
      ['friend', [first, second]],
      ['other', [first, second]],
    ]);
  });

  it('has no more signatures checked for a site than a busy room needs, by however many keys it is a neighbour', () => {
    const { attendance, shownWithin, record, checks } = attending(10_000);
    const crowd = Array.from({ length: 64 }, createIdentity);
    for (let key = 0; key < 40; key++)
      attendance.onShown(
        `mallory ${key}`,
        '66.66.66.1',
        Array.from({ length: 64 }, () => record(createIdentity())),
      );
    expect(checks()).toBe(2_048);
    // Another site has its own.
    attendance.onShown(
      'friend',
      '45.45.45.1',
      crowd.map((member) => record(member)),
    );
    expect(checks()).toBe(2_048 + 64);
    shownWithin(5_000);
    attendance.onShown(
      'mallory',
      '66.66.66.1',
      Array.from({ length: 500 }, () => record(createIdentity())),
    );
    expect(checks()).toBe(2_048 + 64 + 5 * 80);
  });

  it('reads no more messages of a neighbour than a busy room needs', () => {
    const { attendance, record, members } = attending(1_000);
    const [stale, fresh] = [record(createIdentity()), record(createIdentity())];
    for (let i = 0; i < 200; i++) attendance.onShown('mallory', '66.66.66.1', [stale]);
    attendance.onShown('mallory', '66.66.66.1', [fresh]);
    expect(members()).toHaveSize(1);
    attendance.onShown('friend', '45.45.45.1', [fresh]);
    expect(members()).toHaveSize(2);
  });

  it('does not show who has left meanwhile', () => {
    const { attendance, shownWithin, record } = attending(10);
    const [gone, there] = [createIdentity(), createIdentity()];
    attendance.onShown('friend', '45.45.45.1', [record(gone), record(there)]);
    attendance.onMessage(readMessage(signedBy(gone, { kind: KIND.leave, payload: Buffer.alloc(0) })), '45.45.45.1');
    expect(shownWithin(1_000).map(([to, records]) => [to, records.length])).toEqual([
      ['mallory', 1],
      ['other', 1],
    ]);
  });

  it('says that this node is there as soon as it has a neighbour again after the machine has slept', () => {
    const { attendance, self, shownWithin, sleep } = attending(10);
    attendance.onNeighbour('new');
    const before = shownWithin(1_000)[0]?.[1][0];
    sleep(3_600_000);
    attendance.onNeighbour('new');
    const after = shownWithin(1_000)[0]?.[1][0];
    if (before === undefined || after === undefined) throw new Error('Expected both records');
    expect(readMessage(after).author).toBe(self.peerId);
    expect(readMessage(after).at - readMessage(before).at).toBeGreaterThanOrEqual(3_600_000);
  });

  it('shows much at a time what is news, and to no neighbour what that has shown', () => {
    const { attendance, shownWithin, record } = attending(10);
    const [first, second] = [record(createIdentity()), record(createIdentity())];
    attendance.onShown('friend', '45.45.45.1', [first]);
    attendance.onShown('other', '45.45.45.2', [first, second]);
    expect(shownWithin(1_000)).toEqual([
      ['mallory', [first, second]],
      ['friend', [second]],
    ]);
    attendance.onShown('friend', '45.45.45.1', [second]);
    expect(shownWithin(1_000)).toEqual([]);
  });

  it('says later that this node is there where the room has turned out to be large, and as seldom as others do from then on', () => {
    const { attendance, self, shownWithin, record } = attending(1_000);
    attendance.onNeighbour('new');
    shownWithin(1_000);
    const crowd = Array.from({ length: 400 }, () => record(createIdentity()));
    attendance.onShown('mallory', '66.66.66.1', crowd);
    /** When this node says that it is there, in seconds, within a time. */
    const said = (seconds: number) =>
      Array.from({ length: seconds }, (_, second) => {
        const own = shownWithin(1_000).flatMap(([, records]) =>
          records.filter((bytes) => readMessage(bytes).author === self.peerId),
        );
        return own.length > 0 ? [second + 1] : [];
      }).flat();
    // 26 s and a quarter of 30 s, and 2 s until it is shown; then seven eighths of 200 s.
    expect(said(220)).toEqual([35, 210]);
  });

  it('shows a new neighbour all that is known, and this node among them, which says again before it would be forgotten', () => {
    const { attendance, self, shownWithin, record } = attending(10);
    const known = record(createIdentity());
    attendance.onShown('friend', '45.45.45.1', [known]);
    attendance.onNeighbour('new');
    const [atOnce, ...later] = shownWithin(1_000);
    expect(atOnce?.[0]).toBe('new');
    expect(atOnce?.[1][0]).toEqual(known);
    const own = atOnce?.[1][1] ?? Buffer.alloc(0);
    expect(readMessage(own).author).toBe(self.peerId);
    expect(later).toEqual([
      ['mallory', [known, own]],
      ['friend', [own]],
      ['other', [known, own]],
    ]);
    expect(shownWithin(32_000).map(([to, records]) => [to, records.length])).toEqual([
      ['mallory', 1],
      ['friend', 1],
      ['other', 1],
    ]);
  });

  it('shares its places by sites: a host that is a neighbour by ten keys takes none of honest members', () => {
    const { attendance, record, members } = attending(20);
    const made = (site: string, neighbour: string) => {
      const member = createIdentity();
      attendance.onShown(neighbour, site, [record(member)]);
      return member.peerId;
    };
    for (let key = 0; key < 10; key++) for (let i = 0; i < 3; i++) made('66.66.66.1', `mallory ${key}`);
    expect(members()).toHaveSize(20);
    const honest = Array.from({ length: 10 }, () => made('45.45.45.1', 'friend'));
    for (let key = 0; key < 10; key++) for (let i = 0; i < 3; i++) made('66.66.66.1', `mallory ${key}`);
    expect(honest.filter((member) => members().includes(member))).toHaveSize(10);
  });
});
