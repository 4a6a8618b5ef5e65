import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { LISTEN_BACKLOG } from '../../lib/link/tcp.js';

/** Connects so many times in the same moment, and ends once all are connected. */
const CLIENT = `
  const [host, port, count] = process.argv.slice(1);
  let left = Number(count);
  for (let i = left; i > 0; i--) {
    require('node:net').connect({ host, port }, () => {
      if (--left === 0) process.exit(0);
    });
  }`;

/** Far more than Node's own default of 511 has room for, and few enough for a process's descriptors. */
const MANY = 1_000;

/** More time than any busy machine takes, in milliseconds. */
const GIVEN_UP_MS = 30_000;

/**
 * Opens many connections to a port at once, by another process, while this process does nothing: it accepts none of them. As many as the
 * system lets wait, where that is less.
 *
 * @throws when the system does not complete all of them.
 */
export function connectAtOnce({ address, port }: { readonly address: string; readonly port: number }): void {
  const count = Math.min(MANY, mostWaiting());
  execFileSync(process.execPath, ['--eval', CLIENT, address, String(port), String(count)], { timeout: GIVEN_UP_MS });
}

/** How many connections may wait to be accepted; 100 is below the limit of every system. */
function mostWaiting(): number {
  try {
    return Math.min(LISTEN_BACKLOG, Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')));
  } catch {
    return 100;
  }
}
