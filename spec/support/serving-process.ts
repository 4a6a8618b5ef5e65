// `node serving-process.js STORE PREFIX`: a rendezvous server with a store that others share, for a spec to kill. Prints its port.
// A crowd sends as fast as this machine can, so that a session is not counted by its lines.
import { switchMap } from 'rxjs';
import { redisStore$, rendezvousServer$ } from '../../servers/index.js';

const [store = '', prefix] = process.argv.slice(2);

redisStore$(store, { prefix })
  .pipe(
    switchMap((shared) =>
      rendezvousServer$({ bind: '127.0.0.1', port: 0, store: shared, limits: { linesPerSecond: 1_000_000 } }),
    ),
  )
  .subscribe(({ local }) => {
    console.log(local.port);
  });
