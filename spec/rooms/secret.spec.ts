import { openRoomKeys, secretRoomKeys } from '../../lib/rooms/secret.js';

describe('The keys of a room', () => {
  it('follow from its name, and are others than those of another room', () => {
    const { topic, channel, code } = openRoomKeys('chess');
    expect(topic.length).toBe(32);
    expect(channel).toMatch(/^rxp2p:room\/[0-9a-f]{32}$/);
    // Who sees the name of a channel does not learn by what members are found.
    expect(channel).not.toContain(topic.toString('hex', 0, 16));
    expect(code).toBeUndefined();
    expect(openRoomKeys('chess')).toEqual({ topic, channel, code });
    expect(openRoomKeys('Chess').topic).not.toEqual(topic);
    expect(openRoomKeys('').topic).not.toEqual(topic);
  });

  it('follow from name and secret together, where there is one', async () => {
    const [one, same, other, elsewhere] = await Promise.all([
      secretRoomKeys('chess', 'caf\u00e9'),
      secretRoomKeys('chess', 'cafe\u0301'),
      secretRoomKeys('chess', 'cafe'),
      secretRoomKeys('go', 'caf\u00e9'),
    ]);
    // One text has several spellings in Unicode, and people type it on different machines.
    expect(same).toEqual(one);
    const topics = [openRoomKeys('chess'), one, other, elsewhere].map(({ topic }) => topic.toString('hex'));
    expect(new Set(topics).size).toBe(4);
    const codes = [one, other, elsewhere].map(({ code }) => code?.toString('hex'));
    expect(new Set(codes).size).toBe(3);
    expect(codes).not.toContain(undefined);
  });
});
