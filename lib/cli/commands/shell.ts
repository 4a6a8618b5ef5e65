import { Argument, type Command } from 'commander';
import { SHELLS, type Shell } from '../shells.js';

/** What a shell takes to complete the commands. */
export function addCompletion(program: Command): void {
  program.commandsGroup('More:').helpCommand('help [COMMAND]', 'show the help of a command');
  program
    .command('completion')
    .description('print a script by which a shell completes the commands and options of rxp2p')
    .addArgument(new Argument('<SHELL>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
  bash: source <(rxp2p completion bash)           in ~/.bashrc
  zsh:  source <(rxp2p completion zsh)            in ~/.zshrc, after compinit
  fish: rxp2p completion fish | source            in ~/.config/fish/config.fish`,
    )
    .action(async (shell: Shell) => (await import('../completion.js')).completion(shell, program));
}
