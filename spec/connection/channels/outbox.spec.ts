import { EMPTY, NEVER, of, ReplaySubject, Subject, throwError } from 'rxjs';
import { Outbox } from '../../../lib/connection/channels/outbox.js';
import { ClosedError, InvalidTextError, SendBufferFullError } from '../../../lib/errors.js';
import { record } from '../../support/record.js';

/** An outbox with a link that writes to the system when a spec says so. */
function open({ lineBytes = 1000, sendHighWaterBytes = 20, sendMaxBytes = 100 } = {}) {
  const written: string[] = [];
  const overflows: Error[] = [];
  const closed = new ReplaySubject<{ readonly message: string }>(1);
  let waiting = 0;
  const end = (message: string) => {
    outbox.close();
    closed.next({ message });
    closed.complete();
  };
  const outbox = new Outbox({
    limits: { lineBytes, messageBytes: 10_000, sendHighWaterBytes, sendMaxBytes },
    lineEnd: '\n',
    write: (bytes) => {
      written.push(bytes.toString());
      waiting += bytes.length;
    },
    waiting: () => waiting,
    // A connection ends when that happens.
    onFault: (error) => {
      overflows.push(error);
      end(error.message);
    },
    closed$: closed.asObservable(),
  });
  return {
    outbox,
    written,
    overflows,
    end,
    /** The link hands bytes to the system: all, or so many. */
    drain: (bytes = waiting) => {
      waiting -= bytes;
      outbox.written();
    },
  };
}

/** Lets everything that waits for the end of this run of JavaScript happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the writing half of a connection', () => {
  it('writes the lines that are sent in one run of JavaScript at once', async () => {
    const { outbox, written } = open();
    for (const text of ['one', '', 'drei €']) outbox.send(text);
    expect(written).toEqual([]);
    await settled();
    expect(written).toEqual(['one\n\ndrei €\n']);
    outbox.send('four');
    await settled();
    expect(written).toEqual(['one\n\ndrei €\n', 'four\n']);
  });

  it('writes a batch when it is long enough', () => {
    const { outbox, written } = open({ lineBytes: 50_000, sendMaxBytes: 200_000 });
    outbox.send('a'.repeat(30_000));
    expect(written).toEqual([]);
    outbox.send('b'.repeat(30_000));
    expect(written.map(({ length }) => length)).toEqual([60_002]);
  });

  it('refuses what is not one line, and sends what came before and after it', async () => {
    const { outbox, written } = open({ lineBytes: 5 });
    outbox.send('one');
    for (const text of ['a\nb', 'a\r', '123456', '\ud800']) {
      expect(() => outbox.send(text))
        .withContext(text)
        .toThrowError(InvalidTextError);
    }
    outbox.send('two');
    await settled();
    expect(written).toEqual(['one\ntwo\n']);
  });

  it('tells the writer to wait, and to go on once a quarter has been sent', async () => {
    const { outbox, drain } = open({ sendHighWaterBytes: 20 });
    const { values } = record(outbox.drain$);
    expect(outbox.send('123456789')).toBeTrue();
    expect(outbox.send('123456789')).toBeFalse();
    await settled();
    drain(4);
    expect(values).toHaveSize(0);
    drain(1);
    expect(values).toHaveSize(1);
    drain();
    expect(values).toHaveSize(1);
  });

  it('does not tell a writer to go on that was not told to wait', async () => {
    const { outbox, drain } = open();
    const { values } = record(outbox.drain$);
    outbox.send('one');
    await settled();
    drain();
    expect(values).toEqual([]);
  });

  it('counts what was sent and has not gone to the system yet', async () => {
    const { outbox, drain } = open();
    outbox.send('one');
    expect(outbox.buffered).toBe(4);
    await settled();
    expect(outbox.buffered).toBe(4);
    drain();
    expect(outbox.buffered).toBe(0);
  });

  it('ends the channel when the writer does not stop', () => {
    const { outbox, overflows } = open({ sendMaxBytes: 100 });
    for (let count = 0; count < 10; count++) outbox.send('123456789');
    expect(overflows).toEqual([]);
    expect(outbox.send('')).toBeFalse();
    expect(overflows).toEqual([new SendBufferFullError(100)]);
  });

  it('writes what was sent before it was closed, and nothing sent afterwards', async () => {
    const { outbox, written } = open();
    outbox.send('one');
    outbox.close();
    expect(written).toEqual(['one\n']);
    expect(outbox.send('two')).toBeFalse();
    outbox.sendBytes(Buffer.from('three'), () => undefined);
    await settled();
    expect(written).toEqual(['one\n']);
  });
});

describe('bytes that are sent as they are', () => {
  it('keep their place behind the lines before them', async () => {
    const { outbox, written } = open();
    outbox.send('line');
    outbox.sendBytes(Buffer.from('bytes'), () => undefined);
    await settled();
    expect(written.join('')).toBe('line\nbytes');
  });

  it('may be followed by more when there is room', () => {
    const { outbox, drain } = open({ sendHighWaterBytes: 20 });
    const done: unknown[] = [];
    const sendBytes = (length: number) => {
      outbox.sendBytes(Buffer.alloc(length), (error) => done.push(error));
    };
    sendBytes(10);
    expect(done).toEqual([undefined]);
    sendBytes(10);
    expect(done).toEqual([undefined]);
    drain(10);
    expect(done).toEqual([undefined, undefined]);
  });

  it('are told when the channel has ended already', () => {
    const { outbox, end } = open();
    const done: unknown[] = [];
    end('the peer is gone');
    outbox.sendBytes(Buffer.alloc(1), (error) => done.push(error));
    expect(done).toEqual([new ClosedError('The channel ended before all was sent')]);
  });

  it('are told when the connection ends before there is room', () => {
    const { outbox, end } = open();
    const done: unknown[] = [];
    outbox.sendBytes(Buffer.alloc(20), (error) => done.push(error));
    end('the peer is gone');
    expect(done).toEqual([new ClosedError('The channel ended before all was sent: the peer is gone')]);
  });
});

describe('sendAll', () => {
  it('sends nothing before it is subscribed to', async () => {
    const { outbox, written } = open();
    void outbox.sendAll(['one']);
    await settled();
    expect(written).toEqual([]);
  });

  async function* generate(): AsyncGenerator<string> {
    yield 'one';
    await settled();
    yield 'two';
  }

  for (const [what, lines] of [
    ['an array', () => ['one', 'two']],
    ['an iterable', () => new Set(['one', 'two'])],
    ['an async iterable', generate],
    ['an Observable', () => of('one', 'two')],
    ['a promise', () => Promise.all([]).then(() => 'one\u2028two')],
  ] as const) {
    it(`sends the lines of ${what}, and completes when the system has them`, async () => {
      const { outbox, written, drain } = open();
      const recording = record(outbox.sendAll(lines()));
      await settled();
      await settled();
      expect(written.join('').replace('\u2028', '\n')).toBe('one\ntwo\n');
      expect(recording.isCompleted).toBeFalse();
      drain();
      expect([recording.isCompleted, recording.error]).toEqual([true, undefined]);
    });
  }

  it('completes at once when there is nothing to send', async () => {
    for (const lines of [[], EMPTY]) {
      const recording = record(open().outbox.sendAll(lines));
      await settled();
      expect(recording.isCompleted).toBeTrue();
    }
  });

  it('asks an iterable for a line only when there is room for it', async () => {
    const { outbox, drain, overflows } = open({ sendHighWaterBytes: 20 });
    let asked = 0;
    function* endless() {
      for (;;) {
        asked++;
        yield '123456789';
      }
    }
    record(outbox.sendAll(endless()));
    for (let round = 1; round <= 50; round++) {
      await settled();
      expect(asked).toBe(2 * round);
      drain();
    }
    expect(overflows).toEqual([]);
  });

  it('fails when too many lines of an Observable queue up', () => {
    const { outbox, overflows, written } = open({ sendMaxBytes: 100 });
    const lines = new Subject<string>();
    const recording = record(outbox.sendAll(lines.asObservable()));
    for (let count = 0; count < 20; count++) lines.next('123456789');
    expect(recording.error).toEqual(new SendBufferFullError(50));
    expect(lines.observed).toBeFalse();
    // The connection itself is as it was.
    expect(overflows).toEqual([]);
    outbox.flush();
    expect(written.join('')).toHaveSize(60);
  });

  it('unsubscribed from, sends no more', async () => {
    const { outbox, written } = open();
    const lines = new Subject<string>();
    const { subscription } = record(outbox.sendAll(lines.asObservable()));
    lines.next('one');
    subscription.unsubscribe();
    expect(lines.observed).toBeFalse();
    await settled();
    expect(written).toEqual(['one\n']);
  });

  it('unsubscribed from while it waits for room, asks an iterable for no more and lets it clean up', async () => {
    const { outbox, written, drain } = open({ sendHighWaterBytes: 5 });
    const events: string[] = [];
    function* lines() {
      try {
        for (const text of ['12345', 'two', 'three']) {
          events.push(text);
          yield text;
        }
      } finally {
        events.push('cleaned up');
      }
    }
    const { subscription } = record(outbox.sendAll(lines()));
    await settled();
    subscription.unsubscribe();
    drain();
    await settled();
    expect(events).toEqual(['12345', 'cleaned up']);
    expect(written).toEqual(['12345\n']);
  });

  it('fails when the connection ends while it waits for room, and lets the iterable clean up', async () => {
    const { outbox, end } = open({ sendHighWaterBytes: 5 });
    let isCleanedUp = false;
    async function* lines() {
      try {
        yield '12345';
        await settled();
        yield 'never';
      } finally {
        isCleanedUp = true;
      }
    }
    const recording = record(outbox.sendAll(lines()));
    await settled();
    end('the peer is gone');
    await settled();
    expect(recording.error).toEqual(new ClosedError('The channel ended before all was sent: the peer is gone'));
    expect(isCleanedUp).toBeTrue();
  });

  it('fails when the connection ends while the last lines wait to be written', async () => {
    const { outbox, end } = open();
    const recording = record(outbox.sendAll(['one']));
    await settled();
    end('the peer is gone');
    expect(recording.error).toBeInstanceOf(ClosedError);
  });

  it('fails when the connection has ended, or ends while lines still come', async () => {
    const ended = open();
    ended.end('closed here');
    const late = record(ended.outbox.sendAll(['one']));

    const ending = open();
    const lines = new Subject<string>();
    const recording = record(ending.outbox.sendAll(lines.asObservable()));
    lines.next('one');
    ending.end('closed here');
    lines.next('two');
    await settled();
    expect([late.error, recording.error]).toEqual([jasmine.any(ClosedError), jasmine.any(ClosedError)]);
    expect(ending.written).toEqual(['one\n']);
  });

  it('fails when its source does, or at a text that is not one line', async () => {
    const { outbox } = open();
    const failing = record(outbox.sendAll(throwError(() => new Error('broken'))));
    const wrong = [record(outbox.sendAll(['ok', 'a\nb'])), record(outbox.sendAll(of('ok', 'a\nb')))];
    await settled();
    expect(failing.error).toEqual(new Error('broken'));
    for (const { error } of wrong) expect(error).toBeInstanceOf(InvalidTextError);
  });

  it('waits until an Observable completes', async () => {
    const recording = record(open().outbox.sendAll(NEVER));
    await settled();
    expect([recording.isCompleted, recording.error]).toEqual([false, undefined]);
  });
});
