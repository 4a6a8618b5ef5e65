import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseJsonObject } from '../validate.js';
import { manPages } from './manual.js';
import { commandLine } from './program.js';

// Writes the man pages that package.json names, when the package is built.

const { version } = parseJsonObject(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) ?? {};
const folder = new URL('../../man/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const { file, text } of manPages(commandLine(String(version)), String(version)))
  writeFileSync(fileURLToPath(new URL(file, folder)), text);
