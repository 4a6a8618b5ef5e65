import { spawnSync } from 'node:child_process';
import { Chance } from './chance.js';
import { fuzz, type FuzzConfig } from './fuzz.js';
import { MAX_INPUT_BYTES, mutated } from './mutate.js';
import { expectThat, type Target } from './target.js';

const SEEDS = ['one', 'two and three', '{"a":1}'].map((text) => Buffer.from(text));

function targetOf(run: Target['run'], fields: Partial<Target> = {}): Target {
  return { name: 'planted', reaches: [], seeds: SEEDS, run, ...fields };
}

function fuzzed(target: Target, config: Partial<FuzzConfig> = {}) {
  const limits = { stallMs: 50, growthBytes: 8 * 2 ** 20, lookMs: 1 };
  return fuzz({ targets: [target], seed: 1, inputs: 20_000, ms: 20_000, ...limits, ...config });
}

describe('Fuzzing', () => {
  it('finds nothing where nothing is wrong, and gives as many inputs as it was asked for', async () => {
    const { failure, inputs } = await fuzzed(
      targetOf((input) => input.toString('hex')),
      { inputs: 1_000, growthBytes: 1e9 },
    );
    expect(failure).toBeUndefined();
    expect(inputs.get('planted')).toBe(1_000);
  });

  it('finds an input that has an error thrown, and tells which', async () => {
    const { failure } = await fuzzed(
      targetOf((input) => {
        if (input.includes('{') && input.includes(0)) throw new TypeError('a brace and a zero');
      }),
    );
    expect(failure).toEqual(
      jasmine.objectContaining({ kind: 'error', message: jasmine.stringContaining('a brace and a zero') }),
    );
    expect(failure?.inputs[0]?.includes('{')).toBeTrue();
  });

  it('finds a promise that is rejected and that nobody waits for', () => {
    // In a process of its own: this one's runner listens for them, too.
    const program = `
      import { fuzz } from ${JSON.stringify(new URL('fuzz.js', import.meta.url).href)};
      const run = (input) => void (input.length > 20 && Promise.reject(new RangeError('nobody waits')));
      const target = { name: 'planted', reaches: [], seeds: [Buffer.from('two and three')], run };
      const limits = { seed: 1, inputs: 20_000, ms: 20_000, stallMs: 1_000, growthBytes: 1e9, lookMs: 1_000 };
      const { failure } = await fuzz({ targets: [target], ...limits });
      console.log(failure.kind, failure.message);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    expect(stdout + stderr).toMatch(/^error RangeError: nobody waits/);
  });

  it('finds an input that takes too long', async () => {
    const { failure } = await fuzzed(
      targetOf((input) => {
        const since = process.cpuUsage();
        while (input.includes('two') && process.cpuUsage(since).user < 100_000);
      }),
    );
    expect(failure?.kind).toBe('stall');
  });

  it('finds memory that grows', async () => {
    const kept: Buffer[] = [];
    const { failure } = await fuzzed(
      targetOf(() => kept.push(Buffer.alloc(65_536))),
      { inputs: 1e6 },
    );
    expect(failure).toEqual(
      jasmine.objectContaining({ kind: 'growth', message: jasmine.stringMatching(/grew from \d+ to \d+ MiB/) }),
    );
    expect(kept.length).toBeGreaterThan(0);
  });

  it('finds a wrong result, and an honest client that is not served', async () => {
    const wrong = await fuzzed(
      targetOf((input) => {
        expectThat(input.length < 30, 'Expected few bytes', input.length);
      }),
    );
    expect(wrong.failure?.kind).toBe('wrong result');
    const unserved = await fuzzed(targetOf(() => undefined, { check: () => Promise.reject(new Error('no answer')) }));
    expect(unserved.failure?.message).toContain('no answer');
  });

  it('closes its targets', async () => {
    let closed = 0;
    await fuzzed(
      targetOf(() => undefined, { close: () => closed++ }),
      { inputs: 1 },
    );
    expect(closed).toBe(1);
  });
});

describe('A mutated input', () => {
  it('is the same for the same seed, and another for another', () => {
    const inputsOf = (seed: number) => {
      const chance = new Chance(seed);
      return Array.from({ length: 200 }, () => mutated(SEEDS, chance).toString('base64'));
    };
    expect(inputsOf(7)).toEqual(inputsOf(7));
    expect(inputsOf(7)).not.toEqual(inputsOf(8));
    expect(new Set(inputsOf(7)).size).toBeGreaterThan(150);
  });

  it('is valid traffic now and then, and never longer than it may be', () => {
    const chance = new Chance(3);
    const inputs = Array.from({ length: 5_000 }, () => mutated(SEEDS, chance));
    expect(inputs.some((input) => SEEDS.some((seed) => seed.equals(input)))).toBeTrue();
    expect(Math.max(...inputs.map(({ length }) => length))).toBeLessThanOrEqual(MAX_INPUT_BYTES);
    expect(Math.max(...inputs.map(({ length }) => length))).toBeGreaterThan(10_000);
  });
});
