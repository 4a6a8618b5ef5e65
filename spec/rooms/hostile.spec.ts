import { encode } from '@msgpack/msgpack';
import { randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { combineLatest, filter, firstValueFrom, map, noop, toArray, take } from 'rxjs';
import { createIdentity, type Channel, type Identity, type JoinOptions, type Net, type Room } from '../../lib/index.js';
import { Cpace } from '../../lib/pairing/cpace.js';
import { KIND, streamOf } from '../../lib/rooms/author/message.js';
import { openRoomKeys, secretRoomKeys } from '../../lib/rooms/secret.js';
import { ReadMessage } from '../../lib/rooms/wire/broadcast.js';
import { memberOf } from '../../lib/rooms/wire/fields.js';
import { decodeWireMessage, encodeWireMessage, type WireMessage } from '../../lib/rooms/wire/messages.js';
import { parseUnl } from '../../lib/unl.js';
import { unlOf } from '../support/locators.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { signedBy } from './support.js';

/** The connection of a net, by which rooms open channels: an application cannot take their names. */
interface Reserved {
  openReserved(name: string): Channel;
}

describe('A room with hostile members', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const join = (net: Net, options: JoinOptions = {}): Promise<Room> => lab.open(net.join$('chess', options));

  /** A room of a few, which a stranger enters at its first member by a channel of its own. */
  async function attacked(options: JoinOptions = {}) {
    const { address } = await lab.server();
    const nets = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const rooms = await Promise.all(nets.map((net) => join(net, options)));
    const [victim] = nets;
    const [room, other] = rooms;
    if (victim === undefined || room === undefined || other === undefined) throw new Error('Expected a room');
    await firstValueFrom(
      combineLatest(rooms.map(({ neighbours$ }) => neighbours$)).pipe(
        filter((all) => all.every(({ length }) => length > 0)),
      ),
    );
    const identity = createIdentity();
    const net = lab.net({ identity });
    const connection = await firstValueFrom(net.connect$(await firstValueFrom(victim.unl$)));
    return {
      victim,
      room,
      other,
      rooms,
      identity,
      net,
      open: (name: string) => reserved(connection).openReserved(name),
    };
  }

  /** Says hello on a channel, and becomes a neighbour. */
  async function enter(channel: Channel, net: Net): Promise<void> {
    const said = firstValueFrom(
      channel.messages$.pipe(
        map(decodeWireMessage),
        filter((message) => message?.type === 'neighbour-answer'),
      ),
    );
    const member = memberOf(parseUnl(await firstValueFrom(net.unl$)));
    say(channel, { type: 'hello', version: 1, member }, { type: 'neighbour', priority: 'high' });
    await said;
  }

  const say = (channel: Channel, ...messages: readonly WireMessage[]) => {
    for (const message of messages) channel.sendMessage(encodeWireMessage(message));
  };

  const gossip = (bytes: Buffer): WireMessage => ({ type: 'gossip', round: 1, message: new ReadMessage(bytes) });

  const { channel: NAME, topic } = openRoomKeys('chess');

  /** A message of somebody, as it may be said now. */
  const by = (identity: Identity, number: number, text: string, room = topic) =>
    signedBy(identity, {
      number,
      topic: room,
      kind: KIND.text,
      payload: Buffer.from(text),
      at: Date.now(),
      stream: STREAM,
    });

  const STREAM = streamOf(Date.now(), randomBytes(2));

  it('shows nothing that was forged, was said in another room, or was said before, and all the rest', async () => {
    const { room, other, net, identity, open } = await attacked();
    const channel = open(NAME);
    await enter(channel, net);
    const heard = lab.collect(room.messages$.pipe(map(({ from, text }) => [from, text])));
    const last = [room, other].map(({ messages$ }) =>
      firstValueFrom(messages$.pipe(filter(({ text }) => text === 'last'))),
    );
    const somebody = createIdentity();
    const forged = by(somebody, 1, 'forged');
    forged[forged.length - 1] = 0x21;
    const said = by(identity, 1, 'said');
    say(
      channel,
      gossip(said),
      gossip(forged),
      gossip(said),
      gossip(by(identity, 2, 'elsewhere', openRoomKeys('go').topic)),
    );
    // The forged one does not take the place of the true one, which has the same id.
    say(channel, gossip(by(somebody, 1, 'true')), gossip(by(identity, 3, 'last')));
    await Promise.all(last);
    expect(heard.sort()).toEqual(
      [
        [identity.peerId, 'said'],
        [somebody.peerId, 'true'],
        [identity.peerId, 'last'],
      ].sort(),
    );
  });

  it('takes no more of one author than the limit, and goes on taking what others say', async () => {
    const { room, net, identity, open } = await attacked({ limits: { messagesPerSecond: 2 } });
    const channel = open(NAME);
    await enter(channel, net);
    const heard = lab.collect(room.messages$);
    const somebody = createIdentity();
    const last = firstValueFrom(room.messages$.pipe(filter(({ from }) => from === somebody.peerId)));
    for (let number = 1; number <= 200; number++) say(channel, gossip(by(identity, number, String(number))));
    say(channel, gossip(by(somebody, 1, 'still here')));
    await last;
    expect(heard.length).toBeGreaterThan(10);
    expect(heard.length).toBeLessThan(60);
  });

  it('ends the channel of a peer that sends what no member sends, or speaks before it has entered', async () => {
    const { open, net } = await attacked();
    const member = memberOf(parseUnl(await firstValueFrom(net.unl$)));
    const stranger = memberOf(unlOf({ peerId: createIdentity().peerId }));
    const hello = encodeWireMessage({ type: 'hello', version: 1, member });
    const cases: readonly (readonly Uint8Array[])[] = [
      [Buffer.from('not MessagePack')],
      [Buffer.from('ddffffffff', 'hex')],
      [encodeWireMessage({ type: 'join' })],
      [encodeWireMessage({ type: 'hello', version: 1, member: stranger })],
      [hello, hello],
      [hello, encode([21, 0, 0, Array(9).fill(member.unl)])],
    ];
    for (const messages of cases) {
      const channel = open(NAME);
      const closed = firstValueFrom(channel.closed$);
      channel.messages$.subscribe({ error: noop });
      for (const message of messages) channel.sendMessage(message);
      expect((await closed).code).toBe('reset');
    }
  });

  it('dials nobody by the word of a member', async () => {
    const { victim, net, open } = await attacked();
    const dialled: Socket[] = [];
    const third = createServer((socket) => dialled.push(socket)).listen(0, newAddress());
    await new Promise((resolve) => third.once('listening', resolve));
    lab.onClose(() => third.close());
    const dials = lab.collect(victim.trace$.pipe(filter(({ type }) => type === 'dial')));
    const tried = firstValueFrom(
      victim.trace$.pipe(
        filter((step) => step.type === 'room' && step.step === 'failed'),
        take(3),
        toArray(),
      ),
    );
    const channel = open(NAME);
    await enter(channel, net);
    const lies = Array.from({ length: 8 }, () =>
      memberOf(
        unlOf({
          peerId: createIdentity().peerId,
          nodeType: 'passive',
          endpoints: [{ kind: 'wan', ...addressOf(third) }],
        }),
      ),
    );
    say(channel, { type: 'shuffle', nonce: 1, ttl: 0, members: lies });
    for (const member of lies) say(channel, { type: 'forward-join', ttl: 6, member });
    await tried;
    expect(dials).toEqual([]);
    expect(dialled).toEqual([]);
  });

  it('lets nobody in who guesses the secret, and not for ever guess', async () => {
    const { open, room } = await attacked({ secret: 'open sesame' });
    const guessed = await secretRoomKeys('chess', 'open barley');
    const { channel: name, topic: place } = await secretRoomKeys('chess', 'open sesame');
    const codes: string[] = [];
    // As who has seen the name of the channel, or the topic at a server.
    for (let count = 0; count < 22; count++) {
      const channel = open(name);
      const closed = firstValueFrom(channel.closed$);
      const session = randomBytes(16);
      const inputs = { code: guessed.code ?? Buffer.alloc(32), channel: place, session };
      const cpace = new Cpace('initiator', inputs, new Uint8Array(0));
      channel.messages$.pipe(map(decodeWireMessage)).subscribe({
        next: (message) => {
          codes.push(message?.type ?? '');
          say(channel, { type: 'confirm', confirmation: Buffer.alloc(64) });
        },
        error: noop,
      });
      say(channel, { type: 'ask', version: 1, session, share: Buffer.from(cpace.message.share) });
      await closed;
    }
    // Twenty guesses, of which none has taught anything else; then nothing at all.
    expect(codes).toEqual(Array(20).fill('proof'));
    expect((await firstValueFrom(room.neighbours$)).length).toBe(1);
  });

  it('counts a guess also where the next channel takes the place of the one that it was made by', async () => {
    const { open } = await attacked({ secret: 'open sesame' });
    const { channel: name } = await secretRoomKeys('chess', 'open sesame');
    const outcomes: string[] = [];
    for (let count = 0; count < 22; count++) {
      const channel = open(name);
      const cpace = new Cpace(
        'initiator',
        { code: Buffer.alloc(32), channel: Buffer.alloc(32), session: randomBytes(16) },
        new Uint8Array(0),
      );
      const outcome = new Promise<string>((resolve) => {
        channel.messages$.subscribe({
          next: (bytes) => {
            resolve(decodeWireMessage(bytes)?.type ?? '');
          },
          error: noop,
        });
        channel.closed$.subscribe(({ code }) => {
          resolve(code);
        });
      });
      say(channel, { type: 'ask', version: 1, session: randomBytes(16), share: Buffer.from(cpace.message.share) });
      outcomes.push(await outcome);
    }
    expect(outcomes).toEqual([...Array<string>(20).fill('proof'), 'reset', 'reset']);
  });
});

function reserved(connection: unknown): Reserved {
  if (typeof connection === 'object' && connection !== null && 'openReserved' in connection && isOpener(connection))
    return connection;
  throw new Error('Expected a connection of a node');
}

function isOpener(connection: object): connection is Reserved {
  return 'openReserved' in connection && typeof connection.openReserved === 'function';
}
