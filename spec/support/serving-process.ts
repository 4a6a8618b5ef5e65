// `node serving-process.js STORE PREFIX`: a rendezvous server with a store that others share, for a spec to kill. Prints its port.
import { switchMap } from 'rxjs';
import { redisStore$, rendezvousServer$ } from '../../servers/index.js';

const [store = '', prefix] = process.argv.slice(2);

redisStore$(store, { prefix })
  .pipe(switchMap((shared) => rendezvousServer$({ bind: '127.0.0.1', port: 0, store: shared })))
  .subscribe(({ local }) => {
    console.log(local.port);
  });
