import { once } from 'node:events';
import {
  Subject,
  filter,
  firstValueFrom,
  from,
  fromEvent,
  lastValueFrom,
  map,
  range,
  take,
  timer,
  toArray,
} from 'rxjs';
import { ClosedError, InvalidTextError, SendBufferFullError, type Connection } from '../lib/index.js';
import { failureOf, Lab } from './support/nodes.js';

describe('A connection', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const linesOf = (connection: Connection, count: number) =>
    firstValueFrom(connection.lines$.pipe(take(count), toArray()));

  it('carries any text as it is', async () => {
    const { here, there } = await lab.pair();
    const texts = [
      '',
      ' ',
      'Zoë',
      '漢字',
      '🦊🦊',
      '\u2028',
      'tab\t',
      'a\rb',
      '\u0000',
      'x'.repeat(200_000),
      'ü'.repeat(99_999),
    ];
    const heard = linesOf(there, texts.length);
    for (const text of texts) here.send(text);
    expect(await heard).toEqual(texts);
  });

  it('refuses to send what would not arrive as it is', async () => {
    const { here } = await lab.pair({ limits: { lineBytes: 10 } });
    for (const text of ['a\nb', '\n', 'a\r', '12345678901', 'ääääää', '\uD800']) {
      expect(() => here.send(text)).toThrowError(InvalidTextError);
    }
    expect(here.send('1234567890')).toBeTrue();
  });

  it('keeps its lines for the first subscriber, and then gives every subscriber the same', async () => {
    const { here, there } = await lab.pair();
    for (const text of ['one', 'two', 'three']) here.send(text);
    // They have arrived: the ping that is answered went behind them.
    await firstValueFrom(here.path$.pipe(filter(({ roundTripMs }) => roundTripMs !== undefined)));
    const both = await Promise.all([linesOf(there, 3), linesOf(there, 3)]);
    expect(both).toEqual([
      ['one', 'two', 'three'],
      ['one', 'two', 'three'],
    ]);
  });

  it('keeps the lines that come while nobody reads, between two readers', async () => {
    const { here, there } = await lab.pair();
    here.send('one');
    here.send('two');
    expect(await linesOf(there, 1)).toEqual(['one']);
    expect(await linesOf(there, 1)).toEqual(['two']);
  });

  it('delivers all that was sent before it was closed, both ways', async () => {
    const { here, there } = await lab.pair();
    const count = 20_000;
    const answers = lastValueFrom(here.lines$.pipe(toArray()));
    const heard = lastValueFrom(
      there.lines$.pipe(
        map((text) => {
          there.send(`re: ${text}`);
          return text;
        }),
        toArray(),
      ),
    );
    for (let index = 0; index < count; index++) here.send(`line ${index}`);
    here.close();
    expect(here.send('too late')).toBeFalse();
    expect((await heard).length).toBe(count);
    // What the peer had to say to it still came.
    const all = await answers;
    expect(all.length).toBe(count);
    expect(all.at(-1)).toBe(`re: line ${count - 1}`);
    expect((await lastValueFrom(here.closed$)).code).toBe('closed');
    expect(await lastValueFrom(there.closed$)).toEqual({ code: 'closed', by: 'peer', message: 'closed by the peer' });
  });

  it('delivers to a reader that begins after the peer has closed', async () => {
    const { here, there } = await lab.pair();
    here.send('last words');
    here.close();
    await lastValueFrom(there.closed$);
    expect(await lastValueFrom(there.lines$.pipe(toArray()))).toEqual(['last words']);
  });

  it('tells why it ended, to whoever asks and whenever', async () => {
    const { here, there } = await lab.pair();
    there.close();
    expect((await lastValueFrom(here.closed$)).by).toBe('peer');
    expect((await lastValueFrom(here.closed$)).by).toBe('peer');
    expect((await lastValueFrom(there.closed$)).by).toBe('us');
    expect(await lastValueFrom(here.path$.pipe(toArray()))).toEqual([]);
  });

  it('pauses the peer while a slow reader works, and loses nothing', async () => {
    const limits = { sendHighWaterBytes: 65_536, readAheadBytes: 65_536 };
    const { here, there } = await lab.pair({ limits });
    const text = 'x'.repeat(1000);
    const count = 40_000; // 40 MB, far more than the kernel's buffers hold
    const work = new Subject<void>();
    const read: string[] = [];
    lab.use(
      there
        .eachLine$((line) => {
          read.push(line);
          return read.length === 1 ? work.pipe(take(1)) : [];
        })
        .subscribe(),
    );
    let sent = 0;
    const pump = () => {
      while (sent < count) {
        sent++;
        if (!here.send(text)) return;
      }
    };
    // Writes until the writer is told to wait and nothing drains any more: what is on the way is bounded.
    const stalled = new Promise<void>((resolve) => {
      const check = (rounds: number, at: number) => {
        setImmediate(() => {
          if (sent !== at) check(0, sent);
          else if (rounds > 2000) resolve();
          else check(rounds + 1, at);
        });
      };
      lab.use(here.drain$.subscribe(pump));
      pump();
      check(0, sent);
    });
    await stalled;
    expect(sent).toBeLessThan(count);
    expect(read.length).toBe(1);
    const all = firstValueFrom(
      there.lines$.pipe(
        filter(() => read.length >= count - 1),
        take(1),
      ),
    );
    work.next();
    await all;
    expect(read.length).toBeGreaterThanOrEqual(count - 1);
  });

  it('pulls what it sends from an iterable no faster than it can be sent', async () => {
    const { here, there } = await lab.pair({ limits: { sendHighWaterBytes: 10_000 } });
    let asked = 0;
    function* numbers() {
      for (; asked < 50_000; asked++) yield `${asked}`.padStart(100);
    }
    const sending = lastValueFrom(here.sendAll(numbers()), { defaultValue: undefined });
    // Nobody reads yet.
    await firstValueFrom(there.path$);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toBeLessThan(50_000);
    const heard = linesOf(there, 50_000);
    await sending;
    expect((await heard).at(-1)).toBe('49999'.padStart(100));
  });

  it('sends what an Observable and an async iterable bring', async () => {
    const { here, there } = await lab.pair();
    async function* later() {
      yield await Promise.resolve('three');
      yield 'four';
    }
    const heard = linesOf(there, 4);
    await lastValueFrom(here.sendAll(from(['one', 'two'])), { defaultValue: undefined });
    await lastValueFrom(here.sendAll(later()), { defaultValue: undefined });
    expect(await heard).toEqual(['one', 'two', 'three', 'four']);
  });

  it('fails to send all when it ends first', async () => {
    const { here, there } = await lab.pair();
    const endless = new Subject<string>();
    const failure = failureOf(here.sendAll(endless));
    endless.next('one');
    there.close();
    await lastValueFrom(here.closed$);
    endless.next('two');
    expect(await failure).toBeInstanceOf(ClosedError);
  });

  it('does not let an Observable that cannot wait fill the memory', async () => {
    const { here } = await lab.pair({ limits: { sendMaxBytes: 100_000, sendHighWaterBytes: 1_000 } });
    const flood$ = range(0, 100_000).pipe(map(() => 'x'.repeat(1000)));
    const failure = await failureOf(here.sendAll(flood$));
    expect(failure).toBeInstanceOf(SendBufferFullError);
    expect(String(failure)).toMatch(/50000 bytes .*`limits\.sendMaxBytes`, of which an Observable .* half/);
  });

  it('closes when the application writes on and on to a peer that does not read', async () => {
    const { here } = await lab.pair({ limits: { sendMaxBytes: 1_000_000, sendHighWaterBytes: 1_000 } });
    const text = 'x'.repeat(100_000);
    for (let index = 0; index < 1_000; index++) here.send(text);
    const reason = await lastValueFrom(here.closed$);
    expect(reason.code).toBe('send-buffer-full');
    expect(reason.error).toBeInstanceOf(SendBufferFullError);
  });

  it('closes, with the reason on both sides, when a line is too long', async () => {
    const { here, there } = await lab.pair({}, { limits: { lineBytes: 1000 } });
    const heard = lastValueFrom(there.lines$.pipe(toArray()));
    here.send('short');
    here.send('x'.repeat(1001));
    here.send('never read');
    expect(await heard).toEqual(['short']);
    const [ours, theirs] = await Promise.all([lastValueFrom(here.closed$), lastValueFrom(there.closed$)]);
    expect([ours.code, ours.by]).toEqual(['line-too-long', 'peer']);
    expect([theirs.code, theirs.by, theirs.error?.code]).toEqual(['line-too-long', 'us', 'LINE_TOO_LONG']);
  });

  it('delivers all that was sent before it was closed to a reader that takes its time', async () => {
    const { here, there } = await lab.pair({ timing: { closeMs: 300 } });
    const text = 'x'.repeat(100_000);
    const count = 200; // 20 MB, at a pace at which it takes several times as long as nothing at all may happen
    const read = lastValueFrom(there.eachLine$((line) => timer(8).pipe(map(() => line.length))).pipe(toArray()));
    for (let index = 0; index < count; index++) here.send(text);
    here.close();
    expect((await read).length).toBe(count);
  });

  it('tells whoever waits for room that there will be none', async () => {
    const { here, there } = await lab.pair({ limits: { sendHighWaterBytes: 1_000 } });
    const drained = lastValueFrom(here.drain$, { defaultValue: 'completed' });
    here.close();
    await lastValueFrom(there.closed$);
    expect(await drained).toBe('completed');
  });

  it('gives back what an iterable holds when sending it is given up', async () => {
    const { here } = await lab.pair({ limits: { sendHighWaterBytes: 1_000 } });
    const released = new Promise<string>((resolve) => {
      function* numbers() {
        try {
          for (;;) yield 'x'.repeat(1_000);
        } finally {
          resolve('released');
        }
      }
      const sending = here.sendAll(numbers()).subscribe();
      here.drain$.pipe(take(1)).subscribe(() => {
        sending.unsubscribe();
      });
    });
    expect(await released).toBe('released');
  });

  it('lets a stream go that was destroyed with something unread', async () => {
    const { here, there } = await lab.pair();
    const duplex = there.toDuplex();
    here.send('x'.repeat(500_000));
    await once(duplex, 'readable');
    duplex.destroy();
    expect((await lastValueFrom(here.closed$)).code).toBe('closed');
    expect((await lastValueFrom(there.closed$)).code).toBe('closed');
  });

  it('keeps a peer that answers its heartbeats', async () => {
    const { here } = await lab.pair(
      { timing: { heartbeatMs: 20, silenceMs: 60 } },
      { timing: { heartbeatMs: 60_000 } },
    );
    const stopped = lab.use(here.closed$.subscribe());
    // A peer that lives answers each heartbeat.
    const roundTrips = here.path$.pipe(filter(({ roundTripMs }) => roundTripMs !== undefined));
    await firstValueFrom(roundTrips.pipe(take(5), toArray()));
    expect(stopped.closed).toBeFalse();
  });

  describe('as a Node stream', () => {
    it('carries bytes, with backpressure and an end', async () => {
      const { here, there } = await lab.pair();
      const bytes = Buffer.alloc(3_000_000, 'no line\u00ff in here');
      const chunks: Buffer[] = [];
      const duplex = there.toDuplex();
      duplex.on('data', (chunk: Buffer) => chunks.push(chunk));
      const ended = once(duplex, 'end');
      here.toDuplex().end(bytes);
      await ended;
      expect(Buffer.concat(chunks).equals(bytes)).toBeTrue();
      expect((await lastValueFrom(here.closed$)).code).toBe('closed');
    });

    it('carries what was written, whatever the writer does with its memory as soon as it may write more', async () => {
      const { here, there } = await lab.pair();
      const [length, chunks] = [100_000, 50];
      const heard = new Promise<string[]>((resolve) => {
        const wrong: string[] = [];
        let at = 0;
        there.toDuplex().on('data', (bytes: Buffer) => {
          for (const [i, byte] of bytes.entries()) {
            const chunk = Math.floor((at + i) / length);
            if (byte !== chunk + 1) wrong.push(`${byte} in chunk ${chunk}`);
          }
          at += bytes.length;
          if (at === length * chunks) resolve(wrong);
        });
      });
      const [stream, memory] = [here.toDuplex(), Buffer.alloc(length)];
      for (let i = 0; i < chunks; i++) {
        memory.fill(i + 1);
        await new Promise((resolve) => stream.write(memory, resolve));
      }
      memory.fill(0);
      expect(await heard).toEqual([]);
    });

    it('carries answers back', async () => {
      const { here, there } = await lab.pair();
      const echo = there.toDuplex();
      echo.pipe(echo);
      const duplex = here.toDuplex();
      duplex.write('ping');
      const answer = await firstValueFrom(fromEvent(duplex, 'data').pipe(map(String)));
      expect(answer).toBe('ping');
      duplex.destroy();
      await lastValueFrom(there.closed$);
    });

    it('speaks lines to a peer that reads lines', async () => {
      const { here, there } = await lab.pair();
      const heard = linesOf(there, 2);
      here.toDuplex().write('one\ntwo\n');
      expect(await heard).toEqual(['one', 'two']);
    });

    it('is not to be had once lines were read, and leaves no lines to others', async () => {
      const { here, there, peer } = await lab.pair();
      const all = lab.collect(peer.lines$);
      const reading = there.lines$.subscribe();
      expect(() => there.toDuplex()).toThrowError(ClosedError);
      reading.unsubscribe();
      here.toDuplex();
      expect(await lastValueFrom(here.lines$.pipe(toArray()))).toEqual([]);
      expect(all).toEqual([]);
    });
  });
});
