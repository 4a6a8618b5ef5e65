import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Endpoint } from '../../lib/endpoint.js';
import { serve$, type ServeConfig, type Serving } from '../../servers/serve.js';
import { addressOf, type Lab } from './nodes.js';

/** All servers on loopback ports of their own, until the spec is over. */
export async function serveAll(
  lab: Lab,
  config: ServeConfig = {},
): Promise<Serving & { readonly rendezvous: Endpoint; readonly http: Endpoint; readonly stop: () => void }> {
  return new Promise((resolve, reject) => {
    const subscription = lab.use(
      serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, ...config }).subscribe({
        next: (serving) => {
          const at = (wanted: string): Endpoint => {
            const local = serving.endpoints.find(({ name }) => name === wanted)?.local;
            if (local === undefined) throw new Error(`Expected a server ${wanted}`);
            return local;
          };
          const stop = () => {
            subscription.unsubscribe();
          };
          resolve({ ...serving, rendezvous: at('rendezvous'), http: at('http'), stop });
        },
        error: reject,
      }),
    );
  });
}

/** A port of an address that nobody uses. */
export async function freePort(address: string): Promise<Endpoint> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = addressOf(server);
  server.close();
  await once(server, 'close');
  return { address, port };
}
