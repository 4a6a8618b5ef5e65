import { lastValueFrom, takeUntil, tap } from 'rxjs';
import { serve$ } from '../../servers/serve.js';
import { formatEndpoint } from '../endpoint.js';
import { interrupted$ } from './terminal.js';

/** The options of `rxp2p serve`. */
export interface ServeOptions {
  readonly bind?: string;
  readonly port: number;
  readonly httpPort: number;
  /** A folder in which the mailbox keeps messages. */
  readonly data?: string;
}

/** `rxp2p serve`: runs the servers until interrupted. */
export async function serve({ data, ...options }: ServeOptions): Promise<void> {
  const serving$ = serve$({ ...options, dataFolder: data }).pipe(
    tap(({ endpoints }) => {
      for (const { name, local } of endpoints) console.log(`${name} ${formatEndpoint(local)}`);
    }),
    takeUntil(interrupted$()),
  );
  await lastValueFrom(serving$, { defaultValue: undefined });
}
