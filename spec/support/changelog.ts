/**
 * What is wrong with a changelog in the format of Keep a Changelog for the release of a version; `undefined` when nothing is. Pure.
 *
 * @example
 * changelogFault('## [Unreleased]\n\n## [1.0.0] - 2026-12-01\n\n- A change\n', '1.0.0'); // undefined
 */
export function changelogFault(changelog: string, version: string): string | undefined {
  const sections = new Map(
    changelog
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const [head = '', ...rest] = section.split('\n');
        return [head.trim(), rest.join('\n')];
      }),
  );
  const heads = [...sections.keys()];
  const head = heads.find((each) => each.startsWith(`[${version}]`));
  if (head === undefined) return `CHANGELOG.md has no heading \`## [${version}] - YYYY-MM-DD\``;
  if (!/ - \d{4}-\d{2}-\d{2}$/.test(head)) return `the heading \`## ${head}\` of CHANGELOG.md has no date`;
  if (!/^- /m.test(sections.get(head) ?? '')) return `CHANGELOG.md lists nothing under \`## ${head}\``;
  if (/^- /m.test(sections.get('[Unreleased]') ?? ''))
    return `CHANGELOG.md still lists changes under \`## [Unreleased]\`, above \`## ${head}\``;
  return undefined;
}
