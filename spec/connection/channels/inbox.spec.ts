import { once } from 'node:events';
import { EMPTY, NEVER, of, Subject, take, type ObservableInput } from 'rxjs';
import { Inbox } from '../../../lib/connection/channels/inbox.js';
import { ClosedError, LineTooLongError, MessageTooLongError, ProtocolError } from '../../../lib/errors.js';
import { record } from '../../support/record.js';

/** An inbox with what it tells of itself, and a link that a spec plays. */
function open({ lineBytes = 1000, messageBytes = 1000, sendHighWaterBytes = 262_144 } = {}) {
  const told: string[] = [];
  let changes = 0;
  let leaves = 0;
  let read = 0;
  const faults: Error[] = [];
  const inbox = new Inbox({
    limits: { lineBytes, messageBytes, sendHighWaterBytes },
    onRead: (bytes) => (read += bytes),
    onLeave: () => leaves++,
    onChange: () => changes++,
    onDelivered: () => told.push('delivered'),
    onFault: (fault) => {
      told.push('fault');
      faults.push(fault);
    },
  });
  return {
    inbox,
    told,
    faults,
    changes: () => changes,
    leaves: () => leaves,
    /** How many bytes have been read so far. */
    read: () => read,
    push: (text: string) => {
      inbox.push(Buffer.from(text));
    },
  };
}

/** Lets everything that waits for the end of this run of JavaScript happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the reading half of a connection', () => {
  it('loses nothing that came before the first subscriber', async () => {
    const { inbox, push } = open();
    push('one\ntw');
    push('o\n');
    const { values } = record(inbox.lines$);
    await settled();
    push('three\n');
    expect(values).toEqual(['one', 'two', 'three']);
  });

  it('drops everything that waits when it is discarded, even decoded lines', async () => {
    const { inbox, push, read, told } = open();
    push('one\ntwo\n');
    const { values } = record(inbox.lines$.pipe(take(1)));
    await settled();
    expect([values, inbox.waiting, inbox.isRead]).toEqual([['one'], 0, false]);
    push('three\n');
    inbox.discard();
    const rest = record(inbox.lines$);
    await settled();
    expect([rest.values, rest.isCompleted, inbox.waiting, inbox.isRead]).toEqual([[], true, 0, true]);
    expect([read(), told]).toEqual([14, ['delivered']]);
  });

  it('gives the same lines to all who subscribe in the same run of JavaScript', async () => {
    const { inbox, push } = open();
    push('one\ntwo\n');
    const [first, second] = [record(inbox.lines$), record(inbox.lines$)];
    await settled();
    expect([first.values, second.values]).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
  });

  it('counts bytes as read when somebody reads them, and no sooner', async () => {
    const { inbox, push, read } = open();
    push('one\n');
    push('two\n');
    expect([inbox.waiting, read()]).toEqual([8, 0]);
    record(inbox.lines$);
    await settled();
    push('three\n');
    expect([inbox.waiting, read()]).toEqual([0, 14]);
  });

  it('knows whether somebody reads, and calls back when a reader leaves and when bytes come', async () => {
    const { inbox, push, changes, leaves } = open();
    expect(inbox.hasReader).toBeFalse();
    const { subscription } = record(inbox.lines$);
    await settled();
    expect([inbox.hasReader, inbox.isReading, leaves()]).toEqual([true, true, 0]);
    subscription.unsubscribe();
    expect([inbox.hasReader, leaves()]).toEqual([false, 1]);
    const before = changes();
    push('one\n');
    expect(changes()).toBe(before + 1);
  });

  it('drops what waits and what comes when it is abandoned, and counts it as read', () => {
    const { inbox, push, read } = open();
    push('one\n');
    inbox.abandon();
    push('two\n');
    expect([inbox.waiting, read()]).toEqual([0, 8]);
  });

  it('keeps for the next reader what the last one left unread, even within one chunk', async () => {
    const { inbox, push } = open();
    push('one\ntwo\nthree\nfo');
    const first = record(inbox.lines$.pipe(take(1)));
    await settled();
    expect(first.values).toEqual(['one']);
    push('ur\n');
    const second = record(inbox.lines$);
    await settled();
    expect(second.values).toEqual(['two', 'three', 'four']);
  });

  it('gives nothing to a reader that left before anything could come', async () => {
    const { inbox, push } = open();
    push('one\n');
    record(inbox.lines$).subscription.unsubscribe();
    await settled();
    expect(inbox.hasReader).toBeFalse();
    const next = record(inbox.lines$);
    await settled();
    expect(next.values).toEqual(['one']);
  });

  it('keeps the order when a reader causes more to come', async () => {
    const { inbox, push } = open();
    const values: string[] = [];
    inbox.lines$.subscribe({
      next: (text) => {
        values.push(text);
        if (text === 'one') push('four\n');
      },
      error: fail,
    });
    push('one\ntwo\nthree\n');
    await settled();
    expect(values).toEqual(['one', 'two', 'three', 'four']);
  });

  it('completes when all has been read up to the end, the last line without its newline', async () => {
    const { inbox, push, told } = open();
    push('one\ntwo');
    inbox.end('ended');
    expect(told).toEqual([]);
    const recording = record(inbox.lines$);
    await settled();
    expect(recording.values).toEqual(['one', 'two']);
    expect(recording.isCompleted).toBeTrue();
    expect(told).toEqual(['delivered']);
  });

  it('completes every reader at the end', async () => {
    const { inbox, push, told } = open();
    const recording = record(inbox.lines$);
    await settled();
    push('one\ntwo');
    inbox.end('ended');
    expect([recording.values, recording.isCompleted, told]).toEqual([['one', 'two'], true, ['delivered']]);
  });

  it('drops an incomplete last line when the link was cut', async () => {
    const { inbox, push, told } = open();
    push('one\ntwo');
    inbox.end('cut');
    push('three\n');
    const recording = record(inbox.lines$);
    await settled();
    expect([recording.values, recording.isCompleted, told]).toEqual([['one'], true, ['delivered']]);
  });

  it('completes at once for a reader that comes when everything has been read', async () => {
    const { inbox, told } = open();
    inbox.end('ended');
    record(inbox.lines$);
    await settled();
    const late = record(inbox.lines$);
    await settled();
    expect([late.values, late.isCompleted, told]).toEqual([[], true, ['delivered']]);
  });

  it('gives the lines before a fault, then tells of the fault, and not that all was read', async () => {
    for (const [text, kind] of [
      ['one\n123456\nthree\n', LineTooLongError],
      ['one\n1234567', LineTooLongError],
    ] as const) {
      const { inbox, push, told, faults } = open({ lineBytes: 5 });
      push(text);
      expect(told).toEqual([]);
      const recording = record(inbox.lines$);
      await settled();
      expect([recording.values, recording.isCompleted]).toEqual([['one'], true]);
      expect(told).toEqual(['fault']);
      expect(faults[0]).toBeInstanceOf(kind);
    }
  });

  it('reports a last line that is not UTF-8', async () => {
    const { inbox, told, faults } = open();
    inbox.push(Buffer.from([0x6f, 0x6b, 0x0a, 0xff]));
    inbox.end('ended');
    const { values } = record(inbox.lines$);
    await settled();
    expect([values, told]).toEqual([['ok'], ['fault']]);
    expect(faults[0]).toBeInstanceOf(ProtocolError);
  });
});

describe('eachLine$', () => {
  /** Reads with a project that a spec finishes line by line. */
  function slowly(inbox: Inbox, concurrent = 1) {
    const begun: string[] = [];
    const running: Subject<string>[] = [];
    const recording = record(
      inbox.eachLine$((text) => {
        const work = new Subject<string>();
        begun.push(text);
        running.push(work);
        return work.asObservable();
      }, concurrent),
    );
    return { begun, running, recording };
  }

  it('takes the next line when the last one is done, and holds back the others', async () => {
    const { inbox, push, read } = open();
    push('one\ntwo\n');
    const { begun, running } = slowly(inbox);
    await settled();
    push('three\nfour\n');
    expect(begun).toEqual(['one']);
    expect([inbox.waiting, read()]).toEqual([11, 8]);
    running[0]?.complete();
    expect(begun).toEqual(['one', 'two']);
    running[1]?.complete();
    expect(begun).toEqual(['one', 'two', 'three']);
    expect([inbox.waiting, read()]).toEqual([0, 19]);
  });

  it('works on as many lines at once as `concurrent` allows', async () => {
    const { inbox, push } = open();
    push('one\ntwo\nthree\nfour\n');
    const { begun, running } = slowly(inbox, 2);
    await settled();
    expect(begun).toEqual(['one', 'two']);
    running[1]?.complete();
    expect(begun).toEqual(['one', 'two', 'three']);
    running[0]?.complete();
    expect(begun).toEqual(['one', 'two', 'three', 'four']);
  });

  it('emits the results for each line, and completes when all lines are done', async () => {
    const { inbox, push } = open();
    push('one\ntwo\n');
    inbox.end('ended');
    const recording = record(inbox.eachLine$((text) => (text === 'one' ? of(text, text) : Promise.resolve(text)), 1));
    await settled();
    expect([recording.values, recording.isCompleted]).toEqual([['one', 'one', 'two'], true]);
  });

  it('holds back all other readers, too, while it is busy', async () => {
    const { inbox, push } = open();
    const { running } = slowly(inbox);
    const other = record(inbox.lines$);
    push('one\ntwo\n');
    await settled();
    expect(other.values).toEqual(['one']);
    running[0]?.complete();
    expect(other.values).toEqual(['one', 'two']);
  });

  it('unsubscribed from while it is busy, leaves the rest to the next reader', async () => {
    const { inbox, push } = open();
    push('one\ntwo\nthree\n');
    const { recording, begun } = slowly(inbox);
    await settled();
    recording.subscription.unsubscribe();
    expect(begun).toEqual(['one']);
    const next = record(inbox.lines$);
    await settled();
    expect(next.values).toEqual(['two', 'three']);
  });

  for (const [what, project] of [
    [
      'throws',
      (): ObservableInput<never> => {
        throw new Error('broken');
      },
    ],
    ['fails', (): ObservableInput<never> => Promise.reject(new Error('broken'))],
  ] as const) {
    it(`fails when a project ${what}, and leaves the rest to the next reader`, async () => {
      const { inbox, push } = open();
      push('one\ntwo\n');
      const recording = record(inbox.eachLine$(project, 1));
      await settled();
      expect(recording.error).toEqual(new Error('broken'));
      const next = record(inbox.lines$);
      await settled();
      expect(next.values).toEqual(['two']);
    });
  }

  it('goes on after a project that returns an empty Observable', async () => {
    const { inbox, push } = open();
    const recording = record(inbox.eachLine$((text) => (text === 'last' ? NEVER : EMPTY), 1));
    push('one\ntwo\nlast\n');
    await settled();
    expect([recording.error, recording.isCompleted]).toEqual([undefined, false]);
    expect(recording.values).toEqual([]);
  });
});

describe('toDuplex', () => {
  it('does not keep a whole read buffer in memory for a few waiting bytes, before and after it becomes a stream', async () => {
    const { inbox } = open();
    const few = () => Buffer.alloc(65_536, 'x').subarray(0, 10);
    inbox.push(few());
    inbox.push(few());
    const stream = inbox.toDuplex({
      write: () => undefined,
      close: () => undefined,
      abort: () => undefined,
      allowHalfOpen: false,
    });
    stream.read(0);
    inbox.push(few());
    await settled();
    const kept: number[] = [];
    stream.on('data', (chunk: Buffer) => kept.push(chunk.buffer.byteLength));
    await settled();
    expect(kept.length).toBeGreaterThan(0);
    expect(Math.max(...kept)).toBeLessThan(8_193);
    stream.destroy();
  });

  it('takes any limit of what waits to be sent', () => {
    for (const sendHighWaterBytes of [1, 65_535, Infinity]) {
      const { inbox } = open({ sendHighWaterBytes });
      streaming(inbox).stream.destroy();
    }
  });

  /** The inbox as a stream, with what the stream writes and whether it has closed. */
  function streaming(inbox: Inbox) {
    const written: string[] = [];
    let [closed, aborted] = [0, 0];
    const stream = inbox.toDuplex({
      write: (chunk, done) => {
        written.push(chunk.toString());
        done();
      },
      close: () => {
        closed++;
      },
      abort: () => {
        aborted++;
      },
      allowHalfOpen: false,
    });
    const read: string[] = [];
    stream.on('error', (error) => read.push(String(error)));
    return { stream, written, read, closed: () => closed, aborted: () => aborted };
  }

  it('gives all bytes unchanged, including those that came before it', async () => {
    const { inbox, push, told } = open({ lineBytes: 3 });
    push('long line without end');
    const { stream, read } = streaming(inbox);
    stream.on('data', (chunk: Buffer) => read.push(chunk.toString()));
    await settled();
    inbox.push(Buffer.from([0x0a]));
    await settled();
    expect(read.join('')).toBe('long line without end\n');
    expect(told).toEqual([]);
  });

  it('makes the peer wait while nobody reads the stream', async () => {
    const { inbox, read } = open();
    const { stream } = streaming(inbox);
    const chunk = Buffer.alloc(64 * 1024);
    for (let chunks = 0; chunks < 10; chunks++) {
      inbox.push(chunk);
      await settled();
    }
    // Node reads a little ahead.
    expect(read()).toBeLessThan(3 * chunk.length);
    let length = 0;
    stream.on('data', (bytes: Buffer) => (length += bytes.length));
    await settled();
    expect([length, read(), inbox.waiting]).toEqual([10 * chunk.length, 10 * chunk.length, 0]);
  });

  it('ends when the peer has ended, and ends the connection with it', async () => {
    const { inbox, push } = open();
    const { stream, read, closed } = streaming(inbox);
    stream.on('data', (chunk: Buffer) => read.push(chunk.toString()));
    stream.on('end', () => read.push('end'));
    push('bytes');
    inbox.end('ended');
    await settled();
    expect(read).toEqual(['bytes', 'end']);
    expect(closed()).toBeGreaterThan(0);
  });

  it('fails when the link was cut, after everything that had come', async () => {
    const { inbox, push } = open();
    const { stream, read } = streaming(inbox);
    push('bytes');
    inbox.end('cut');
    await settled();
    stream.on('data', (chunk: Buffer) => read.push(chunk.toString()));
    await settled();
    expect(read.at(-1)).toMatch(/ClosedError: The channel ended before the stream was at its end/);
  });

  it('writes to the connection, and closes it when it is ended or destroyed', async () => {
    const [ended, destroyed] = [streaming(open().inbox), streaming(open().inbox)];
    ended.stream.end('bye');
    destroyed.stream.destroy();
    await settled();
    expect(ended.written).toEqual(['bye']);
    expect([ended.closed() > 0, destroyed.closed() > 0]).toEqual([true, true]);
  });

  it('resets the channel when it is destroyed with an error, or a listener of its own throws', async () => {
    const [destroyed, thrown] = [open(), open()];
    const [one, other] = [streaming(destroyed.inbox), streaming(thrown.inbox)];
    one.stream.destroy(new Error('the file cannot be read'));
    other.stream.on('data', () => {
      throw new Error('thrown by a listener');
    });
    await settled();
    thrown.push('bytes');
    await settled();
    expect([one.aborted(), one.closed(), other.aborted(), other.closed()]).toEqual([1, 0, 1, 0]);
    expect(other.read).toEqual(['Error: thrown by a listener']);
  });

  it('counts as being read until its bytes have been read and the answer to them is written', async () => {
    const { inbox, push } = open();
    const written: string[] = [];
    const stream = inbox.toDuplex({
      write: (chunk, done) => {
        written.push(`${chunk.toString()} ${inbox.isReading}`);
        setImmediate(done);
      },
      close: () => undefined,
      abort: () => undefined,
      allowHalfOpen: false,
    });
    stream.on('data', (chunk: Buffer) => {
      stream.write(chunk);
      stream.write('answer');
    });
    push('bytes');
    inbox.end('ended');
    await once(stream, 'close');
    expect([written, inbox.isReading]).toEqual([['bytes true', 'answer true'], false]);
  });

  it('is the same stream at each call, and leaves no lines to other readers', async () => {
    const { inbox, push } = open();
    const { stream } = streaming(inbox);
    expect(streaming(inbox).stream).toBe(stream);
    push('one\n');
    const lines = record(inbox.lines$);
    await settled();
    expect([lines.values, lines.isCompleted]).toEqual([[], true]);
  });

  it('is refused when lines have been read: the bytes before would be missing', async () => {
    const reading = open();
    record(reading.inbox.lines$);
    expect(() => streaming(reading.inbox)).toThrowError(ClosedError);

    const half = open();
    half.push('one\ntwo\n');
    record(half.inbox.lines$.pipe(take(1)));
    await settled();
    expect(() => streaming(half.inbox)).toThrowError(ClosedError);

    const left = open();
    const { subscription } = record(left.inbox.lines$);
    left.push('one\nhalf of tw');
    await settled();
    subscription.unsubscribe();
    expect(() => streaming(left.inbox)).toThrowError(ClosedError);
  });
});

describe('messages', () => {
  /** A message as it travels. */
  const framed = (...messages: string[]) =>
    Buffer.concat(messages.map((text) => Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)])));

  it('arrive as they were sent, whatever the chunks, including empty ones and those with newlines', async () => {
    const { inbox } = open();
    const recording = record(inbox.messages$);
    for (const byte of framed('one', '', 'two\n', 'three')) inbox.push(Buffer.from([byte]));
    inbox.push(framed('four', 'five'));
    inbox.end('ended');
    await settled();
    expect(recording.values.map(String)).toEqual(['one', '', 'two\n', 'three', 'four', 'five']);
    expect(recording.isCompleted).toBeTrue();
  });

  it('end the channel when one is too long, after those before it', async () => {
    const { inbox, faults } = open({ messageBytes: 4 });
    const recording = record(inbox.messages$);
    inbox.push(framed('four', 'fives'));
    await settled();
    expect([recording.values.map(String), faults]).toEqual([['four'], [new MessageTooLongError(4)]]);
  });

  it('are waited for, one at a time', async () => {
    const { inbox } = open();
    const running: Subject<never>[] = [];
    const begun: string[] = [];
    record(
      inbox.eachMessage$((message) => {
        begun.push(String(message));
        const work = new Subject<never>();
        running.push(work);
        return work;
      }, 1),
    );
    inbox.push(framed('one', 'two'));
    await settled();
    expect(begun).toEqual(['one']);
    running[0]?.complete();
    expect(begun).toEqual(['one', 'two']);
  });

  it('cannot be read together with lines', async () => {
    const [lines, messages] = [open(), open()];
    record(lines.inbox.lines$);
    expect(record(lines.inbox.messages$).error).toBeInstanceOf(ClosedError);
    record(messages.inbox.messages$);
    expect(record(messages.inbox.lines$).isCompleted).toBeTrue();
    expect(() => messages.inbox.toDuplex({ write: fail, close: fail, abort: fail, allowHalfOpen: false })).toThrowError(
      ClosedError,
    );
    await settled();
  });
});
