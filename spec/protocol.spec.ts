import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODECS, COMPUTED, type Codec } from './protocol/codecs.js';
import { PROTOCOL_FOLDER, readVectors, toJson, vectorFiles, type Vector } from './protocol/vectors.js';

function codecNamed(name: string): Codec {
  const found = CODECS[name];
  if (found === undefined) throw new Error(`No codec is called ${name}: add it to spec/protocol/codecs.ts`);
  return found;
}

function kindOf(vector: Vector): string {
  return 'compute' in vector ? vector.compute : vector.codec;
}

/** What is read, or `undefined` when it is refused, in whichever way. */
function readOrRefuse({ read }: Codec, wire: unknown): unknown {
  try {
    return read(wire);
  } catch {
    return undefined;
  }
}

describe('The documented protocol', () => {
  const files = vectorFiles();

  for (const file of files) {
    const { page, vectors } = readVectors(file);

    describe(`in vectors/${file}`, () => {
      it('is explained by a page that names the file', () => {
        expect(existsSync(join(PROTOCOL_FOLDER, page)))
          .withContext(page)
          .toBeTrue();
        expect(readFileSync(join(PROTOCOL_FOLDER, page), 'utf8')).toContain(`vectors/${file}`);
      });

      it('has vectors, each with a name of its own among those of its kind', () => {
        expect(vectors.length).toBeGreaterThan(0);
        expect(new Set(vectors.map((vector) => `${kindOf(vector)}: ${vector.name}`)).size).toBe(vectors.length);
      });

      for (const vector of vectors) {
        if ('compute' in vector) {
          it(`computes ${vector.compute}: ${vector.name}`, async () => {
            const compute = COMPUTED[vector.compute];
            expect(compute).withContext('a function in spec/protocol/codecs.ts').toBeDefined();
            expect(toJson(await compute?.(vector.given))).toEqual(vector.gives);
          });
        } else if ('refused' in vector) {
          it(`refuses ${vector.codec}: ${vector.name}`, () => {
            expect(readOrRefuse(codecNamed(vector.codec), vector.wire))
              .withContext(vector.refused)
              .toBeUndefined();
          });
        } else {
          it(`reads ${vector.isOnlyRead ? '' : 'and writes '}${vector.codec}: ${vector.name}`, () => {
            const { read, rewrite } = codecNamed(vector.codec);
            expect(read(vector.wire)).toEqual(vector.value);
            if (vector.isOnlyRead) expect(rewrite?.(vector.wire)).not.toEqual(vector.wire);
            else expect(rewrite === undefined ? vector.wire : rewrite(vector.wire)).toEqual(vector.wire);
          });
        }
      }
    });
  }

  it('has vectors for everything that the specs can read or compute', () => {
    const used = files.flatMap((file) => readVectors(file).vectors.map(kindOf));
    expect([...Object.keys(CODECS), ...Object.keys(COMPUTED)].filter((name) => !used.includes(name))).toEqual([]);
  });
});
