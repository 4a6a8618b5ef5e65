import { parseJsonObject } from '../../lib/validate.js';

/**
 * Scripts that CI need not run by themselves: what only people use, what builds on the way, what other scripts run, what shows speed, for which CI's
 * machine is too busy, and examples, each of which has a spec (`spec/examples.spec.ts`).
 */
const OTHERWISE: Readonly<Record<string, string>> = {
  build: 'npm ci',
  prepare: 'npm ci',
  man: 'npm ci',
  format: 'people',
  test: 'npm run coverage',
  bench: 'people',
  dht: 'spec/dht/trial.spec.ts',
  'release:check': 'people',
};

/** Whether a script runs an example. */
const isExample = (command: string): boolean => command.startsWith('node dist/examples/');

/**
 * The scripts of a package.json that check something and that CI's script runs neither by name nor by what they run. Pure.
 *
 * @param packageText of package.json.
 * @param ci of `.ci/run`.
 */
export function unrunScripts(packageText: string, ci: string): readonly string[] {
  const { scripts } = parseJsonObject(packageText) ?? {};
  // What a comment names does not run.
  const commands = ci.replaceAll(/(?<=^|\s)#.*$/gm, '');
  return Object.entries(typeof scripts === 'object' ? { ...scripts } : {}).flatMap(([name, script]) => {
    const command = String(script);
    const runs = /node (?:--\S+ )*(dist\/\S+)/.exec(command)?.[1] ?? command;
    const isRun = new RegExp(`npm run ${name}(?![:\\w])`).test(commands) || commands.includes(runs);
    return isRun || name in OTHERWISE || isExample(command) ? [] : [name];
  });
}
