import { setImmediate as turn } from 'node:timers/promises';
import { FilesError } from '../errors.js';
import { show } from '../validate.js';
import { hashed, SMALL_BYTES, type Hashed } from './compare.js';
import { PIECE_BYTES, type PieceDigests } from './digests.js';
import type { FilesStep, OfferedEntry, ReceiveFilesOptions } from './interface.js';
import type { Numbered } from './messages.js';
import { keyOfPath } from './paths.js';
import type { Place } from './place.js';

/** After so many entries others have their turn. */
const ENTRIES_A_TURN = 256;

/** A file that is to be sent. */
export interface Wanted {
  readonly entry: OfferedEntry;
  /** The path that it gets. */
  readonly as: string;
  /** Whether it takes the place of another. */
  readonly isReplacing: boolean;
  /** At what byte it goes on. */
  readonly from: number;
  /** Where what has come of it is; `undefined` where nothing has. */
  readonly partial: string | undefined;
  /** The digests of that. */
  readonly before: PieceDigests | undefined;
}

/** What is to be sent, by the place in the offer; what is not there is not. */
export interface ReceivePlan {
  readonly wanted: ReadonlyMap<number, Wanted>;
  readonly unchanged: number;
  readonly skipped: number;
}

/** What making a plan needs. */
export interface PlanConfig {
  readonly place: Place;
  readonly entries: readonly OfferedEntry[];
  readonly existing: NonNullable<ReceiveFilesOptions['existing']>;
  /** Asks the sender for digests of the beginnings of files. */
  readonly ask: (lengths: readonly Numbered<number>[]) => Promise<readonly Numbered<string | undefined>[]>;
  readonly tell: (step: FilesStep) => void;
  readonly signal: AbortSignal;
}

/** Of so many files the sender is asked at a time. */
const ASKED_AT_ONCE = 1_000;

/** So many names are told where files are there already. */
const TOLD = 3;

/** What there is here of a file. */
interface Have {
  readonly index: number;
  readonly entry: OfferedEntry;
  readonly path: string;
  readonly length: number;
  readonly partial: string | undefined;
}

/**
 * Finds out which files have to be sent, and from where: what is there already is hashed by both sides, and compared here.
 *
 * @throws FilesError `exists` when other files are there, and nothing else is to be done about it.
 */
export async function planOf(config: PlanConfig): Promise<ReceivePlan> {
  const claimed = new Map<string, string>();
  try {
    return await planned(config, claimed);
  } catch (error) {
    for (const [path, partial] of claimed) config.place.release(path, partial);
    throw error;
  }
}

/** @param claimed where what has come of a file is, by its path. */
async function planned(config: PlanConfig, claimed: Map<string, string>): Promise<ReceivePlan> {
  const { place, entries, existing, tell, signal } = config;
  const wanted = new Map<number, Wanted>();
  const have: Have[] = [];
  const taken: [number, OfferedEntry][] = [];
  let unchanged = 0;
  // Nothing is in a folder that is not there.
  const missing = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    if (index % ENTRIES_A_TURN === ENTRIES_A_TURN - 1) {
      await turn();
      signal.throwIfAborted();
    }
    const stats = missing.has(folderOf(entry.path)) ? undefined : place.statsOf(entry.path);
    if (entry.kind === 'folder' && stats === undefined) missing.add(entry.path);
    if (entry.kind === 'folder' && stats?.isDirectory() === false)
      throw new FilesError('exists', `${show(entry.path)} is there already, and is no folder`);
    if (entry.kind !== 'file') continue;
    if (stats === undefined) {
      const { partial, size } = entry.size > SMALL_BYTES ? place.claim(entry.path) : { partial: undefined, size: 0 };
      if (partial !== undefined) claimed.set(entry.path, partial);
      const length = Math.min(size, entry.size);
      const whole = length === entry.size ? length : length - (length % PIECE_BYTES);
      const before = whole > 0 ? partial : undefined;
      if (before === undefined) wanted.set(index, newFile(entry, partial));
      else have.push({ index, entry, path: before, length: whole, partial: before });
    } else if (stats.isFile() && stats.size === entry.size) {
      have.push({ index, entry, path: place.pathOf(entry.path), length: entry.size, partial: undefined });
    } else taken.push([index, entry]);
  }
  if (have.length > 0)
    tell({ type: 'comparing', files: have.length, bytes: have.reduce((sum, { length }) => sum + length, 0) });
  for (let at = 0; at < have.length; at += ASKED_AT_ONCE) {
    const compared = await compare(have.slice(at, at + ASKED_AT_ONCE), config);
    for (const { index, entry, length, partial, isSame, pieces } of compared) {
      if (partial !== undefined)
        wanted.set(index, { ...newFile(entry, partial), ...(isSame && { from: length, before: pieces }) });
      else if (isSame) {
        unchanged++;
        tell({ type: 'file', path: entry.path, outcome: 'unchanged' });
      } else taken.push([index, entry]);
    }
  }
  return { wanted, unchanged, skipped: settle(taken, wanted, existing, config) };
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function newFile(entry: OfferedEntry, partial: string | undefined): Wanted {
  return { entry, as: entry.path, isReplacing: false, from: 0, partial, before: undefined };
}

interface Compared extends Have {
  readonly isSame: boolean;
  readonly pieces: PieceDigests | undefined;
}

async function compare(have: readonly Have[], { ask, signal }: PlanConfig): Promise<Compared[]> {
  const answers = ask(have.map(({ index, length }) => [index, length]));
  // It is waited for below; what fails here before that is told first.
  answers.catch(() => undefined);
  const own: (Hashed | undefined)[] = [];
  for (const { path, length } of have) own.push(await hashed(path, length, (stats) => stats.isFile(), signal));
  const theirs = new Map(await answers);
  return have.map((each, at) => {
    const digest = theirs.get(each.index);
    return { ...each, isSame: digest !== undefined && own[at]?.digest === digest, pieces: own[at]?.pieces };
  });
}

/** Decides about files whose names are taken by others; returns how many are skipped. */
function settle(
  taken: readonly [number, OfferedEntry][],
  wanted: Map<number, Wanted>,
  existing: PlanConfig['existing'],
  { place, entries, tell }: PlanConfig,
): number {
  if (taken.length === 0) return 0;
  if (existing === 'refuse') {
    const names = taken.slice(0, TOLD).map(([, { path }]) => show(path));
    const more = taken.length > TOLD ? ` and ${taken.length - TOLD} more` : '';
    throw new FilesError(
      'exists',
      `other files are there already: ${names.join(', ')}${more}; by \`existing\` (--existing) they are renamed, skipped or replaced`,
    );
  }
  const names = new Set(entries.map(({ path }) => keyOfPath(path, place.rules)));
  for (const [index, entry] of taken) {
    if (existing === 'skip') {
      tell({ type: 'file', path: entry.path, outcome: 'skipped' });
      continue;
    }
    const isFolder = place.statsOf(entry.path)?.isDirectory() === true;
    if (existing === 'replace' && isFolder)
      throw new FilesError('exists', `${show(entry.path)} is there already, and is a folder`);
    const as =
      existing === 'rename'
        ? place.freeName(entry.path, (name) => names.has(keyOfPath(name, place.rules)))
        : entry.path;
    names.add(keyOfPath(as, place.rules));
    wanted.set(index, { ...newFile(entry, undefined), as, isReplacing: existing === 'replace' });
  }
  return existing === 'skip' ? taken.length : 0;
}
