import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import { noop } from 'rxjs';
import { FramedLink, FramedWire } from '../../lib/link/framed-link.js';
import { encodeFrame, FRAME } from '../../lib/link/frames.js';
import { linkOf } from '../support/attempts.js';
import { VirtualClock } from '../connection/virtual-links.js';

describe('A framed', () => {
  /** Over a stream on which something has happened before; how often it tells of its end. */
  function endsOf(stream: PassThrough): { readonly framed: FramedLink; readonly ends: readonly (Error | undefined)[] } {
    const ends: (Error | undefined)[] = [];
    const framed = new FramedLink({ ...linkOf('relay'), stream }, new FramedWire());
    framed.attach({ frame: fail, heard: noop, written: noop, closed: (error) => ends.push(error) });
    framed.setFlowing(true);
    return { framed, ends };
  }

  it('reports once that its link is gone, even if it was gone before', async () => {
    const stream = new PassThrough();
    stream.destroy();
    await once(stream, 'close');
    const { framed, ends } = endsOf(stream);
    expect([framed.isBroken, ends.length]).toEqual([true, 1]);
  });

  it('reports once that nothing comes any more, even if that was so before', async () => {
    const stream = new PassThrough({ allowHalfOpen: true, autoDestroy: false });
    stream.end();
    stream.resume();
    await once(stream, 'end');
    const { ends } = endsOf(stream);
    expect(ends).toEqual([undefined]);
    stream.destroy();
  });

  it('runs a scheduled action, unless its link is gone by then', async () => {
    const clock = new VirtualClock();
    const done: string[] = [];
    const streams = ['stays', 'goes', 'is gone'].map((name) => ({ name, stream: new PassThrough() }));
    const [, goes, isGone] = streams;
    isGone?.stream.destroy();
    if (isGone) await once(isGone.stream, 'close');
    for (const { name, stream } of streams) {
      endsOf(stream).framed.after(1_000, clock, () => {
        done.push(name);
      });
    }
    goes?.stream.destroy();
    if (goes) await once(goes.stream, 'close');
    clock.pass(1_000);
    expect(done).toEqual(['stays']);
    for (const { stream } of streams) stream.destroy();
  });

  describe('reads', () => {
    /** How long a full TLS record is. */
    const RECORD_BYTES = 16_384;

    /** What is heard of a link over a stream on which chunks appear. */
    function open() {
      const stream = new Duplex({ read: noop, write: noop });
      const framed = new FramedLink({ ...linkOf('direct'), stream }, new FramedWire());
      const heard: string[] = [];
      framed.attach({
        frame: ({ payload }) => heard.push(payload.toString('utf8', 0, 1)),
        heard: () => heard.push('|'),
        written: noop,
        closed: () => heard.push('closed'),
      });
      framed.setFlowing(true);
      /** A chunk with one frame of data. */
      const arrives = (letter: string, bytes = RECORD_BYTES) => {
        stream.emit('data', encodeFrame(FRAME.data, Buffer.alloc(bytes - 4, letter)));
      };
      return { stream, framed, heard, arrives };
    }

    /** What is read at the end of a turn of the event loop has been read. */
    const turnIsOver = () => new Promise((resolve) => setImmediate(resolve));

    it('what is no full record at once', () => {
      const { stream, heard, arrives } = open();
      arrives('a', 100);
      arrives('b', RECORD_BYTES - 1);
      expect(heard.join('')).toBe('a|b|');
      stream.destroy();
    });

    it('full records, and what follows them, together at the end of the turn', async () => {
      const { stream, heard, arrives } = open();
      arrives('a');
      arrives('b');
      arrives('c', 100);
      expect(heard).toEqual([]);
      await turnIsOver();
      expect(heard.join('')).toBe('abc|');
      arrives('d', 100);
      expect(heard.join('')).toBe('abc|d|');
      stream.destroy();
    });

    it('no more than 32 records together', () => {
      const { framed, heard, arrives } = open();
      for (let i = 0; i < 33; i++) arrives('a');
      expect(heard.join('')).toBe(`${'a'.repeat(32)}|`);
      framed.destroy();
    });

    it('no more than 256 records of all links together', () => {
      const links = Array.from({ length: 20 }, open);
      for (let i = 0; i < 13; i++) for (const { arrives } of links) arrives('a');
      const read = links.reduce((sum, { heard }) => sum + heard.filter((each) => each === 'a').length, 0);
      expect(read).toBe(256);
      for (const { framed } of links) framed.destroy();
    });

    it('what has come before the link breaks, and hands it over before it tells that', async () => {
      const { stream, heard, arrives } = open();
      arrives('a');
      const closed = new Promise((resolve) => stream.once('close', resolve));
      stream.destroy(new Error('broken'));
      await closed;
      expect(heard.join('')).toBe('a|closed');
    });

    it('the rest of what was gathered after a receiver has failed at one of them', async () => {
      const { framed, heard, arrives } = open();
      framed.attach({
        frame: ({ payload }) => {
          const letter = payload.toString('utf8', 0, 1);
          if (letter === 'a') throw new Error('failed');
          heard.push(letter);
        },
        heard: noop,
        written: noop,
        closed: noop,
      });
      arrives('a');
      for (let i = 0; i < 30; i++) arrives('b');
      // As many as are read at once.
      expect(() => {
        arrives('b');
      }).toThrowError('failed');
      expect(heard).toEqual([]);
      await turnIsOver();
      expect(heard.join('')).toBe('b'.repeat(31));
      framed.destroy();
    });

    it('nothing after what cannot be read', async () => {
      const { stream, heard, arrives } = open();
      arrives('a');
      stream.emit('data', Buffer.alloc(RECORD_BYTES, 0x7f));
      arrives('b');
      await turnIsOver();
      arrives('c', 100);
      expect(heard.slice(0, 2)).toEqual(['a', 'closed']);
      expect(heard).not.toContain('b');
      expect(heard).not.toContain('c');
      stream.destroy();
    });

    it('nothing after a frame at which the receiver destroys the link', async () => {
      const { stream, framed, heard, arrives } = open();
      framed.attach({
        frame: ({ payload }) => {
          heard.push(payload.toString('utf8', 0, 1));
          framed.destroy();
        },
        heard: noop,
        written: noop,
        closed: noop,
      });
      for (const letter of ['a', 'b', 'c']) arrives(letter);
      await turnIsOver();
      expect([heard.join(''), stream.destroyed]).toEqual(['a', true]);
    });

    it('what comes while it reads behind what came before', async () => {
      const { framed, heard, arrives } = open();
      let isFirst = true;
      framed.attach({
        frame: ({ payload }) => {
          heard.push(payload.toString('utf8', 0, 1));
          if (isFirst) arrives('z', 100);
          isFirst = false;
        },
        heard: noop,
        written: noop,
        closed: noop,
      });
      for (const letter of ['a', 'b', 'c']) arrives(letter);
      await turnIsOver();
      expect(heard.join('')).toBe('abcz');
      framed.destroy();
    });

    it('what was held, and tells that it was heard, when it is wanted', () => {
      const { framed, heard, arrives } = open();
      framed.setFlowing(false);
      arrives('a', 100);
      heard.length = 0;
      framed.setFlowing(true);
      expect(heard.join('')).toBe('a|');
      framed.destroy();
    });

    it('nothing more once it is destroyed', async () => {
      const { framed, heard, arrives } = open();
      arrives('a');
      framed.destroy();
      await turnIsOver();
      expect(heard).toEqual(['closed']);
    });
  });

  describe('writes', () => {
    /** A link, and what its stream is given at once, in bytes. */
    function open() {
      const writes: number[] = [];
      let done: () => void = noop;
      let told = 0;
      const stream = new Duplex({
        read: noop,
        writev: (chunks: readonly { readonly chunk: Buffer }[], callback) => {
          writes.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0));
          done = callback;
        },
      });
      const framed = new FramedLink({ ...linkOf('direct'), stream }, new FramedWire());
      const written = (bytes: number) => {
        told += bytes;
      };
      framed.attach({ frame: noop, heard: noop, written, closed: noop });
      /** The system has taken what it was given. */
      const taken = () => {
        done();
        return new Promise((resolve) => setImmediate(resolve));
      };
      return { stream, framed, writes, taken, told: () => told };
    }

    it('together what was written in one action', () => {
      const { stream, framed, writes } = open();
      framed.corked(() => {
        framed.write(FRAME.data, Buffer.alloc(8));
        framed.corked(() => {
          framed.write(FRAME.data, Buffer.alloc(1_000));
        });
        expect(writes).toEqual([]);
      });
      expect(writes).toEqual([1_016]);
      stream.destroy();
    });

    it('together what is written while a chunk is read', () => {
      const { stream, framed, writes } = open();
      const answer = () => {
        framed.write(FRAME.pong, Buffer.alloc(8));
      };
      framed.attach({ frame: answer, heard: answer, written: noop, closed: noop });
      framed.setFlowing(true);
      stream.emit('data', Buffer.concat([1, 2, 3].map((byte) => encodeFrame(FRAME.ping, Buffer.alloc(8, byte)))));
      expect(writes).toEqual([48]);
      stream.destroy();
    });

    it('together what was written in one turn of the event loop, where that is asked for', async () => {
      const { stream, framed, writes, taken } = open();
      framed.corkTurn();
      framed.write(FRAME.hello, Buffer.alloc(8));
      framed.corked(() => {
        framed.write(FRAME.data, Buffer.alloc(1_000));
      });
      await Promise.resolve();
      framed.write(FRAME.data, Buffer.alloc(100));
      expect(writes).toEqual([]);
      await taken();
      expect(writes).toEqual([12 + 1_004 + 104]);
      stream.destroy();
    });

    it('at once what is left when it ends, since the process may end in this turn', async () => {
      const { stream, framed, writes, taken } = open();
      framed.corkTurn();
      framed.corked(() => {
        framed.write(FRAME.end, Buffer.alloc(8));
        framed.end();
        expect(writes).toEqual([12]);
      });
      await taken();
      expect(stream.writableFinished).toBe(true);
      stream.destroy();
    });

    it('nothing at the end of a turn in which it was destroyed', async () => {
      const { stream, framed, writes, taken, told } = open();
      framed.corkTurn();
      framed.write(FRAME.data, Buffer.alloc(1_000_000));
      framed.destroy();
      await taken();
      expect([writes, framed.buffered, told()]).toEqual([[], 0, 0]);
      expect(stream.errored).toBeNull();
    });

    it('full TLS records while there is more, and all of it in the end', async () => {
      const { stream, framed, writes, taken } = open();
      framed.corked(() => {
        for (let i = 0; i < 3; i++) framed.write(FRAME.data, Buffer.alloc(65_536));
      });
      for (let i = 0; i < 4; i++) await taken();
      expect(writes).toEqual([65_536, 65_536, 65_536, 12]);
      expect(framed.buffered).toBe(0);
      stream.destroy();
    });

    it('as much at once as is set', async () => {
      const { stream, framed, writes, taken } = open();
      framed.setBatch(131_072);
      framed.corked(() => {
        for (let i = 0; i < 3; i++) framed.write(FRAME.data, Buffer.alloc(65_536));
      });
      await taken();
      expect(writes).toEqual([131_072, 3 * 65_540 - 131_072]);
      stream.destroy();
    });

    it('what an action has written also when it fails', () => {
      const { stream, framed, writes } = open();
      expect(() => {
        framed.corked(() => {
          framed.write(FRAME.data, Buffer.alloc(8));
          throw new Error('failed');
        });
      }).toThrowError('failed');
      expect(writes).toEqual([12]);
      stream.destroy();
    });
  });
});
