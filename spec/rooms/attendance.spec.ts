import { VirtualTimeScheduler } from 'rxjs';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { Attendance } from '../../lib/rooms/attendance.js';
import { KIND } from '../../lib/rooms/author/message.js';
import { herePayload } from '../../lib/rooms/presence.js';
import { signedBy } from './support.js';

describe('Knowing who is in a room', () => {
  /** A node that knows so many members at most. Notes what it shows, and counts the signatures that it checks. */
  function attending(most: number) {
    const now = 1_000_000;
    const shown: (readonly Buffer[])[] = [];
    let checks = 0;
    let members: readonly string[] = [];
    const attendance = new Attendance({
      own: createIdentity().peerId,
      most,
      runtime: { scheduler: new VirtualTimeScheduler(), timeOfDay: () => now, random: () => 0.5 },
      isGenuine: () => {
        checks++;
        return true;
      },
      say: () => undefined,
      show: (records) => {
        shown.push(records);
      },
    });
    attendance.members$.subscribe((all) => {
      members = all.map(({ peerId }) => peerId);
    });
    const record = (of: Identity) =>
      signedBy(of, { kind: KIND.here, number: 1, at: now, payload: herePayload(30_000) });
    return { attendance, shown, record, checks: () => checks, members: () => members };
  }

  it('checks and passes on no record that it has no place for, however often it is shown', () => {
    const { attendance, shown, record, checks } = attending(2);
    const [first, second, refused] = [createIdentity(), createIdentity(), createIdentity()].map(record);
    if (first === undefined || second === undefined || refused === undefined) throw new Error('Expected three records');
    attendance.onShown('mallory', '66.66.66.1', [first, second, refused]);
    for (let again = 0; again < 20; again++) attendance.onShown('mallory', '66.66.66.1', [refused]);
    expect(checks()).toBe(2);
    expect(shown).toEqual([[first, second]]);
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
