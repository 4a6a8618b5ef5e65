import { Pack, type PackedFile } from '../../lib/files/pack.js';

/** A pack of these files. */
export function packOf(...files: readonly PackedFile[]): Buffer {
  const pack = new Pack();
  for (const file of files) {
    file.content.copy(pack.placeFor(file.content.length));
    pack.add(file);
  }
  return pack.take();
}
