import { lastValueFrom, takeUntil, tap } from 'rxjs';
import { serve$ } from '../../servers/serve.js';
import { formatEndpoint, parseServer } from '../endpoint.js';
import { interrupted$ } from './terminal.js';

/** The options of `rxp2p serve`. */
export interface ServeOptions {
  readonly bind?: string;
  readonly port: number;
  readonly httpPort: number;
  /** A folder in which the mailbox keeps messages. */
  readonly data?: string;
  /** The names by which clients know the mailbox. */
  readonly host?: readonly string[];
  readonly dhtPort?: number;
  readonly dhtAddress?: string;
  readonly dhtBootstrap?: readonly string[];
}

/** `rxp2p serve`: runs the servers until interrupted. */
export async function serve({ data, host, dhtBootstrap, ...options }: ServeOptions): Promise<void> {
  const bootstrap = dhtBootstrap?.map((text) => parseServer('dht-bootstrap', text));
  const serving$ = serve$({ ...options, dataFolder: data, hosts: host, dhtBootstrap: bootstrap }).pipe(
    tap(({ endpoints }) => {
      for (const { name, local } of endpoints) console.log(`${name} ${formatEndpoint(local)}`);
    }),
    takeUntil(interrupted$()),
  );
  await lastValueFrom(serving$, { defaultValue: undefined });
}
