import { readFileSync } from 'node:fs';
import { changelogFault } from './support/changelog.js';

const RELEASED =
  '# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n\n## [1.1.0] - 2026-11-01\n\n- Another.\n';

describe('A changelog', () => {
  it('is ready for the release of a version that it lists, with its date', () => {
    expect(changelogFault(RELEASED, '1.2.0')).toBeUndefined();
  });

  it('is not ready for a version that it does not name', () => {
    expect(changelogFault(RELEASED, '1.2')).toContain('no heading');
    expect(changelogFault(RELEASED, '2.0.0')).toContain('no heading');
  });

  it('is not ready without a date, or with nothing to say', () => {
    expect(changelogFault(RELEASED.replace(' - 2026-12-01', ''), '1.2.0')).toContain('no date');
    expect(changelogFault(RELEASED.replace('- A thing.', 'Soon.'), '1.2.0')).toContain('lists nothing');
  });

  it('is not ready while something is unreleased', () => {
    expect(changelogFault(RELEASED.replace('## [1.2.0]', '- News.\n\n## [1.2.0]'), '1.2.0')).toContain('[Unreleased]');
  });

  it('of this repository has a place for what is not released yet', () => {
    expect(readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8')).toContain('\n## [Unreleased]\n');
  });
});
