import { Pack } from '../../lib/files/pack.js';

/** A pack of small files with these contents, by their numbers. */
export function packOf(...files: readonly (readonly [index: number, content: Buffer])[]): Buffer {
  const pack = new Pack();
  for (const [index, content] of files) {
    pack.add(index, content.length, (place) => {
      content.copy(place);
      return undefined;
    });
  }
  return pack.take();
}
