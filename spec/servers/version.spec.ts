import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { programName, readVersion, versionIn } from '../../servers/version.js';

describe('The version of the servers', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rxp2p-version-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('is that of this package, and of no other that stands in its place', () => {
    const file = join(folder, 'package.json');
    const said = (text: string) => {
      writeFileSync(file, text);
      return versionIn(pathToFileURL(file));
    };
    expect(said('{"name":"rxp2p","version":"1.2.3"}')).toBe('1.2.3');
    expect(said('{"name":"some-app","version":"1.2.3"}')).toBeUndefined();
    expect(said('{"name":"rxp2p"}')).toBeUndefined();
    expect(said('no JSON')).toBeUndefined();
    expect(versionIn(pathToFileURL(join(folder, 'missing.json')))).toBeUndefined();
    expect(programName()).toBe(`rxp2p/${readVersion()}`);
  });
});
