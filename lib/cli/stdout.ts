import { firstValueFrom, from, fromEvent, merge, race, share, type Observable } from 'rxjs';
import { cleanLine } from '../words.js';
import { stdoutEnded } from './watch-stdout.js';

// The only place that writes to stdout.

/** When the program is to end, what was written has this long to be read, in milliseconds. */
const LAST_WORDS_MS = 1_000;

/** Emits once when stdout takes no more: its reader has gone, or it has failed. */
export const stdoutEnd$: Observable<void> = from(stdoutEnded);

/**
 * Writes a line to stdout; resolves when more may be written, or nothing can be any more. Raw to a file or a pipe; to a terminal
 * without what that would obey, since the line may be a stranger's.
 */
export async function print(text: string): Promise<void> {
  const line = process.stdout.isTTY ? cleanLine(text) : text;
  if (process.stdout.write(`${line}\n`)) return;
  await firstValueFrom(race(drained$, stdoutEnd$));
}

/**
 * Ends the process soon, although stdout may have a reader that takes nothing any more: one that goes on reading gets the rest
 * before, and the process ends by itself. For the end that a user asks for, once everything else is closed.
 */
export function exitSoon(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}

/** However many wait for it, stdout has one listener. */
const drained$ = merge(fromEvent(process.stdout, 'drain'), fromEvent(process.stdout, 'close')).pipe(share());
