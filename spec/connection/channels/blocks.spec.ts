import fc from 'fast-check';
import { Blocks } from '../../../lib/connection/channels/blocks.js';
import { VirtualClock } from '../virtual-links.js';

/** Long enough to be written to a block, in bytes. */
const LONG = 16_384;

/** A chunk of which each byte tells which it is. */
const chunk = (length: number, byte: number) => Buffer.alloc(length, byte);

describe('Blocks of memory', () => {
  const opened = () => {
    const clock = new VirtualClock();
    return { clock, blocks: new Blocks(clock) };
  };

  it('hold what was written, whatever is done with the source', () => {
    const { blocks } = opened();
    const source = chunk(LONG, 1);
    const copy = blocks.copyOf(source);
    source.fill(2);
    expect(copy.equals(chunk(LONG, 1))).toBeTrue();
  });

  it('are used again when the peer has all that is in them, and not before', () => {
    const { blocks } = opened();
    const [one, two] = [blocks.copyOf(chunk(60_000, 1)), blocks.copyOf(chunk(60_000, 2))];
    expect(two.buffer).not.toBe(one.buffer);
    blocks.release(one.subarray(0, 10));
    expect(blocks.copyOf(chunk(60_000, 3)).buffer).not.toBe(one.buffer);
    blocks.release(one.subarray(10));
    blocks.release(one);
    expect(blocks.copyOf(chunk(65_536, 4)).buffer).toBe(one.buffer);
    expect(blocks.copyOf(chunk(65_536, 5)).buffer)
      .withContext('it was released once too often')
      .not.toBe(one.buffer);
    expect(two.equals(chunk(60_000, 2))).toBeTrue();
  });

  it('are no more than twice as long as what is in them, or nearly', () => {
    const { blocks } = opened();
    for (const length of [LONG, 16_896, 16_897, 33_792, 33_793, 67_584]) {
      expect(blocks.copyOf(chunk(length, 1)).buffer.byteLength)
        .withContext(`${length} bytes`)
        .toBeLessThanOrEqual(2 * length);
    }
  });

  it('are lent to whoever does not know yet how much it will be', () => {
    const { blocks } = opened();
    const lent = blocks.allocate(40_000);
    lent.fill(2);
    const bytes = blocks.lend(lent.subarray(0, 30_000));
    blocks.release(bytes.subarray(0, 10_000));
    expect(blocks.allocate(40_000).buffer).not.toBe(lent.buffer);
    blocks.release(bytes.subarray(10_000));
    expect(blocks.allocate(40_000).buffer).toBe(lent.buffer);
    const [few, many] = [blocks.allocate(LONG - 1), blocks.allocate(67_585)];
    expect([few.length, many.length, blocks.lend(few)]).toEqual([LONG - 1, 67_585, few]);
  });

  it('are not used for what is short, or longer than one', () => {
    const { blocks } = opened();
    const one = blocks.copyOf(chunk(LONG, 1));
    for (const length of [0, 1, LONG - 1, 67_585, 1_000_000]) {
      const bytes = blocks.copyOf(chunk(length, 7));
      expect(bytes.equals(chunk(length, 7))).toBeTrue();
      expect(bytes.buffer === one.buffer)
        .withContext(`${length} bytes`)
        .toBeFalse();
      blocks.release(bytes);
    }
  });

  it('take texts of any characters, however many bytes those have', () => {
    for (const characters of ['a', 'ä', '中', '𝕏', 'aä', 'a中', 'aaaaaaa𝕏']) {
      const { blocks } = opened();
      for (let length = LONG - 2; length < 68_000; length += 1_013) {
        const text = characters.repeat(Math.ceil(length / characters.length)).slice(0, length - (length % 2));
        const bytes = blocks.encode(text);
        if (!bytes.equals(Buffer.from(text))) fail(`${length} times ${characters} is not as it was`);
        if (length % 3 === 0) blocks.release(bytes);
      }
    }
  });

  it('keep every byte until it is released, in whatever order that is', () => {
    const step = fc.record({
      length: fc.integer({ min: 1, max: 70_000 }),
      isText: fc.boolean(),
      release: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      releases: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { blocks } = opened();
        const kept: { readonly bytes: Buffer; readonly byte: number }[] = [];
        for (const [i, { length, isText, release, releases }] of steps.entries()) {
          const byte = 1 + (i % 120);
          const source = chunk(length, byte);
          kept.push({ bytes: isText ? blocks.encode(source.toString('latin1')) : blocks.copyOf(source), byte });
          for (let left = releases; left > 0 && kept.length > 0; left--) {
            const [gone] = kept.splice(Math.floor(release * kept.length), 1);
            if (gone === undefined) continue;
            const half = Math.floor(gone.bytes.length / 2);
            blocks.release(gone.bytes.subarray(0, half));
            blocks.release(gone.bytes.subarray(half));
          }
          for (const each of kept) {
            if (each.bytes.some((found) => found !== each.byte)) throw new Error('Something else was written there');
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('are given back as many as nobody has needed for a second, and all when the connection has ended', () => {
    const { blocks, clock } = opened();
    const all = [1, 2, 3].map((byte) => blocks.copyOf(chunk(65_536, byte)));
    const buffers = all.map(({ buffer }) => buffer);
    for (const bytes of all) blocks.release(bytes);
    const once = () => {
      const bytes = blocks.copyOf(chunk(65_536, 7));
      blocks.release(bytes);
      return buffers.includes(bytes.buffer);
    };
    for (let i = 0; i < 5; i++) {
      clock.pass(700);
      expect(once()).withContext('one is needed').toBeTrue();
    }
    const two = [blocks.copyOf(chunk(65_536, 8)), blocks.copyOf(chunk(65_536, 9))];
    expect(two.map(({ buffer }) => buffers.includes(buffer)))
      .withContext('the others were not')
      .toEqual([true, false]);
    for (const bytes of two) blocks.release(bytes);
    clock.pass(3_000);
    expect(once()).withContext('none was needed').toBeFalse();
    expect(clock.actions.length).toBe(1);
    blocks.close();
    expect(clock.actions.filter(({ closed }) => !closed)).toEqual([]);
    blocks.release(chunk(1, 1));
  });

  it('start no timer that nobody stops, when something is released late', () => {
    const { blocks, clock } = opened();
    const bytes = blocks.copyOf(chunk(65_536, 1));
    blocks.copyOf(chunk(65_536, 2));
    clock.pass(5_000);
    expect(clock.actions.filter(({ closed }) => !closed)).toEqual([]);
    blocks.release(bytes);
    clock.pass(5_000);
    expect(clock.actions.filter(({ closed }) => !closed)).toEqual([]);
    expect(blocks.copyOf(chunk(65_536, 3)).buffer).not.toBe(bytes.buffer);
  });
});
