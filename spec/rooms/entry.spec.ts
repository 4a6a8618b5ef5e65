import { randomBytes } from 'node:crypto';
import { createIdentity } from '../../lib/identity.js';
import { Cpace } from '../../lib/pairing/cpace.js';
import { Entry, type EntryConfig } from '../../lib/rooms/entry.js';
import type { Member } from '../../lib/rooms/machine.js';
import type { EntryMessage } from '../../lib/rooms/wire/hello.js';
import { memberOfRoom, topicOf } from './support.js';

describe('Entering a room', () => {
  const [alice, bob, mallory] = [createIdentity(), createIdentity(), createIdentity()];
  const secretOf = (code: string): EntryConfig['secret'] => ({
    code: Buffer.from(code),
    cpace: (role, inputs) => new Cpace(role, inputs, new Uint8Array(0)),
  });

  /** Both sides of an entry: Alice has opened the channel. */
  function sides(here: EntryConfig['secret'], there: EntryConfig['secret'], topic = topicOf('chess')) {
    const common = { random: randomBytes };
    const self = (id: string) => () => memberOfRoom(id);
    return [
      new Entry({
        ...common,
        topic: topicOf('chess'),
        isOpener: true,
        own: alice.peerId,
        peer: bob.peerId,
        self: self(alice.peerId),
        secret: here,
      }),
      new Entry({
        ...common,
        topic,
        isOpener: false,
        own: bob.peerId,
        peer: alice.peerId,
        self: self(bob.peerId),
        secret: there,
      }),
    ] as const;
  }

  /** Has two sides talk until nobody says anything more. Returns whom each has let in, and what has been said. */
  function talk([first, second]: readonly [Entry, Entry]) {
    const said: EntryMessage[] = [];
    const members: (Member | undefined)[] = [undefined, undefined];
    const queue = [
      ...first.begin().map((message) => ({ to: 1, message })),
      ...second.begin().map((message) => ({ to: 0, message })),
    ];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      said.push(next.message);
      const { to } = next;
      const { send, member } = (to === 0 ? first : second).take(next.message);
      members[to] ??= member;
      queue.push(...send.map((message) => ({ to: 1 - to, message })));
    }
    return { members, said };
  }

  it('takes a hello of each in an open room', () => {
    const { members, said } = talk(sides(undefined, undefined));
    expect(members.map((member) => member?.id)).toEqual([bob.peerId, alice.peerId]);
    expect(said.map(({ type }) => type)).toEqual(['hello', 'hello']);
  });

  it('takes a proof of each in a room with a secret, before either says where it is', () => {
    const { members, said } = talk(sides(secretOf('sesame'), secretOf('sesame')));
    expect(members.map((member) => member?.id)).toEqual([bob.peerId, alice.peerId]);
    expect(said.map(({ type }) => type)).toEqual(['ask', 'proof', 'confirm', 'hello', 'hello']);
  });

  it('is refused to whoever does not know the secret, or is in another room', () => {
    expect(() => talk(sides(secretOf('sesame'), secretOf('barley')))).toThrowError(/knows the secret/);
    expect(() => talk(sides(secretOf('sesame'), secretOf('sesame'), topicOf('go')))).toThrowError(/knows the secret/);
    expect(() => talk(sides(secretOf('sesame'), undefined))).toThrowError();
    expect(() => talk(sides(undefined, secretOf('sesame')))).toThrowError(/prove the secret/);
  });

  it('may have been a guess of whoever was shown a confirmation, or has shown a wrong one, until it has proven the secret', () => {
    const [first, second] = sides(secretOf('sesame'), secretOf('barley'));
    const [ask] = first.begin();
    expect([first.mayHaveGuessed, second.mayHaveGuessed]).toEqual([false, false]);
    const [proof] = ask === undefined ? [] : second.take(ask).send;
    expect(() => proof !== undefined && first.take(proof)).toThrowError(/knows the secret/);
    expect([first.mayHaveGuessed, second.mayHaveGuessed]).toEqual([true, true]);
    const both = sides(secretOf('sesame'), secretOf('sesame'));
    talk(both);
    expect(both.map(({ mayHaveGuessed }) => mayHaveGuessed)).toEqual([false, false]);
    const open = sides(undefined, undefined);
    expect(open.map(({ mayHaveGuessed }) => mayHaveGuessed)).toEqual([false, false]);
  });

  it('does not believe a proof of another run, or for another peer', () => {
    const [first, second] = sides(secretOf('sesame'), secretOf('sesame'));
    const [ask] = first.begin();
    const [proof] = ask === undefined ? [] : second.take(ask).send;
    const [confirm] = proof === undefined ? [] : first.take(proof).send;
    const [, again] = sides(secretOf('sesame'), secretOf('sesame'));
    const session = { ask, confirm };
    if (session.ask !== undefined) again.take(session.ask);
    expect(() => session.confirm !== undefined && again.take(session.confirm)).toThrowError(/knows the secret/);
    // Mallory, who is connected to both, passes on what Alice says to him.
    const toBob = new Entry({
      isOpener: false,
      topic: topicOf('chess'),
      own: bob.peerId,
      peer: mallory.peerId,
      self: () => memberOfRoom(bob.peerId),
      secret: secretOf('sesame'),
      random: randomBytes,
    });
    const [alices] = sides(secretOf('sesame'), secretOf('sesame'));
    const [asked] = alices.begin();
    const [answer] = asked === undefined ? [] : toBob.take(asked).send;
    expect(() => answer !== undefined && alices.take(answer)).toThrowError(/knows the secret/);
  });

  it('is over when something comes out of turn, or a hello names somebody else', () => {
    const [first, second] = sides(undefined, undefined);
    const [hello] = first.begin();
    if (hello?.type !== 'hello') throw new Error('Expected a hello');
    expect(() => second.take({ ...hello, member: memberOfRoom(mallory.peerId) })).toThrowError(/own locator/);
    second.take(hello);
    expect(() => second.take(hello)).toThrowError(/once/);
    const [guarded] = sides(secretOf('sesame'), secretOf('sesame'));
    for (const message of [hello, { type: 'confirm', confirmation: Buffer.alloc(64) }] as const)
      expect(() => guarded.take(message)).toThrowError();
    const [, asked] = sides(secretOf('sesame'), secretOf('sesame'));
    // The neutral element: with it the key would be known to everybody.
    const bad = { type: 'ask', version: 1, session: Buffer.alloc(16), share: Buffer.alloc(32) } as const;
    expect(() => asked.take(bad)).toThrowError();
  });
});
