import { StringDecoder } from 'node:string_decoder';
import { firstValueFrom, from, fromEvent, merge, race, share, type Observable } from 'rxjs';
import { cleanLine } from '../words.js';
import { stdoutEnded } from './watch-stdout.js';

// The only place that writes to stdout.

/** When the program is to end, what was written has this long to be read, in milliseconds. */
const LAST_WORDS_MS = 1_000;

/** Emits once when stdout takes no more: its reader has gone, or it has failed. */
export const stdoutEnd$: Observable<void> = from(stdoutEnded);

/**
 * Writes a line to stdout; resolves when more may be written, or when stdout has failed. For a terminal, control characters are
 * removed, since the line may come from a stranger; a file or a pipe gets the line unchanged.
 */
export async function print(text: string): Promise<void> {
  const line = process.stdout.isTTY ? cleanLine(text) : text;
  await write(`${line}\n`);
}

/**
 * Writes bytes to stdout; resolves as {@link print} does. A file or a pipe gets them unchanged. For a terminal they are text, of which
 * control characters are removed, but for the ends of lines.
 */
export async function printBytes(bytes: Buffer): Promise<void> {
  await write(process.stdout.isTTY ? terminalText.write(bytes).split('\n').map(cleanLine).join('\n') : bytes);
}

/** A character may come in two pieces. */
const terminalText = new StringDecoder('utf8');

async function write(what: string | Buffer): Promise<void> {
  if (process.stdout.write(what)) return;
  await firstValueFrom(race(drained$, stdoutEnd$));
}

/**
 * Ends the process even when the reader of stdout has stopped reading. A reader that goes on reading gets the rest of the output
 * first. Called when the user asked for the end and everything else is closed.
 */
export function exitSoon(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}

/** However many wait for it, stdout has one listener. */
const drained$ = merge(fromEvent(process.stdout, 'drain'), fromEvent(process.stdout, 'close')).pipe(share());
