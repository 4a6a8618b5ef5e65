// Apart from what writes to stdout, since that needs RxJS, and `--version` and `--help` are to be there at once.

let noteEnd: () => void = () => undefined;

/** Resolves when stdout takes no more: its reader has gone, or it has failed. */
export const stdoutEnded = new Promise<void>((resolve) => {
  noteEnd = resolve;
});

/**
 * Watches stdout from the start of the program to its end. That its reader has gone (EPIPE) is a clean end, as with `head`. Any other
 * failure, such as a full disk, is told and makes the exit status 1, whatever the rest of the program thinks of its success.
 *
 * @param tell is called at most once, with why what was written is not all there.
 *
 * @example
 * watchStdout((failure) => console.error(failure.message));
 */
export function watchStdout(tell: (failure: Error) => void): void {
  let hasFailed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && !hasFailed) {
      hasFailed = true;
      tell(error);
    }
    noteEnd();
  });
  process.once('exit', () => {
    if (hasFailed) process.exitCode = 1;
  });
}
