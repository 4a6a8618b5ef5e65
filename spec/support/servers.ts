import { firstValueFrom, Subject } from 'rxjs';
import type { Endpoint } from '../../lib/endpoint.js';
import { serve$, type ServeConfig, type Serving } from '../../servers/index.js';
import type { Lab } from './nodes.js';

/** Servers that run, as specs use them. */
interface AllServers extends Serving {
  readonly rendezvous: Endpoint;
  readonly http: Endpoint;
  /** Where one of them listens, as `net.connect` and `http.request` take it, too. */
  readonly at: (name: string) => Endpoint & { readonly host: string };
  readonly stop: () => void;
  /** Resolves when they have been drained. */
  readonly drained: Promise<void>;
}

/** All servers on loopback ports of their own, until the spec is over. */
export async function serveAll(lab: Lab, config: ServeConfig = {}): Promise<AllServers> {
  return new Promise((resolve, reject) => {
    const end = new Subject<void>();
    const drained = firstValueFrom(end, { defaultValue: undefined });
    const subscription = lab.use(
      serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, ...config }).subscribe({
        next: (serving) => {
          const at = (wanted: string) => {
            const local = serving.endpoints.find(({ name }) => name === wanted)?.local;
            if (local === undefined) throw new Error(`Expected a server ${wanted}`);
            return { ...local, host: local.address };
          };
          const stop = () => {
            subscription.unsubscribe();
          };
          resolve({ ...serving, at, rendezvous: at('rendezvous'), http: at('http'), stop, drained });
        },
        error: reject,
        complete: () => {
          end.complete();
        },
      }),
    );
  });
}
