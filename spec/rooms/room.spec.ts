import {
  combineLatest,
  EMPTY,
  filter,
  firstValueFrom,
  interval,
  map,
  Subject,
  switchMap,
  take,
  toArray,
  type Observable,
} from 'rxjs';
import type { JoinOptions, Net, NetConfig, Room, RoomMessage } from '../../lib/index.js';
import { Lab } from '../support/nodes.js';

describe('A room', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Has a net join a room until the spec is over. */
  const join = (net: Net, name = 'chess', options: JoinOptions = {}): Promise<Room> =>
    lab.open(net.join$(name, options));

  /** Nets that have joined a room by a rendezvous server. */
  async function roomOf(count: number, options: JoinOptions = {}, config: Partial<NetConfig> = {}) {
    const { address } = await lab.server();
    const nets = Array.from({ length: count }, () => lab.net({ rendezvous: [address], ...config }));
    const rooms = await Promise.all(nets.map((net) => join(net, 'chess', options)));
    return { address, nets, rooms };
  }

  /** Once each knows of so many others, and has a neighbour. */
  const known = (rooms: readonly Room[], others = rooms.length - 1) =>
    firstValueFrom(
      combineLatest(rooms.map(({ members$, neighbours$ }) => combineLatest([members$, neighbours$]))).pipe(
        filter((all) => all.every(([members, neighbours]) => members.length >= others && neighbours.length > 0)),
      ),
    );

  const texts = (room: Room): Observable<string> => room.messages$.pipe(map(({ text }) => text));

  it('is found by its name, and what one says reaches all others, once', async () => {
    const { nets, rooms } = await roomOf(12);
    const heard = rooms.map((room) => lab.collect(room.messages$));
    await known(rooms);
    const all = firstValueFrom(
      combineLatest(rooms.slice(1).map((room) => texts(room).pipe(filter((text) => text === '2')))),
    );
    const before = Date.now();
    expect(rooms[0]?.publish('1')).toBeTrue();
    expect(rooms[0]?.publish('2')).toBeTrue();
    await all;
    expect(heard[0]).toEqual([]);
    for (const messages of heard.slice(1)) {
      expect(messages.map(({ text }) => text).sort()).toEqual(['1', '2']);
      for (const { from, isText, at, hops, isPast, bytes, text } of messages) {
        expect([from, isText, isPast, bytes.toString()]).toEqual([nets[0]?.peerId ?? '', true, false, text]);
        expect(hops).toBeGreaterThan(0);
        expect(at).toBeGreaterThan(before - 1_000);
      }
    }
  });

  for (const [when, first$] of [
    ['a message', (room: Room) => room.messages$],
    ['a member', (room: Room) => room.members$.pipe(filter((members) => members.length > 0))],
    ['a neighbour', (room: Room) => room.neighbours$.pipe(filter((neighbours) => neighbours.length > 0))],
  ] as const) {
    it(`is left at once when ${when} has come, and the others hear of it`, async () => {
      const { address, rooms } = await roomOf(2);
      await known(rooms);
      const [one] = rooms;
      const talking = interval(20).subscribe(() => one?.publish('still here'));
      const net = lab.net({ rendezvous: [address] });
      for (let round = 0; round < 2; round++) {
        await firstValueFrom(net.join$('chess').pipe(switchMap((room): Observable<unknown> => first$(room))));
        // Rather than its absence being noticed one day.
        await known(rooms, 1);
        const others$ = one?.members$.pipe(map((members) => members.map(({ peerId }) => peerId)));
        await firstValueFrom((others$ ?? EMPTY).pipe(filter((others) => !others.includes(net.peerId))));
      }
      talking.unsubscribe();
    });
  }

  it('is not joined with options that are misspelt', () => {
    // As JavaScript may call it.
    const net: { join$(name: string, options: unknown): Observable<unknown> } = lab.net();
    for (const [options, expected] of [
      [{ secrt: 'e4' }, /Expected `options` to be made of secret, .*, got `secrt`/],
      ['e4', /Expected `options` to be an object of secret/],
      [null, /Expected `options` to be an object of secret/],
      [{ limits: { msgBytes: 3 } }, /Expected `limits` to be made of messageBytes, .*, got `msgBytes`/],
      [{ limits: 5 }, /Expected `limits` to be an object of messageBytes/],
      [{ secret: '' }, /Expected `secret` to be a text of 1 to 1024 bytes, got `0 bytes`/],
    ] as const) {
      const failed = jasmine.createSpy('failed');
      net.join$('chess', options).subscribe({ error: failed });
      expect(failed).toHaveBeenCalledOnceWith(
        jasmine.objectContaining({ code: 'INVALID_OPTION', message: jasmine.stringMatching(expected) }),
      );
    }
  });

  it('keeps what is said before anybody is there for those who come', async () => {
    const { address, rooms } = await roomOf(1);
    expect(rooms[0]?.publish('1. e4')).toBeTrue();
    const late = await join(lab.net({ rendezvous: [address] }));
    const { text, isPast } = await firstValueFrom(late.messages$);
    expect([text, isPast]).toEqual(['1. e4', false]);
  });

  it('carries bytes, and messages that are announced before they are sent', async () => {
    const { rooms } = await roomOf(3, { limits: { messageBytes: 500_000 } });
    await known(rooms);
    const arriving = rooms.slice(1).map((room) => firstValueFrom(room.messages$.pipe(take(2), toArray())));
    rooms[0]?.publishBytes(Uint8Array.of(1, 2, 3));
    rooms[0]?.publishBytes(Buffer.alloc(400_000, 'x'));
    for (const messages of await Promise.all(arriving)) {
      expect(messages.map(({ bytes }) => bytes.length).sort()).toEqual([3, 400_000]);
      expect(messages.map(({ text, isText }) => [text, isText])).toEqual([
        ['', false],
        ['', false],
      ]);
    }
  });

  it('does not hold messages in order back for those that the application leaves out', async () => {
    const { address } = await lab.server();
    const validate: JoinOptions['validate'] = ({ text }) => (text === 'noise' ? 'ignore' : 'accept');
    const nets = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })] as const;
    const joined = new Subject<Room>();
    const first = firstValueFrom(joined);
    const leaving = lab.use(nets[0].join$('chess').subscribe(joined));
    const [alice, bob] = await Promise.all([first, join(nets[1], 'chess', { ordered: true, validate })]);
    await known([alice, bob]);
    const moves = ['1. e4', '2. f4', '3. Nf3'];
    const heard = lab.collect(texts(bob));
    for (const move of moves) for (const text of [move, 'noise']) alice.publish(text);
    // That she leaves comes behind all of it, and does not wait for its turn.
    const left = firstValueFrom(bob.members$.pipe(filter((members) => members.length === 0)));
    leaving.unsubscribe();
    await left;
    expect(heard).toEqual(moves);
  });

  it('keeps rooms of other names apart', async () => {
    const { nets, rooms } = await roomOf(2);
    const others = await Promise.all(nets.map((net) => join(net, 'go')));
    await Promise.all([known(rooms), known(others)]);
    const heard = others.map((room) => lab.collect(texts(room)));
    const arriving = firstValueFrom(texts(rooms[1] ?? fail()));
    rooms[0]?.publish('chess');
    expect(await arriving).toBe('chess');
    const answered = firstValueFrom(texts(others[0] ?? fail()));
    others[1]?.publish('go');
    expect(await answered).toBe('go');
    expect(heard).toEqual([['go'], []]);
  });

  it('shows who is there, and who has left', async () => {
    const { address, nets, rooms } = await roomOf(3);
    await known(rooms);
    const others = (index: number) => nets.filter((_, each) => each !== index).map(({ peerId }) => peerId);
    for (const [index, room] of rooms.entries()) {
      const members = await firstValueFrom(room.members$);
      expect(members.map(({ peerId }) => peerId).sort()).toEqual(others(index).sort());
    }
    const late = lab.net({ rendezvous: [address] });
    const leaving = late.join$('chess').subscribe();
    await known(rooms, 3);
    leaving.unsubscribe();
    const left = rooms.map(({ members$ }) => firstValueFrom(members$.pipe(filter((members) => members.length === 2))));
    await Promise.all(left);
  });

  it('is left by unsubscribing: the connections that it has made are closed, and those of the application are not', async () => {
    const { address } = await lab.server();
    const [alice, bob, carol] = [1, 2, 3].map(() => lab.net({ rendezvous: [address] }));
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error('Expected nets');
    const kept = await firstValueFrom(alice.connect$(await firstValueFrom(bob.unl$)));
    const rooms = await Promise.all([join(bob), join(carol)]);
    const joined = new Subject<Room>();
    const first = firstValueFrom(joined);
    const subscription = lab.use(alice.join$('chess').subscribe(joined));
    await known([...rooms, await first]);
    subscription.unsubscribe();
    await Promise.all(rooms.map(({ members$ }) => firstValueFrom(members$.pipe(filter((all) => all.length === 1)))));
    const echoed = firstValueFrom(bob.lines$);
    kept.send('still here');
    expect((await echoed).text).toBe('still here');
  });

  it('is not entered, and not found, without its secret', async () => {
    const { address, rooms } = await roomOf(2, { secret: 'open sesame' });
    await known(rooms);
    const stranger = await join(lab.net({ rendezvous: [address] }));
    const guesser = await join(lab.net({ rendezvous: [address] }), 'chess', { secret: 'open barley' });
    const arriving = firstValueFrom(texts(rooms[1] ?? fail()));
    rooms[0]?.publish('secret');
    expect(await arriving).toBe('secret');
    for (const room of [stranger, guesser]) {
      expect(await firstValueFrom(room.members$)).toEqual([]);
      expect(await firstValueFrom(room.neighbours$)).toEqual([]);
    }
    const late = await join(lab.net({ rendezvous: [address] }), 'chess', { secret: 'open sesame' });
    await known([late], 2);
  });

  it('gives a newcomer the last messages, if it asks for them', async () => {
    const { address, rooms } = await roomOf(2);
    await known(rooms);
    const arriving = firstValueFrom(texts(rooms[1] ?? fail()).pipe(take(3), toArray()));
    for (const text of ['1', '2', '3']) rooms[0]?.publish(text);
    await arriving;
    const late = lab.net({ rendezvous: [address] });
    const past = await new Promise<RoomMessage[]>((resolve, reject) => {
      const first2 = ({ messages$ }: Room) => messages$.pipe(take(2), toArray());
      lab.use(late.join$('chess', { history: 2 }).pipe(switchMap(first2)).subscribe({ next: resolve, error: reject }));
    });
    expect(past.map(({ text, isPast }) => [text, isPast])).toEqual([
      ['2', true],
      ['3', true],
    ]);
  });

  it('asks the application before a message is shown and passed on', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const judged: string[] = [];
    const rooms = await Promise.all([
      join(alice),
      join(bob, 'chess', {
        validate: ({ text }) => {
          judged.push(text);
          if (text === 'throws') throw new Error('no');
          if (text === 'later') return Promise.resolve('accept' as const);
          return text === 'last' ? 'accept' : 'ignore';
        },
      }),
    ]);
    await known(rooms);
    const heard = firstValueFrom(texts(rooms[1]).pipe(take(2), toArray()));
    for (const text of ['spam', 'throws', 'later', 'last']) rooms[0].publish(text);
    expect((await heard).sort()).toEqual(['last', 'later']);
    expect(judged).toEqual(['spam', 'throws', 'later', 'last']);
  });

  it('does not say what it cannot, or too much at once', async () => {
    const { rooms } = await roomOf(1, { limits: { messageBytes: 10, messagesPerSecond: 1 } });
    const [room] = rooms;
    expect(() => room?.publish('x'.repeat(11))).toThrowError(/at most 10 bytes/);
    expect(() => room?.publish('\ud800')).toThrowError(/whole characters/);
    expect(() => room?.publishBytes(new Uint8Array(11))).toThrowError(/at most 10 bytes/);
    const said = Array.from({ length: 20 }, () => room?.publish('x'));
    expect(said.slice(0, 5)).toEqual(Array(5).fill(true));
    expect(said.slice(15)).toEqual(Array(5).fill(false));
  });

  it('is not joined with a wrong option, or without keys', async () => {
    const net = lab.net();
    const wrong: readonly JoinOptions[] = [
      { secret: '' },
      { history: 65 },
      { activeView: 1 },
      { limits: { messageBytes: 0 } },
      { limits: { members: 1 } },
    ];
    for (const options of wrong)
      await expectAsync(firstValueFrom(net.join$('chess', options))).toBeRejectedWithError(/^Expected/);
    await expectAsync(firstValueFrom(net.join$('x'.repeat(257)))).toBeRejectedWithError(/^Expected/);
    const plain = lab.net({ security: 'plain' });
    await expectAsync(firstValueFrom(plain.join$('chess'))).toBeRejectedWithError(/security/);
  });

  it('is joined once by a net, and again when it has been left', async () => {
    const net = lab.net();
    const joined = new Subject<Room>();
    const first = firstValueFrom(joined);
    const subscription = net.join$('chess').subscribe(joined);
    await first;
    await expectAsync(firstValueFrom(net.join$('chess'))).toBeRejectedWithError(/a room that this net is not in yet/);
    // With a secret it is another one.
    await join(net, 'chess', { secret: 'open sesame' });
    subscription.unsubscribe();
    expect((await join(net)).name).toBe('chess');
  });

  it('is over when the net is closed', async () => {
    const { nets, rooms } = await roomOf(2);
    await known(rooms);
    const done = firstValueFrom((rooms[0] ?? fail()).messages$.pipe(toArray()));
    const left = firstValueFrom((rooms[1] ?? fail()).members$.pipe(filter(({ length }) => length === 0)));
    await nets[0]?.close();
    expect(await done).toEqual([]);
    await left;
    expect(rooms[0]?.publish('too late')).toBeFalse();
  });

  function fail(): never {
    throw new Error('Expected a room');
  }
});
