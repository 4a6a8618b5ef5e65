import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { completionScript } from '../../lib/cli/completion.js';
import { commandLine } from '../../lib/cli/program.js';
import { SHELLS, type Shell } from '../../lib/cli/shells.js';
import { commands, COMMAND_LIMIT_MS } from '../support/commands.js';
import { temporaryFolder } from '../support/folder.js';

/** Says aloud why a spec with a shell can't run here; where everything is required, that is a failure. */
function needsShell(shell: Shell): void {
  if (spawnSync(shell, ['-c', 'true']).status === 0) return;
  const why = `this needs ${shell} (Debian package ${shell})`;
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

describe('rxp2p completion', () => {
  const path = temporaryFolder();
  const { rxp2p } = commands();

  function scriptFor(shell: Shell): string {
    const file = path(shell);
    writeFileSync(file, `${completionScript(shell, commandLine('1.2.3')).join('\n')}\n`);
    return file;
  }

  /** What a shell says to a command of its own. */
  function told(shell: Shell, command: string, ...args: readonly string[]): readonly string[] {
    const { status, stdout, stderr } = spawnSync(shell, [...args, '-c', command], { encoding: 'utf8', cwd: path('') });
    expect([status, stderr]).toEqual([0, '']);
    return stdout.split('\n').filter((line) => line !== '');
  }

  it('has each command and each of its options, in every script', () => {
    const program = commandLine('1.2.3');
    for (const shell of SHELLS) {
      const script = completionScript(shell, program).join('\n');
      for (const command of program.commands) {
        expect(script).toContain(command.name());
        for (const { long = '' } of command.options)
          expect(script).toContain(shell === 'fish' ? `-l ${long.slice(2)}` : long);
      }
    }
  });

  it('by bash gives commands, options, choices and files', () => {
    needsShell('bash');
    const file = scriptFor('bash');
    writeFileSync(path('node.key'), '');
    const complete = (...words: readonly string[]) =>
      told(
        'bash',
        `source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
        _rxp2p; printf '%s\\n' "\${COMPREPLY[@]}"`,
        '--norc',
      );
    expect(complete('rxp2p', 'l')).toEqual(['listen']);
    expect(complete('rxp2p', 'listen', '--ra')).toEqual(['--raw']);
    expect(complete('rxp2p', 'connect', 'UNL', '-t', 'dir')).toEqual(['direct']);
    expect(complete('rxp2p', 'listen', '--key', 'node')).toEqual(['node.key']);
    expect(complete('rxp2p', 'listen', '--bind', '')).toEqual([]);
    expect(complete('rxp2p', 'completion', 'f')).toEqual(['fish']);
    expect(complete('rxp2p', 'ping', '7-ott')).toEqual(['7-otter']);
    expect(complete('rxp2p', 'connect', '7-otter-vi')).toEqual([
      '7-otter-village',
      '7-otter-vinegar',
      '7-otter-violet',
      '7-otter-viper',
      '7-otter-vivid',
    ]);
    expect(complete('rxp2p', 'listen', '7-ott')).toEqual([]);
  });

  it('by fish gives commands, options and choices', () => {
    needsShell('fish');
    const file = scriptFor('fish');
    const complete = (line: string) =>
      told('fish', `source ${file}; complete -C '${line}'`, '--no-config').map((entry) => entry.replace(/\t.*/, ''));
    expect(complete('rxp2p lis')).toEqual(['listen']);
    expect(complete('rxp2p listen --ra')).toEqual(['--raw']);
    expect(complete('rxp2p connect -t dir')).toEqual(['direct']);
    expect(complete('rxp2p completion f')).toEqual(['fish']);
    expect(complete('rxp2p ping 7-otter-vio')).toEqual(['7-otter-violet']);
    expect(complete('rxp2p ping vio')).toEqual([]);
  });

  it('by zsh is taken by its completion system', () => {
    needsShell('zsh');
    const file = scriptFor('zsh');
    const check = `autoload -Uz compinit; compinit -D -u; source ${file}; print $_comps[rxp2p]`;
    expect(told('zsh', check, '-f')).toEqual(['_rxp2p']);
    expect(spawnSync('zsh', ['-n', file]).status).toBe(0);
  });

  it(
    'is printed, and refuses a shell that it does not know',
    async () => {
      const [bash, other] = [rxp2p('completion', 'bash'), rxp2p('completion', 'tcsh')];
      expect([await bash.exit(), await other.exit()]).toEqual([0, 2]);
      expect(bash.stdout).toContain('complete -F _rxp2p rxp2p');
      expect(other.stderr).toContain('bash, zsh, fish');
    },
    COMMAND_LIMIT_MS,
  );
});
