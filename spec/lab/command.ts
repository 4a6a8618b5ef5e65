import { execFile } from 'node:child_process';

/** Runs a program to its end and gives what it printed; `input` goes to its standard input. */
export const command = (file: string, args: readonly string[], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(file, args, { maxBuffer: OUTPUT_LIMIT }, (failure, stdout, stderr) => {
      if (failure === null) resolve(stdout);
      else
        reject(
          new Error(`\`${[file, ...args].join(' ')}\` failed: ${stderr.trim() || failure.message}`, { cause: failure }),
        );
    });
    // A program that ends without reading its input says why on stderr; EPIPE would only hide that.
    child.stdin?.on('error', () => undefined).end(input);
  });

const OUTPUT_LIMIT = 16 * 1024 * 1024;
