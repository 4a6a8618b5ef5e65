import { readFileSync } from 'node:fs';
import { parseJsonObject } from '../lib/validate.js';

/** The package, as seen from where the compiled program stands. */
const PACKAGE = new URL('../../package.json', import.meta.url);

/** A package has one version, whatever runs in the process. */
let known: string | undefined;

/** The version of this package; `unknown` where its description is not beside it, as in an application that was bundled. Read once. */
export function readVersion(): string {
  known ??= versionIn(PACKAGE);
  return known;
}

/** What a server says that it is (RFC 9110 §10.2.4): the doctor shows it, and operators see which of their servers are old. */
export function programName(): string {
  return `rxp2p/${readVersion()}`;
}

function versionIn(file: URL): string {
  try {
    const version = parseJsonObject(readFileSync(file, 'utf8'))?.['version'];
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    return 'unknown';
  }
}
