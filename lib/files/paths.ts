import type { OfferedEntry } from './interface.js';

// Which names of a peer's may be written into a folder of this machine. Pure.

/** How the receiver's system and file system treat names. */
export interface PathRules {
  /** Whether names have to be good for Windows: no devices, no streams, nothing that it would cut off. */
  readonly windows: boolean;
  /** Whether names that differ by case alone are one file. */
  readonly foldsCase: boolean;
  /** Whether names that differ by the normal form of Unicode alone are one file. */
  readonly foldsUnicode: boolean;
}

/** The longest path, in bytes of UTF-8: that of Linux. */
export const MAX_PATH_BYTES = 4_096;

/** The longest name in a path, in bytes of UTF-8: that of nearly every file system. */
const MAX_NAME_BYTES = 255;

/** In this folder the receiver keeps what is not whole yet. */
export const PARTIAL_FOLDER = '.rxp2p-partial';

/** Control characters: of C0 and C1, and DEL. */
const CONTROLS = /\p{Cc}/u;

/** Names of devices, which Windows finds in every folder and with every extension. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/iu;

const WINDOWS_FORBIDS = /[<>:"|?*]/u;

/** A drive of Windows, as in `C:` or `C:name`. */
const DRIVE = /^[A-Za-z]:/u;

/**
 * Why a path of a peer's cannot be written, in words; `undefined` where it can. It is relative, with `/` between its names.
 *
 * @example
 * problemOfPath('../../.ssh/authorized_keys', { windows: false, foldsCase: false, foldsUnicode: false }); // 'it leads out of the folder'
 */
export function problemOfPath(path: string, rules: PathRules): string | undefined {
  if (!path.isWellFormed()) return 'it is no Unicode';
  if (path === '') return 'it is empty';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  if (CONTROLS.test(path)) return 'it has control characters';
  // A separator on Windows; in an honest name of another system it is rare enough.
  if (path.includes('\\')) return 'it has a backslash';
  if (path.startsWith('/') || DRIVE.test(path)) return 'it is an absolute path';
  const names = path.split('/');
  // At any depth: the folder may be received into itself another time.
  if (names.some(isPartialFolder)) return 'its name is kept for what is not whole';
  for (const name of names) {
    const problem = problemOfName(name, rules);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const FOLDS_ALL: PathRules = { windows: false, foldsCase: true, foldsUnicode: true };

/** Whether a name may be that of the folder for what is not whole, on any system. */
export const isPartialFolder = (name: string): boolean => keyOfPath(name, FOLDS_ALL) === PARTIAL_FOLDER;

function problemOfName(name: string, { windows }: PathRules): string | undefined {
  if (name === '') return 'it has an empty name';
  if (name === '.' || name === '..') return 'it leads out of the folder';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it has a name of more than ${MAX_NAME_BYTES} bytes`;
  if (!windows) return undefined;
  if (WINDOWS_FORBIDS.test(name)) return 'it has a character that Windows does not allow';
  if (DEVICE.test(name)) return 'it is the name of a device of Windows';
  if (name.endsWith('.') || name.endsWith(' ')) return 'it ends with a dot or a space, which Windows cuts off';
  return undefined;
}

/** Paths with the same key are one file to the file system. */
export function keyOfPath(path: string, { foldsCase, foldsUnicode }: PathRules): string {
  if (!foldsCase) return foldsUnicode ? path.normalize('NFC') : path;
  // Marks in their order first, since one of them, U+0345, is a letter in upper case (Unicode 3.13, D145). Some letters have several lower-case forms (ſ and
  // s), others several upper-case ones (ß, whose capitals are SS and ẞ).
  return path.normalize('NFD').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
}

/**
 * Whether a symbolic link leads to a place in the folder that is sent, whatever other links there are: its target goes up first, never
 * above the folder, and then only down. A target that goes up later could go up from where another link leads.
 *
 * @param path of the link.
 */
export function isInsideLink(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || Buffer.byteLength(target) > MAX_PATH_BYTES) return false;
  if (!target.isWellFormed() || CONTROLS.test(target) || target.includes('\\') || DRIVE.test(target)) return false;
  const names = target.split('/').filter((name) => name !== '.' && name !== '');
  const down = names.findIndex((name) => name !== '..');
  const ups = down === -1 ? names.length : down;
  // A link of the first level lies beside whatever else is in the receiver's folder.
  return ups < path.split('/').length - 1 && !names.slice(ups).includes('..');
}

/**
 * Looks at the entries of an offer, one after the other, whether they can be written: each by itself, and beside those before it. A folder
 * has to be offered before what is in it, so that nothing can be written through a link.
 */
export class PathCheck {
  readonly #rules: PathRules;
  readonly #kinds = new Map<string, OfferedEntry['kind']>();

  constructor(rules: PathRules) {
    this.#rules = rules;
  }

  /** Why the entry cannot be written, in words; `undefined` where it can. */
  add(entry: Pick<OfferedEntry, 'path' | 'kind' | 'target'>): string | undefined {
    const { path, kind, target } = entry;
    const problem = problemOfPath(path, this.#rules);
    if (problem !== undefined) return problem;
    const key = keyOfPath(path, this.#rules);
    if (this.#kinds.has(key)) return 'another has the same name in this file system';
    const slash = key.lastIndexOf('/');
    if (slash !== -1 && this.#kinds.get(key.slice(0, slash)) !== 'folder')
      return 'its folder was not offered before it';
    if (kind === 'link' && !isInsideLink(path, target ?? '')) return 'it is a link that leads out of what is sent';
    this.#kinds.set(key, kind);
    return undefined;
  }
}
