import { lastValueFrom, throwError } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { DialError } from '../../lib/errors.js';
import type { DialConfig } from '../../lib/link/tcp.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { sample$ } from '../../lib/rendezvous/sample.js';
import { systemRuntime } from '../../lib/runtime.js';

describe('looks at several ports from several servers', () => {
  /** What is dialled, in this order, when nobody answers. */
  async function dialled(hosts: readonly string[]): Promise<readonly DialConfig[]> {
    const dials: DialConfig[] = [];
    const dial$ = (config: DialConfig) => {
      dials.push(config);
      return throwError(() => new DialError('nobody is there'));
    };
    const config = {
      bind: '127.0.0.1',
      dialect: OUR_DIALECT,
      runtime: { ...systemRuntime, dial$ },
      timing: DEFAULT_TIMING,
    };
    const servers = hosts.map((host, index) => ({ host, port: 1 + index }));
    expect(await lastValueFrom(sample$(servers, 20_000, config))).toEqual([]);
    return dials;
  }

  it('leave in the order in which they are compared, though names have to be looked up', async () => {
    const ports = [20_000, 20_001, 20_002, 20_003, 20_004];
    const dials = await dialled(['localhost', '127.0.0.2']);
    expect(dials.map(({ localPort, port, addresses }) => [localPort, port, addresses])).toEqual(
      ports.flatMap((localPort) => [
        [localPort, 1, ['127.0.0.1']],
        [localPort, 2, ['127.0.0.2']],
      ]),
    );
  });

  it('are left to the dial where a name cannot be looked up', async () => {
    const dials = await dialled(['nosuch.invalid']);
    expect(dials.map(({ host, addresses }) => [host, addresses])).toEqual(
      Array.from({ length: 5 }, () => ['nosuch.invalid', undefined]),
    );
  });

  it('are none without a server', async () => {
    expect(await dialled([])).toEqual([]);
  });
});
