import { createHash } from 'node:crypto';
import { TopicShelf, type TopicMember } from '../../lib/dht/topic-shelf.js';

const ROOMY = { members: 1_000, membersPerHost: 1_000, membersPerTopic: 1_000 };

/** A member with a key of its own. */
function member(name: string, host: string, topic = 'chess'): TopicMember {
  return { topic, key: keyOf(name), unl: Buffer.from(name), seenAt: host, host };
}

const keyOf = (name: string) => createHash('sha256').update(name).digest();

describe('The members of topics at a node of the DHT', () => {
  function shelfOf(limits = ROOMY) {
    const clock = { now: 0 };
    const shelf = new TopicShelf(limits, () => clock.now);
    const named = (topic = 'chess', near = Buffer.alloc(32)) =>
      shelf.near(topic, near).map(({ unl }) => unl.toString());
    return { shelf, clock, named };
  }

  it('are named until they leave, or have not joined for five minutes', () => {
    const { shelf, clock, named } = shelfOf();
    expect([member('a', '1'), member('b', '2')].map((each) => shelf.add(each))).toEqual([true, true]);
    expect(shelf.add(member('a', '1', 'go'))).toBeTrue();
    expect(named().toSorted()).toEqual(['a', 'b']);
    expect(named('go')).toEqual(['a']);
    clock.now = 299_999;
    expect(shelf.add({ ...member('a', '1'), unl: Buffer.from('a moved') })).toBeTrue();
    expect(shelf.size).toBe(3);
    clock.now = 300_000;
    expect(named()).toEqual(['a moved']);
    expect(named('go')).toEqual([]);
    shelf.delete('chess', keyOf('a'));
    shelf.delete('chess', keyOf('a'));
    expect([named(), shelf.size]).toEqual([[], 0]);
  });

  it('are, of many, those of as many hosts as there can be that are nearest to a place: the same at all nodes', () => {
    const [one, other] = [shelfOf(), shelfOf()];
    const all = Array.from({ length: 200 }, (_, index) =>
      member(`${index}`, index < 150 ? 'crowded' : `host ${index}`),
    );
    for (const each of all) one.shelf.add(each);
    for (const each of all.toReversed()) other.shelf.add(each);
    const places = [0, 85, 170].map((byte) => Buffer.alloc(32, byte));
    for (const place of places) {
      const named = one.named('chess', place);
      expect(named).toHaveSize(16);
      expect(named.toSorted()).toEqual(other.named('chess', place).toSorted());
      expect(named.filter((name) => Number(name) < 150).length).toBeLessThanOrEqual(1);
    }
    expect(one.named('chess', places[0])).not.toEqual(one.named('chess', places[1]));
  });

  it('of one host are few of all, in however many topics, and leave room for others', () => {
    const { shelf, named } = shelfOf({ members: 60, membersPerHost: 50, membersPerTopic: 1_000 });
    const kept = Array.from({ length: 10_000 }, (_, index) => shelf.add(member('greedy', 'greedy', `topic ${index}`)));
    expect(kept.filter(Boolean).length).toBe(50);
    for (let index = 0; index < 20; index++) expect(shelf.add(member(`${index}`, `${index}`, 'go'))).toBeTrue();
    expect(shelf.size).toBe(60);
    expect(named('go')).toHaveSize(16);
  });

  it('of one host give way in a full topic to those of others, and nobody else does', () => {
    const { shelf, named } = shelfOf({ ...ROOMY, membersPerTopic: 10 });
    for (let index = 0; index < 10; index++) shelf.add(member(`greedy ${index}`, 'greedy'));
    expect(shelf.add(member('greedy too', 'greedy'))).toBeFalse();
    for (const name of ['a', 'b', 'c']) expect(shelf.add(member(name, name))).toBeTrue();
    expect(shelf.size).toBe(10);
    expect(named()).toEqual(jasmine.arrayContaining(['a', 'b', 'c', 'greedy 0', 'greedy 6']));
    expect(named()).not.toContain('greedy 7');
    expect(shelf.add(member('greedy 8', 'greedy', 'go'))).toBeTrue();
  });
});
