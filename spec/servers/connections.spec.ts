import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { createIdentity } from '../../lib/identity.js';
import { parseJsonObject } from '../../lib/validate.js';
import { connectionsOf, withinDescriptors } from '../../servers/serve/connections.js';
import { LineClient } from '../support/line-client.js';
import { newAddress } from '../support/nodes.js';
import { RXP2P } from '../support/program.js';

describe('The connections of servers and the descriptors of their process', () => {
  const sockets: Socket[] = [];
  const processes: ChildProcess[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(
      processes.splice(0).map((child) => {
        child.kill('SIGKILL');
        return once(child, 'close');
      }),
    );
  });

  const limits = { connections: 6_000 };
  const httpLimits = { connections: 2_000 };

  it('are as many as the limits say while there is room for all of them', () => {
    const config = { limits, httpLimits, port: 8000 };
    expect(withinDescriptors(config, 8_384)).toBe(config);
    expect(withinDescriptors(config, Number.POSITIVE_INFINITY)).toBe(config);
    expect(connectionsOf(config)).toEqual({ rendezvous: 6_000, http: 2_000 });
    expect(connectionsOf({})).toEqual({ rendezvous: 100_000, http: 20_000 });
  });

  it('are in the proportion of the limits where there are fewer descriptors, and fit into them together', () => {
    const within = (config: object, most: number) =>
      connectionsOf(withinDescriptors({ limits, httpLimits, ...config }, most));
    expect(within({}, 4_384)).toEqual({ rendezvous: 3_000, http: 1_000 });
    expect(within({}, 400)).toEqual({ rendezvous: 150, http: 50 });
    expect(within({}, 2)).toEqual({ rendezvous: 1, http: 1 });
    expect(within({ dhtPort: 0 }, 5_384)).toEqual({ rendezvous: 3_000, http: 1_000 });
    // Of 6,000 clients 750 may begin with TLS, and as many may be at their handshakes.
    expect(within({ identity: createIdentity() }, 5_134)).toEqual({ rendezvous: 3_000, http: 1_000 });
  });

  it('keep the other limits, and what is no number for the server to reject', () => {
    const config = { limits: { ...limits, idleMs: 7 }, httpLimits };
    expect(withinDescriptors(config, 4_384).limits).toEqual({ connections: 3_000, idleMs: 7 });
    expect(withinDescriptors({ limits: { connections: Number.NaN } }, 400).limits).toEqual({ connections: Number.NaN });
  });

  it('leave room for a newcomer when two addresses have opened more than there are descriptors', async () => {
    const { stdout, stderr } = serverWith(450);
    const [, port] = await found(stdout, /^rendezvous 127\.0\.0\.1:(\d+)$/m);
    const [told = ''] = await found(stderr, /^.*"descriptors".*$/m);
    expect(parseJsonObject(told)).toEqual(jasmine.objectContaining({ level: 'info', rendezvous: 187, http: 37 }));
    const at = { address: '127.0.0.1', port: Number(port) };
    for (const localAddress of [newAddress(), newAddress()]) {
      const opened = Array.from({ length: 256 }, () => {
        const socket = connect({ host: at.address, port: at.port, localAddress });
        socket.on('error', () => undefined);
        sockets.push(socket);
        return once(socket, 'connect');
      });
      await Promise.allSettled(opened);
    }
    const client = await LineClient.to(at, newAddress());
    sockets.push(client.socket);
    expect(await Promise.race([client.ask('PING'), client.closed()])).toBe('PONG');
  });

  /** Servers in a process that may have so many descriptors. */
  function serverWith(descriptors: number) {
    const command = `ulimit -n ${descriptors} && exec "$0" "$@"`;
    const options = ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0'];
    const child = spawn('sh', ['-c', command, process.execPath, RXP2P, ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    processes.push(child);
    return child;
  }

  /** What is looked for in what a process says. */
  async function found(output: Readable, wanted: RegExp): Promise<RegExpExecArray> {
    let said = '';
    for await (const text of output.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      said += String(text);
      const match = wanted.exec(said);
      if (match !== null) return match;
    }
    throw new Error(`Expected ${String(wanted)}, got ${said}`);
  }
});
