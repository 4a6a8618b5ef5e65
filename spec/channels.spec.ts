import { once } from 'node:events';
import {
  defer,
  delay,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  noop,
  of,
  reduce,
  retry,
  share,
  Subject,
  take,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import {
  ClosedError,
  InvalidMessageError,
  InvalidOptionError,
  TooManyChannelsError,
  UnavailableError,
  type Channel,
} from '../lib/index.js';
import { encodeLength } from './support/messages.js';
import { failureOf, Lab } from './support/nodes.js';

type Pair = Awaited<ReturnType<Lab['pair']>>;

describe('A channel', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const next = <T>(values$: Observable<T>) => firstValueFrom(values$);
  const all = <T>(values$: Observable<T>) => lastValueFrom(values$.pipe(toArray()));
  const endOf = (channel: Channel) =>
    lastValueFrom(channel.closed$.pipe(map(({ code, by, resetCode }) => [code, by, resetCode])));

  it('is usable at once, and carries lines both ways beside those of its connection and of others', async () => {
    const { here, there, peer } = await lab.pair();
    const arriving = next(peer.channels$('chat'));
    const chat = here.openChannel('chat');
    chat.send('on the channel');
    here.send('on the connection');
    const other = await arriving;
    expect([other.name, other.connection === there, chat.connection === here]).toEqual(['chat', true, true]);
    expect(await next(other.lines$)).toBe('on the channel');
    expect(await next(there.lines$)).toBe('on the connection');
    other.send('back');
    expect(await next(chat.lines$)).toBe('back');
    chat.close();
    other.close();
    expect([await endOf(chat), await endOf(other)].map(([code]) => code)).toEqual(['closed', 'closed']);
    expect([here.name, here.connection === here]).toEqual(['', true]);
  });

  it('is taken by whoever takes those of a connection, first, and else by who takes those of any', async () => {
    const { here, there, peer } = await lab.pair();
    const [ofAny, ofThis] = [lab.collect(peer.channels$('a')), lab.collect(there.channels$('a'))];
    here.openChannel('a').send('x');
    here.openChannel('b').send('x');
    expect(await endOf(here.openChannel('c'))).toEqual(['refused', 'peer', undefined]);
    expect([ofAny.length, ofThis.length]).toEqual([0, 1]);
  });

  it('of a name that nobody takes any more is refused, and so are those of hidden properties', async () => {
    const { here, peer } = await lab.pair();
    peer.channels$('a').subscribe().unsubscribe();
    for (const name of ['a', '', 'constructor', '__proto__', 'toString']) {
      expect(await endOf(here.openChannel(name))).toEqual(['refused', 'peer', undefined]);
    }
  });

  it('carries messages with their boundaries, whatever bytes they are of, from none to the longest', async () => {
    const { here, peer } = await lab.pair();
    const messages = [
      Buffer.alloc(0),
      Buffer.from('\n'),
      Buffer.from([0, 255, 10, 13]),
      Buffer.alloc(1_048_576, 'm'),
      Buffer.alloc(9_000, 'x'),
      Buffer.from('last'),
    ];
    const heard = next(peer.channels$('bytes').pipe(mergeMap(({ messages$ }) => messages$.pipe(take(6), toArray()))));
    const channel = here.openChannel('bytes');
    for (const message of messages) {
      const memory = Buffer.from(message);
      channel.sendMessage(memory);
      memory.fill('changed');
    }
    expect((await heard).every((message, i) => message.equals(messages[i] ?? Buffer.alloc(1)))).toBeTrue();
    expect(() => channel.sendMessage(Buffer.alloc(1_048_577))).toThrowError(
      InvalidMessageError,
      /at most 1048576 bytes/,
    );
    expect(() => channel.send('a line')).toThrowError(ClosedError, /a channel of messages to send no lines/);
  });

  it('with others holds back the peer that begins many messages and finishes none, and all come when they are finished', async () => {
    const { here, there, peer } = await lab.pair(
      { limits: { sendHighWaterBytes: 16_384 } },
      { limits: { windowBytes: 262_144 } },
    );
    const [count, whole, begun] = [10, 500_000, 400_000];
    const message$ = peer.channels$('long').pipe(
      mergeMap(({ messages$ }) => messages$),
      share(),
    );
    const heard = lab.collect(message$);
    const everything = all(message$.pipe(take(count)));
    there.lines$.subscribe((text) => there.send(text));
    let accepted = 0;
    let goOn: () => void = noop;
    const go = new Promise<void>((resolve) => (goOn = resolve));
    const writers = Array.from({ length: count }, () => {
      const stream = here
        .openChannel('long')
        .toDuplex()
        .on('error', () => undefined);
      const write = (bytes: Uint8Array) =>
        new Promise<void>((resolve) => {
          stream.write(bytes, () => {
            accepted += bytes.length;
            resolve();
          });
        });
      return write;
    });
    const ends = writers.map(async (write) => {
      await write(encodeLength(whole));
      for (let sent = 0; sent < whole; sent += 10_000) {
        if (sent === begun) await go;
        await write(Buffer.alloc(10_000));
      }
    });
    // Far more round trips than it takes to send all where there is credit.
    for (let round = 0; round < 50; round++) {
      const echo = next(here.lines$);
      here.send('echo');
      await echo;
    }
    // What may be held and one message besides; what windows may grow by; and for each channel a first window and what waits here.
    expect(accepted).toBeLessThan(262_144 + whole + 262_144 + count * (65_536 + 16_384 + 10_000));
    expect(heard.length).toBe(0);
    goOn();
    await Promise.all(ends);
    await everything;
    expect(heard.every(({ length }) => length === whole)).toBeTrue();
  });

  it('carries messages on the connection itself, too', async () => {
    const { here, there } = await lab.pair();
    const heard = next(there.messages$);
    here.sendMessage(Uint8Array.of(1, 2, 3));
    expect([...(await heard)]).toEqual([1, 2, 3]);
    expect(() => here.send('a line')).toThrowError(ClosedError);
  });

  it('ends, and no other does, when a message is longer than the reader allows', async () => {
    const { here, there, peer } = await lab.pair({}, { limits: { messageBytes: 10, lineBytes: 10 } });
    const [short, long] = [here.openChannel('bytes'), here.openChannel('bytes')];
    lab.collect(peer.channels$('bytes').pipe(mergeMap(({ messages$ }) => messages$)));
    lab.collect(peer.channels$('lines').pipe(mergeMap(({ lines$ }) => lines$)));
    short.sendMessage(Buffer.alloc(10));
    long.sendMessage(Buffer.alloc(11));
    const lines = here.openChannel('lines');
    lines.send('x'.repeat(11));
    expect(await endOf(long)).toEqual(['message-too-long', 'peer', undefined]);
    expect(await endOf(lines)).toEqual(['line-too-long', 'peer', undefined]);
    const heard = next(there.lines$);
    here.send('still here');
    expect(await heard).toBe('still here');
  });

  it('is half closed: whoever has closed it still hears the answer', async () => {
    const { here, peer } = await lab.pair();
    lab.collect(
      peer.channels$('sum', { allowHalfOpen: true }).pipe(
        mergeMap((channel) =>
          channel.lines$.pipe(
            reduce((sum, text) => sum + Number(text), 0),
            // Long after the peer has closed its side.
            delay(1),
            tap((sum) => {
              channel.send(String(sum));
              channel.close();
            }),
          ),
        ),
      ),
    );
    const channel = here.openChannel('sum');
    for (const number of [1, 2, 3]) channel.send(String(number));
    channel.close();
    expect(channel.send('too late')).toBeFalse();
    expect(await all(channel.lines$)).toEqual(['6']);
    expect(await endOf(channel)).toEqual(['closed', 'us', undefined]);
  });

  it('is closed by itself once its reader has read to the peer’s end, where it is not to stay half open', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    channel.send('one');
    channel.close();
    const other = await arriving;
    expect(await all(other.lines$)).toEqual(['one']);
    expect([await endOf(other), await endOf(channel)].map(([code]) => code)).toEqual(['closed', 'closed']);
  });

  it('is a Node stream of bytes, whose end does not end what still comes', async () => {
    const { here, peer } = await lab.pair();
    peer.channels$('echo', { allowHalfOpen: true }).subscribe((channel) => {
      const stream = channel.toDuplex();
      stream.pipe(stream);
    });
    const stream = here.openChannel('echo', { allowHalfOpen: true }).toDuplex();
    const bytes = Buffer.alloc(1_000_000, 'bytes ');
    stream.end(bytes);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'end');
    expect(Buffer.concat(chunks).equals(bytes)).toBeTrue();
  });

  it('is a Node stream that brings back all that it is piped into itself, also where it is the connection', async () => {
    const { here, there } = await lab.pair();
    const echo = there.toDuplex();
    echo.pipe(echo);
    const stream = here.toDuplex();
    stream.end(Buffer.alloc(3_000_000));
    // With a pause, in which the other side has to hold back.
    await once(stream, 'readable');
    let length = 0;
    stream.on('data', (chunk: Buffer) => (length += chunk.length));
    await once(stream, 'close');
    expect([length, await endOf(here), await endOf(there)]).toEqual([
      3_000_000,
      ['closed', 'us', undefined],
      ['closed', 'peer', undefined],
    ]);
  });

  it('fails alone when something goes wrong with its stream, and the peer learns that what came is not all', async () => {
    const { here, there, peer } = await lab.pair();
    lab.use(
      peer.channels$('a').subscribe((channel) => {
        const stream = channel.toDuplex();
        stream.on('error', () => undefined);
        stream.on('data', () => {
          throw new Error('thrown by the application');
        });
        stream.write('ready\n');
      }),
    );
    const channel = here.openChannel('a');
    // What comes before a stream flows is told by Node, from where nobody can catch what a listener throws.
    expect(await next(channel.lines$)).toBe('ready');
    channel.send('x');
    expect(await endOf(channel)).toEqual(['reset', 'peer', 0]);
    const heard = next(there.lines$);
    here.send('still here');
    expect(await heard).toBe('still here');
  });

  it('stays open while one line after the other is taken and answered, though the peer has closed its side', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    for (const text of ['one', 'two', 'three']) channel.send(text);
    channel.close();
    const answers = all(channel.lines$);
    const other = await arriving;
    for (let count = 0; count < 2; count++) other.send(`${await next(other.lines$)}!`);
    expect(await next(other.lines$)).toBe('three');
    expect(await answers).toEqual(['one!', 'two!']);
  });

  it('that is reset holds nothing any more of what nobody has read', async () => {
    const { here, peer } = await lab.pair();
    const work = new Subject<void>();
    const heard: string[] = [];
    const begun = new Subject<void>();
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    const other = await arriving;
    const isBegun = next(begun);
    const done = lastValueFrom(
      other.eachLine$((text) => {
        heard.push(text);
        begun.next();
        return work;
      }),
      { defaultValue: 'done' },
    );
    for (const text of ['one', 'two', 'three']) channel.send(text);
    await isBegun;
    channel.reset(1);
    await endOf(other);
    work.complete();
    expect([await done, heard]).toEqual(['done', ['one']]);
  });

  it('is reset with a code of the application’s', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    const other = await arriving;
    channel.reset(404, 'there is no such file');
    expect(await endOf(channel)).toEqual(['reset', 'us', 404]);
    const reason = await lastValueFrom(other.closed$);
    expect([reason.code, reason.by, reason.resetCode]).toEqual(['reset', 'peer', 404]);
    expect(reason.message).toBe('the peer reset the channel: there is no such file');
    expect(await all(other.lines$)).toEqual([]);
    for (const code of [-1, 0.5, 2 ** 32])
      expect(() => {
        here.openChannel('a').reset(code);
      }).toThrowError(InvalidOptionError);
  });

  it('tells why it has ended also where it is read as a stream, which is destroyed by that', async () => {
    const { here, there, peer } = await lab.pair();
    const arriving = lab.collect(peer.channels$('streams'));
    const streaming = () => {
      const channel = here.openChannel('streams', { allowHalfOpen: true });
      channel
        .toDuplex()
        .on('error', () => undefined)
        .resume();
      return channel;
    };
    const [reset, own, cut] = [streaming(), streaming(), streaming()];
    await next(here.openChannel('none').closed$);
    arriving[0]?.reset(404);
    expect(await endOf(reset)).toEqual(['reset', 'peer', 404]);
    own.reset(7);
    expect(await endOf(own)).toEqual(['reset', 'us', 7]);
    there.reset(9);
    expect(await endOf(cut)).toEqual(['reset', 'peer', 9]);
    const second = await lab.pair();
    const last = second.here.openChannel('streams');
    last
      .toDuplex()
      .on('error', () => undefined)
      .resume();
    second.here.reset(11);
    expect(await endOf(last)).toEqual(['reset', 'us', 11]);
  });

  it('is reset with such a code also where it is the connection itself, which is then over', async () => {
    const { here, there } = await lab.pair();
    here.reset(404, 'there is no such file');
    expect(await endOf(here)).toEqual(['reset', 'us', 404]);
    expect(await endOf(there)).toEqual(['reset', 'peer', 404]);
  });

  it('that nobody reads holds up itself and nothing else, and goes on when somebody does', async () => {
    const { here, there, peer } = await lab.pair();
    const [ofSlow, ofQuick] = [next(peer.channels$('slow')), next(peer.channels$('quick'))];
    const [slow, quick] = [here.openChannel('slow'), here.openChannel('quick')];
    const lines = 20_000;
    const text = 'x'.repeat(100);
    const sending = lastValueFrom(slow.sendAll(Array.from({ length: lines }, () => text)), { defaultValue: 'sent' });
    const heard = lastValueFrom((await ofQuick).lines$.pipe(take(lines)));
    await lastValueFrom(quick.sendAll(Array.from({ length: lines }, () => text)), { defaultValue: 'sent' });
    expect(await heard).toBe(text);
    here.send('and the connection');
    expect(await next(there.lines$)).toBe('and the connection');
    const read = lastValueFrom((await ofSlow).lines$.pipe(take(lines), toArray()));
    expect((await read).length).toBe(lines);
    expect(await sending).toBe('sent');
  });

  it('is worked off one line or message at a time', async () => {
    const { here, peer } = await lab.pair();
    const done = next(
      peer.channels$('work').pipe(
        mergeMap((channel) => channel.eachMessage$((message) => Promise.resolve(String(message)))),
        take(3),
        toArray(),
      ),
    );
    const channel = here.openChannel('work');
    for (const text of ['one', 'two', 'three']) channel.sendMessage(Buffer.from(text));
    expect(await done).toEqual(['one', 'two', 'three']);
  });

  it('stays open, as its connection does, until the last line has been dealt with and answered', async () => {
    const { here, there, peer } = await lab.pair();
    const answer = (channel: Channel) =>
      channel.eachLine$(async (text) => {
        await new Promise(setImmediate);
        channel.send(`${text}!`);
      });
    lab.collect(merge(answer(there), peer.channels$('echo').pipe(mergeMap(answer))));
    for (const channel of [here.openChannel('echo'), here]) {
      const heard = all(channel.lines$);
      for (const text of ['one', 'two', 'three']) channel.send(text);
      channel.close();
      expect(await heard).toEqual(['one!', 'two!', 'three!']);
    }
  });

  it('keeps its connection open until it has been read, when the peer has closed that', async () => {
    const { here, there, peer } = await lab.pair();
    const begun = lab.collect(
      peer.channels$('work').pipe(
        mergeMap((channel) =>
          channel.eachLine$(async (text) => {
            await new Promise(setImmediate);
            return text;
          }),
        ),
      ),
    );
    const channel = here.openChannel('work');
    for (const text of ['one', 'two', 'three']) channel.send(text);
    here.close();
    expect([await endOf(here), await endOf(there)]).toEqual([
      ['closed', 'us', undefined],
      ['closed', 'peer', undefined],
    ]);
    expect(begun).toEqual(['one', 'two', 'three']);
  });

  it('ends with its connection, all that was sent before having come', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    const other = await arriving;
    const heard = all(other.lines$);
    const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}`);
    for (const text of lines) channel.send(text);
    here.close();
    expect(await heard).toEqual(lines);
    expect([await endOf(channel), await endOf(other)]).toEqual([
      ['unfinished', 'us', undefined],
      ['unfinished', 'peer', undefined],
    ]);
    const late = here.openChannel('a');
    expect([late.send('x'), (await endOf(late))[0]]).toEqual([false, 'closed']);
  });

  /** Reads a stream to its end: the bytes, and why it failed, if it did. */
  async function readAll(channel: Channel): Promise<readonly [string, unknown]> {
    const stream = channel.toDuplex();
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const failure = await new Promise((resolve) => {
      stream.once('error', resolve).once('end', () => {
        resolve(undefined);
      });
    });
    return [text, failure];
  }

  for (const [what, closes] of [
    [
      'its connection',
      ({ here }: Pair) => {
        here.close();
      },
    ],
    ['the net', ({ net }: Pair) => net.close()],
  ] as const) {
    it(`that is open when ${what} is closed in order fails at its reader, and one that was ended is whole`, async () => {
      const pair = await lab.pair();
      const { here, there, peer } = pair;
      const own = all(there.lines$);
      const arriving = [next(peer.channels$('begun')), next(peer.channels$('whole'))];
      const [begun, whole] = [here.openChannel('begun'), here.openChannel('whole')];
      begun
        .toDuplex()
        .on('error', () => undefined)
        .write('the first half');
      whole.toDuplex().resume().end('all of it');
      here.send('a line');
      const reading = (await Promise.all(arriving)).map(readAll);
      await closes(pair);
      const [ofBegun, ofWhole] = await Promise.all(reading);
      expect(ofBegun).toEqual(['the first half', jasmine.any(ClosedError)]);
      expect(ofWhole).toEqual(['all of it', undefined]);
      expect([await endOf(begun), await endOf(whole)]).toEqual([
        ['unfinished', 'us', undefined],
        ['closed', 'us', undefined],
      ]);
      // The end of a connection is that of its own channel.
      expect([await own, await endOf(there)]).toEqual([['a line'], ['closed', 'peer', undefined]]);
    });
  }

  it('gives no last line without its end when its connection is closed before it', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a'));
    here
      .openChannel('a')
      .toDuplex()
      .on('error', () => undefined)
      .write('one\ntw');
    const other = await arriving;
    const heard = all(other.lines$);
    here.close();
    expect([await heard, (await endOf(other))[0]]).toEqual([['one'], 'unfinished']);
  });

  it('is opened before the end of its connection, also where nothing can be sent at that moment', async () => {
    const { here, peer } = await lab.pair({ limits: { unacknowledgedBytes: 1 } });
    const taken = lab.collect(peer.channels$('a'));
    here.send('a line that has to be acknowledged first');
    await new Promise(setImmediate);
    const channel = here.openChannel('a');
    here.close();
    expect([await endOf(here), await endOf(channel)].map(([code]) => code)).toEqual(['closed', 'unfinished']);
    expect(taken.map(({ name }) => name)).toEqual(['a']);
  });

  it('brings all that was sent on it, also where it was opened right before its connection was closed', async () => {
    const { here, there, peer } = await lab.pair();
    const heard = lab.collect(peer.channels$('a').pipe(mergeMap(({ lines$ }) => lines$)));
    here.openChannel('a').send('x');
    here.close();
    expect([await endOf(here), await endOf(there)].map(([code]) => code)).toEqual(['closed', 'closed']);
    expect(heard).toEqual(['x']);
  });

  it('has not ended in order, for either side, when its connection is closed and what was sent cannot arrive', async () => {
    const { here, there, peer } = await lab.pair({ timing: { closeMs: 50 } });
    // Nobody ever reads it.
    const arriving = next(peer.channels$('a'));
    const channel = here.openChannel('a');
    for (let count = 0; count < 1_000; count++) channel.send('x'.repeat(1_000));
    const other = await arriving;
    here.close();
    const codes = await Promise.all([here, channel, there, other].map(async (each) => (await endOf(each))[0]));
    // The last word may get through, or break off with the link.
    expect(codes.map((code) => (code === 'lost' ? 'timeout' : code))).toEqual(Array(4).fill('timeout'));
  });

  it('is not opened any more once its connection is being closed, by either side', async () => {
    const { here, there, net } = await lab.pair();
    let work = new Subject<void>();
    const begun = new Subject<void>();
    lab.collect(
      there.eachLine$(() => {
        begun.next();
        return (work = new Subject());
      }),
    );
    const taken = lab.collect(net.channels$('a').pipe(tap((channel) => channel.send('data behind the end'))));
    const isBegun = next(begun);
    here.send('a line that keeps the connection open');
    here.close();
    const late = here.openChannel('a');
    expect([late.send('x'), ...(await endOf(late))]).toEqual([false, 'closed', 'us', undefined]);
    await isBegun;
    const refused = there.openChannel('a');
    refused.send('x');
    expect(await endOf(refused)).toEqual(['refused', 'peer', undefined]);
    work.complete();
    expect([await endOf(here), await endOf(there)].map(([code]) => code)).toEqual(['closed', 'closed']);
    expect(taken).toEqual([]);
  });

  it('is one of a bounded number', async () => {
    const { here, peer } = await lab.pair({ limits: { channels: 3 } });
    peer.channels$('a').subscribe();
    const channels = [1, 2, 3].map(() => here.openChannel('a'));
    expect(() => here.openChannel('a')).toThrowError(TooManyChannelsError, /3 are open/);
    channels[0]?.reset();
    expect(await endOf(here.openChannel('b'))).toEqual(['refused', 'peer', undefined]);
  });

  it('is waited for where there is no room for it', async () => {
    const { here, peer } = await lab.pair({ limits: { channels: 1 } });
    lab.collect(peer.channels$('a').pipe(mergeMap(({ lines$ }) => lines$)));
    const first = here.openChannel('a');
    const opened = all(
      defer(() => of(here.openChannel('a'))).pipe(
        retry({
          delay: (error: unknown) => {
            expect(error).toBeInstanceOf(TooManyChannelsError);
            return here.channelRoom$;
          },
        }),
      ),
    );
    first.close();
    expect((await opened).length).toBe(1);
    const rest = all(here.channelRoom$);
    here.close();
    await rest;
    expect(await all(here.channelRoom$)).toEqual([]);
  });

  it('leaves its place to another as soon as it has ended', async () => {
    const { here, peer } = await lab.pair({ limits: { channels: 1 } });
    lab.collect(peer.channels$('a').pipe(mergeMap(({ lines$ }) => lines$)));
    const ends: string[] = [];
    for (let count = 0; count < 3; count++) {
      const channel = here.openChannel('a');
      channel.close();
      // Opens the next from within this very call.
      await next(channel.closed$.pipe(tap(({ code }) => ends.push(code))));
    }
    const last = here.openChannel('a');
    const opened = next(last.closed$.pipe(map(() => here.openChannel('a').name)));
    last.close();
    expect([ends, await opened]).toEqual([['closed', 'closed', 'closed'], 'a']);
  });

  it('has not ended in order while the peer has yet to take some of what was sent', async () => {
    const { here, peer } = await lab.pair();
    const arriving = next(peer.channels$('a', { allowHalfOpen: true }));
    const channel = here.openChannel('a');
    channel.close();
    const other = await arriving;
    expect(await all(other.lines$)).toEqual([]);
    // More than the peer takes while nobody reads there.
    for (let count = 0; count < 1_000; count++) other.send('x'.repeat(1_000));
    other.close();
    await next(here.openChannel('b').closed$);
    channel.reset(7);
    expect(await endOf(other)).toEqual(['reset', 'peer', 7]);
  });

  it('has a name of at most 256 bytes, and one of three priorities', async () => {
    const { here, peer } = await lab.pair();
    const name = 'ü'.repeat(128);
    const arriving = next(peer.channels$(name));
    here.openChannel(name, { priority: 'bulk' }).send('x');
    expect((await arriving).name).toBe(name);
    expect(() => here.openChannel(`${name}x`)).toThrowError(InvalidOptionError, /at most 256 bytes/);
    expect(() => peer.channels$('\ud800')).toThrowError(InvalidOptionError);
    // @ts-expect-error That is no priority.
    expect(() => here.openChannel('a', { priority: 'high' })).toThrowError(InvalidOptionError, /urgent, normal, bulk/);
  });

  it('does not exist on a plain connection, which is one stream of lines', async () => {
    const { here, there } = await lab.pair({ security: 'plain' });
    expect(() => here.openChannel('a')).toThrowError(UnavailableError);
    expect(await failureOf(there.channels$('a'))).toBeInstanceOf(UnavailableError);
    // What is of one stream there is.
    const heard = next(there.messages$);
    here.sendMessage(Buffer.from('message'));
    expect(String(await heard)).toBe('message');
  });

  it('completes the streams of those who take it when the net is closed', async () => {
    const { there, peer } = await lab.pair();
    const ended = Promise.all([all(peer.channels$('a')), all(there.channels$('a'))]);
    await peer.close();
    expect(await ended).toEqual([[], []]);
    // Nor does whoever subscribes later wait for channels that never come.
    expect(await Promise.all([all(peer.channels$('a')), all(there.channels$('a'))])).toEqual([[], []]);
  });
});
