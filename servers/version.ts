import { readFileSync } from 'node:fs';
import { parseJsonObject } from '../lib/validate.js';

/** The package, as seen from where the compiled program stands. */
const PACKAGE = new URL('../../package.json', import.meta.url);

/** What stands for a version that is not known. */
const UNKNOWN = 'unknown';

/** A package has one version, whatever runs in the process. */
let known: string | undefined;

/** The version of this package; `unknown` where its description is not beside it, as in an application that was bundled. Read once. */
export function readVersion(): string {
  known ??= versionIn(PACKAGE) ?? UNKNOWN;
  return known;
}

/**
 * What a server says that it is (RFC 9110 §10.2.4): the doctor shows it, and operators see which of their servers are old. `undefined` where the version
 * is not known.
 */
export function programName(): string | undefined {
  const version = readVersion();
  return version === UNKNOWN ? undefined : `rxp2p/${version}`;
}

/** The version in a package.json, if it is this package's: where an application is bundled, its own stands in that place. */
export function versionIn(file: URL): string | undefined {
  try {
    const { name, version } = parseJsonObject(readFileSync(file, 'utf8')) ?? {};
    return name === 'rxp2p' && typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
