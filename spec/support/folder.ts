import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives each spec of a suite an empty folder, gone when the spec is over. Returns the path of a file in it. */
export function temporaryFolder(): (file: string) => string {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rxp2p-spec-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  return (file) => join(folder, file);
}
