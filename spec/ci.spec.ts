import { readFileSync } from 'node:fs';
import { unrunScripts } from './support/ci.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('CI', () => {
  const scripts = (all: Readonly<Record<string, string>>) => JSON.stringify({ scripts: all });

  it('runs a script by its name, or what it runs', () => {
    const all = scripts({ lint: 'eslint .', 'lint:more': 'x', fuzz: 'npm run build && node --expose-gc dist/fuzz.js' });
    expect(unrunScripts(all, 'npm run lint\nnpm run lint:more\nnode dist/fuzz.js --seconds 60')).toEqual([]);
    expect(unrunScripts(all, 'npm run lint:more')).toEqual(['lint', 'fuzz']);
    expect(unrunScripts(all, '# npm run lint\nnpm run lint:more # node dist/fuzz.js')).toEqual(['lint', 'fuzz']);
  });

  it('need not run examples, which have specs, and what only people use', () => {
    expect(unrunScripts(scripts({ room: 'node dist/examples/room.js', format: 'prettier --write .' }), '')).toEqual([]);
    expect(unrunScripts('{}', '')).toEqual([]);
  });

  it('runs all that this package has', () => {
    expect(unrunScripts(read('package.json'), read('.ci/run'))).toEqual([]);
  });
});
