import { ownBytes } from '../../lib/bounds/own-bytes.js';

describe('Own bytes', () => {
  const read = Buffer.alloc(65_536, 'a message ');

  it('are a copy when they are a small part of a larger buffer', () => {
    const piece = read.subarray(100, 110);
    const own = ownBytes(piece);
    expect(own).toEqual(piece);
    expect(own.buffer.byteLength).toBe(10);
  });

  it('are not copied when they are most of their buffer: a copy would cost more than it saves', () => {
    const most = read.subarray(0, 40_000);
    expect(ownBytes(most)).toBe(most);
    expect(ownBytes(read)).toBe(read);
  });

  it('take no more memory than they have bytes, also where the larger buffer is one of the pool of Node', () => {
    expect(ownBytes(Buffer.from('ten bytes!')).buffer.byteLength).toBe(10);
  });

  it('may be empty', () => {
    expect(ownBytes(read.subarray(5, 5)).buffer.byteLength).toBe(0);
  });
});
