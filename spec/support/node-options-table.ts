import { allNodeOptions } from '../../lib/cli/node-sources.js';
import { commandLine } from '../../lib/cli/program.js';

/** The table in docs/command-line.md: rows alone, without the head. `node dist/spec/support/node-options-table.js` prints it. */
export function nodeOptionsTable(): string {
  return allNodeOptions(commandLine('0.0.0'))
    .map(({ flags, variable, key, kind, mayBeOff }) => {
      const value = { switch: 'true or false', number: 'a number', text: 'a text', texts: 'a list of texts' }[kind];
      const shown = flags.map((flag) => `\`${flag}\``).join(', ');
      return `| ${shown} | \`${variable}\` | \`${key}\` | ${value}${mayBeOff ? ', or false' : ''} |`;
    })
    .join('\n');
}

if (process.argv[1] === import.meta.filename) console.log(nodeOptionsTable());
