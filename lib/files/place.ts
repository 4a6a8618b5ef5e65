import { randomBytes, createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { FilesError } from '../errors.js';
import { codeOf, NO_LINKS } from '../new-file.js';
import { show } from '../validate.js';
import { failureOfDisk, onDisk, TakenError } from './disk.js';
import type { OfferedEntry } from './interface.js';
import { PARTIAL_FOLDER, type PathRules } from './paths.js';

/** Since when this process runs: another may have its number later. */
const START = Math.round(performance.timeOrigin);

/** The folder that files are received into. Nothing is written outside of it, and nothing through a symbolic link. */
export class Place {
  readonly root: string;
  readonly rules: PathRules;
  readonly #partials: string;
  /** What is being written of a small file. */
  readonly #small: string;
  readonly #real = new Set<string>();
  /** The names of what is left of transfers before, by the key of the path. */
  #left: Map<string, string[]> | undefined;
  /** What no other transfer has, of this process or of another that runs now. */
  readonly #owner = `${process.pid}-${START}-${randomBytes(6).toString('hex')}`;

  /** Makes the folder where there is none. */
  constructor(into: string) {
    try {
      this.root = resolve(into);
      mkdirSync(this.root, { recursive: true });
      this.#partials = join(this.root, PARTIAL_FOLDER);
      this.#small = join(this.#partials, `small.${this.#owner}`);
      mkdirSync(this.#partials, { recursive: true, mode: 0o700 });
      if (!lstatSync(this.#partials).isDirectory())
        throw new FilesError('unreadable', `Expected ${show(this.#partials)} to be a folder, got something else`);
      this.rules = this.#look();
      for (const name of readdirSync(this.#partials))
        if (isLeftOver(name)) rmSync(join(this.#partials, name), { force: true });
    } catch (error) {
      throw failureOfDisk(error);
    }
  }

  /** Where a path that was offered is. */
  pathOf(path: string): string {
    // It is a path that is normal already.
    return `${this.root}/${path}`;
  }

  /** What is there already. */
  statsOf(path: string): Stats | undefined {
    return onDisk(path, () => lstatSync(this.pathOf(path), { throwIfNoEntry: false }));
  }

  /** Whether the folder of a path is there, and no folder on the way to it is a symbolic link. */
  hasRealFolder(path: string): boolean {
    const slash = path.lastIndexOf('/');
    if (slash === -1) return true;
    const folder = path.slice(0, slash);
    if (this.#real.has(folder)) return true;
    if (!this.hasRealFolder(folder) || this.statsOf(folder)?.isDirectory() !== true) return false;
    this.#real.add(folder);
    return true;
  }

  /** Makes a folder, where it is not there: tells whether. The owner can write to it until {@link finishFolder}. */
  makeFolder({ path, mode }: OfferedEntry): boolean {
    if (!this.hasRealFolder(path))
      throw new FilesError('exists', `${show(path)} has something else in the place of its folder`);
    const stats = this.statsOf(path);
    if (stats === undefined) {
      onDisk(path, () => {
        mkdirSync(this.pathOf(path), { mode: mode | 0o700 });
      });
    } else if (!stats.isDirectory()) throw new FilesError('exists', `${show(path)} is there already, and is no folder`);
    return stats === undefined;
  }

  /** Gives a folder the permissions and the time that it was offered with. */
  finishFolder({ path, mode, modifiedMs }: OfferedEntry): void {
    const stats = this.statsOf(path);
    if (stats?.isDirectory() !== true) return;
    onDisk(path, () => {
      if ((stats.mode & mode) !== (stats.mode & 0o777)) chmodSync(this.pathOf(path), stats.mode & mode & 0o777);
      utimesSync(this.pathOf(path), modifiedMs / 1_000, modifiedMs / 1_000);
    });
  }

  /** Makes a symbolic link, last of all. */
  makeLink({ path, target = '' }: OfferedEntry): void {
    if (!this.hasRealFolder(path)) throw new TakenError('its folder is none');
    const stats = this.statsOf(path);
    if (stats?.isSymbolicLink() === true && readlinkSync(this.pathOf(path)) === target) return;
    if (stats !== undefined) throw new TakenError('another file has its name');
    symlinkSync(target, this.pathOf(path));
  }

  /** Writes a small file as a whole. It has its name only then. */
  writeSmall({ mode, modifiedMs }: OfferedEntry, content: Buffer, name: (partial: string) => void): void {
    const partial = this.#small;
    try {
      const file = openSync(partial, 'wx', mode);
      try {
        for (let at = 0; at < content.length;) at += writeSync(file, content, at);
        futimesSync(file, modifiedMs / 1_000, modifiedMs / 1_000);
      } finally {
        closeSync(file);
      }
      name(partial);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
  }

  /** Gives what was written its name, but never that of a file that is there, unless it is to be replaced. */
  name(partial: string, path: string, isReplacing: boolean): void {
    if (!this.hasRealFolder(path)) throw new TakenError('its folder is none');
    const whole = this.pathOf(path);
    if (isReplacing) {
      renameSync(partial, whole);
      return;
    }
    try {
      linkSync(partial, whole);
      unlinkSync(partial);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw new TakenError('another file has its name');
      if (!NO_LINKS.includes(codeOf(error))) throw error;
      // Where there are no hard links, the name is taken by an empty file, which is replaced at once.
      try {
        closeSync(openSync(whole, 'wx'));
      } catch (taken) {
        throw codeOf(taken) === 'EEXIST' ? new TakenError('another file has its name') : taken;
      }
      renameSync(partial, whole);
    }
  }

  /** Another name for a file whose name is taken: the first that is free, as in `photo (2).jpg`. */
  freeName(path: string, isTaken: (path: string) => boolean): string {
    const { dir, name, ext } = parse(path);
    for (let count = 2; ; count++) {
      const other = `${dir === '' ? '' : `${dir}/`}${name} (${count})${ext}`;
      if (!isTaken(other) && this.statsOf(other) === undefined) return other;
    }
  }

  /**
   * What has come of a file before, in this folder: it is this transfer's from now on, so that no other writes to it. A process that
   * was killed has left its own, which is anybody's.
   *
   * @returns where it is, and whether something is in it.
   */
  claim(path: string): { readonly partial: string; readonly size: number } {
    const key = keyOf(path);
    const partial = join(this.#partials, `${key}.${this.#owner}`);
    for (const name of this.#leftBy(key)) {
      try {
        renameSync(join(this.#partials, name), partial);
        const stats = lstatSync(partial);
        if (stats.isFile()) return { partial, size: stats.size };
        // Nothing that this library has left: a link would lead to another file.
        rmSync(partial, { recursive: true, force: true });
      } catch {
        // Another transfer has taken it.
      }
    }
    return { partial, size: 0 };
  }

  /** Gives back what has come of a file, for the next transfer. */
  release(path: string, partial: string): void {
    try {
      renameSync(partial, join(this.#partials, `${keyOf(path)}.part`));
    } catch {
      // There is nothing.
    }
  }

  /** Forgets what has come of a file. */
  forget(partial: string): void {
    rmSync(partial, { force: true });
  }

  /** Leaves: the folder for what is not whole goes, if nothing is in it. */
  leave(): void {
    try {
      rmdirSync(this.#partials);
    } catch {
      // What is in it is for the next time.
    }
  }

  /** Looked up once: a folder of as many parts as there are files would be read for each of them. */
  #leftBy(key: string): readonly string[] {
    if (this.#left === undefined) {
      this.#left = new Map();
      for (const name of readdirSync(this.#partials)) {
        const [of = ''] = name.split('.', 1);
        const names = this.#left.get(of);
        if (names === undefined) this.#left.set(of, [name]);
        else names.push(name);
      }
    }
    const names = this.#left.get(key) ?? [];
    return names.filter((name) => name === `${key}.part` || isLeftOver(name, key));
  }

  /** How the file system here treats names. */
  #look(): PathRules {
    const probe = join(this.#partials, `caf\u00e9.${this.#owner}`);
    closeSync(openSync(probe, 'wx'));
    try {
      return {
        windows: process.platform === 'win32',
        foldsCase: existsSync(probe.replace(/caf\u00e9(?=[^/\\]*$)/u, 'CAF\u00c9')),
        foldsUnicode: existsSync(probe.replace(/caf\u00e9(?=[^/\\]*$)/u, 'cafe\u0301')),
      };
    } finally {
      rmSync(probe, { force: true });
    }
  }
}

/** By this the parts of a file are found again, whatever its name has in it. */
const keyOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 32);

const OWNED = /^(?<what>[^.]+)\.(?<pid>[0-9]{1,10})-(?<start>[0-9]{1,16})-[0-9a-f]{12}$/u;

/** Whether a file was left behind by a process that has ended: of a kind. */
function isLeftOver(name: string, kind = 'small'): boolean {
  const { what, pid = '', start = '' } = OWNED.exec(name)?.groups ?? {};
  if (what !== kind) return false;
  if (Number(pid) === process.pid) return Number(start) !== START;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}
