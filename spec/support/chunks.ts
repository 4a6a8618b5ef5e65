import fc from 'fast-check';

/** Cuts bytes at the given places, wherever they fall: as a network might. */
export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** Where to {@link cut}. */
export const places: fc.Arbitrary<number[]> = fc.array(fc.nat(), { maxLength: 12 });

/** Bytes one by one. */
export function crumbs(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.of(byte));
}
