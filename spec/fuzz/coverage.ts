import { Session, type Profiler } from 'node:inspector/promises';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../', import.meta.url));

/** How much of a file's code has run. */
export interface Covered {
  /** Its path below `dist/`, without its ending. */
  readonly file: string;
  /** From 0 to 1, of its characters. */
  readonly share: number;
}

/** Watches which code of the library and the servers runs from now on in this process. */
export async function watchCoverage(): Promise<{ readonly take: () => Promise<readonly Covered[]> }> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  return {
    take: async () => {
      const { result } = await session.post('Profiler.takePreciseCoverage');
      session.disconnect();
      return result.flatMap(coveredOf).sort((a, b) => (a.file < b.file ? -1 : 1));
    },
  };
}

function coveredOf({ url, functions }: Profiler.ScriptCoverage): Covered[] {
  if (!url.startsWith('file:')) return [];
  const path = fileURLToPath(url);
  const file = relative(DIST, path).replace(/\.js$/, '');
  if (!file.startsWith('lib/') && !file.startsWith('servers/')) return [];
  // What is inside comes after what it is inside of, and counts.
  const hasRun = new Uint8Array(readFileSync(path).length);
  for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges))
    hasRun.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return [{ file, share: hasRun.reduce((sum, bit) => sum + bit, 0) / Math.max(1, hasRun.length) }];
}
