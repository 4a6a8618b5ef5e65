// Deletes from dist/ what has no source any more, since tsc leaves it there: a spec that was moved would run twice, and a module
// that was deleted would still be found.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMPILED = /^(.*?)(?:\.d)?\.(?:js|ts)(?:\.map)?$/;

if (existsSync(`${ROOT}dist`)) {
  for (const name of readdirSync(`${ROOT}dist`, { recursive: true, encoding: 'utf8' })) {
    // The site is built there, and not compiled.
    if (name.startsWith('site')) continue;
    const source = COMPILED.exec(name)?.[1];
    if (source !== undefined && !existsSync(`${ROOT}${source}.ts`)) rmSync(`${ROOT}dist/${name}`);
  }
}
