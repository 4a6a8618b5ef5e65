import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Subscription } from 'rxjs';
import { reasonOf } from '../lib/errors.js';
import {
  allExamples,
  compile,
  examplesAsModules,
  functionsWithoutExample,
  programOf,
  type Example,
} from './support/examples.js';

/** What an example that runs tells. */
interface Told {
  readonly results: readonly (readonly [given: unknown, said: unknown])[];
  readonly running: Subscription;
}

function isTold(module: unknown): module is Told {
  return (
    typeof module === 'object' &&
    module !== null &&
    'results' in module &&
    Array.isArray(module.results) &&
    'running' in module &&
    module.running instanceof Subscription
  );
}

describe('The documentation', () => {
  const examples = allExamples();
  let folder = '';
  beforeAll(() => {
    // In dist/, so that the packages are found from there.
    folder = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), 'examples-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    const { closePrelude } = await import('./support/prelude.js');
    await closePrelude();
  });

  /** Runs a program for a moment: whoever subscribes by mistake hears of it within that. */
  async function run(program: string, name: string): Promise<Told['results']> {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, program);
    const module: unknown = await import(pathToFileURL(file).href);
    if (!isTold(module)) throw new Error('Expected a program that tells its results');
    await new Promise(setImmediate);
    module.running.unsubscribe();
    return module.results;
  }

  it('has examples that compile, and one for each public function', () => {
    const wrong: Example = { where: 'wrong:1', text: 'net\n  .connect$(unl, { timeout: 1 });' };
    // The one that is wrong on purpose shows that the others are looked at.
    expect(compile(examplesAsModules([...examples, wrong]), folder)).toEqual([
      jasmine.stringMatching(/^wrong:2: .*'timeout'/),
    ]);
    expect(functionsWithoutExample()).toEqual([]);
    const places = examples.map(({ where }) => where.replace(/[/:].*/, ''));
    expect(places).toEqual(jasmine.arrayContaining(['lib', 'servers', 'README.md']));
    expect(places.length).toBeGreaterThan(100);
  });

  it('has examples that give what their comments say', async () => {
    const programs = examplesAsModules(examples).flatMap((example) => {
      const program = programOf(example);
      return program === undefined ? [] : [{ ...example, program }];
    });
    expect(programs.length).toBeGreaterThan(30);
    for (const [i, { where, program }] of programs.entries()) {
      try {
        for (const [given, said] of await run(program, String(i))) expect(given).withContext(where).toEqual(said);
      } catch (error) {
        fail(`${where} cannot be run: ${reasonOf(error)}`);
      }
    }
  });

  it('detects an example with a wrong result', async () => {
    const text = "parseUnl(unl).version; // 2\nof('a', 'b').subscribe(console.log); // 'a'\nnet.close; // a comment";
    const [module] = examplesAsModules([{ where: 'wrong:1', text }]);
    expect(await run((module && programOf(module)) ?? '', 'wrong')).toEqual([
      [[3], [2]],
      [['a', 'b'], ['a']],
    ]);
  });
});
