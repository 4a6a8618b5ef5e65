import { environmentNameOf, flagOf, helpOf, keyOf, SERVE_OPTIONS } from '../../lib/cli/serve-options.js';

/** The table in docs/command-line.md: rows alone, without the head. `node dist/spec/support/serve-options-table.js` prints it. */
export function serveOptionsTable(): string {
  return SERVE_OPTIONS.map((option) => {
    const cells = [`\`${flagOf(option)}\``, `\`${environmentNameOf(option)}\``, `\`${keyOf(option)}\``, helpOf(option)];
    return `| ${cells.join(' | ')} |`;
  }).join('\n');
}

if (process.argv[1] === import.meta.filename) console.log(serveOptionsTable());
