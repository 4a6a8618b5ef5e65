import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Endpoint } from '../../lib/endpoint.js';

/** Outgoing connections take their ports from above these: 32768 on Linux, 49152 elsewhere. */
const [FIRST, LAST] = [10_000, 32_767];

/** Those that were given to somebody in this process, who may not listen yet. */
const given = new Set<number>();

/**
 * A port at which nobody listens and from which nobody dials, also while nobody listens at it: a server that is started with it
 * finds it free, and so does one that is started again.
 */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1);
    if (given.has(port) || !(await isFree(port, address))) continue;
    given.add(port);
    return port;
  }
}

/** The same with its address. */
export async function freeEndpoint(address = '127.0.0.1'): Promise<Endpoint> {
  return { address, port: await freePort(address) };
}

async function isFree(port: number, address: string): Promise<boolean> {
  const server = createServer().listen(port, address);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
