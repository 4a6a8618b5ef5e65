import { Responder } from '../../lib/lan/responder.js';

describe('a node that says where it is', () => {
  const announcement = (text: string) => ({
    instance: 'node._rxp2p._tcp.local',
    texts: [Buffer.from(text)],
    endpoints: [{ address: '192.168.1.7', port: 4_000 }],
  });
  const textsIn = (responder: Responder, isGone: boolean) =>
    responder
      .take()
      .flatMap(({ message }) => message.answers)
      .flatMap((record) => (record.type === 'TXT' && (record.ttl === 0) === isGone ? record.texts.map(String) : []));

  it('takes nothing back that it has never said, however often it has changed before it could say it', () => {
    const responder = new Responder({ port: 5353, now: () => 0, random: () => 0 });
    for (let count = 0; count < 100; count++) responder.announce(announcement(`locator ${count}`));
    expect(textsIn(responder, true)).toEqual([]);
  });

  it('takes back what it has said, and no more than fits', () => {
    let now = 0;
    const responder = new Responder({ port: 5353, now: () => now, random: () => 0 });
    responder.announce(announcement('first'));
    expect(textsIn(responder, false)).toEqual(['first']);
    now = 10_000;
    responder.announce(announcement('second'));
    responder.announce(announcement('third'));
    expect(textsIn(responder, true)).toEqual(['first']);
  });
});
