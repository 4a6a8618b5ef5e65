#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { reasonOf } from '../errors.js';
import { parseJsonObject } from '../validate.js';
import { reporter } from './report.js';
import { watchStdout } from './watch-stdout.js';

// What fails before or outside of a command is told as the command would.
const report = reporter(process.argv.includes('--json'));
watchStdout((failure) => {
  const reason = `cannot write to stdout: ${reasonOf(failure)}`;
  report('failed', { reason }, `rxp2p: ${reason}`);
});

// Scripts ask for the version often: it is there before anything else is loaded.
const [first, ...others] = process.argv.slice(2);
if ((first === '--version' || first === '-V') && others.length === 0) console.log(version());
else await (await import('./program.js')).run(version(), report);

function version(): string {
  const found = parseJsonObject(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))?.['version'];
  return typeof found === 'string' ? found : 'unknown';
}
