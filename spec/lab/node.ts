/** A node with what the command line has no options for: its trace on stdout, a JSON object a line. Ends on SIGINT. */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { catchError, distinct, firstValueFrom, map, mergeMap, of, switchMap, take } from 'rxjs';
import { createNet } from '../../lib/index.js';

/** All that an attempt took is to be given back within this time. */
const RELEASED_MS = 1_000;

const { values } = parseArgs({
  options: {
    rendezvous: { type: 'string', multiple: true, default: [] },
    stun: { type: 'string', multiple: true, default: [] },
    reachability: { type: 'string', multiple: true },
    /** To be found on the local network, to tell who else is there, and to connect to them with `--meet`. */
    lan: { type: 'boolean', default: false },
    meet: { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
    /** Milliseconds. */
    lease: { type: 'string', default: '7200000' },
    /** Milliseconds. */
    check: { type: 'string', default: '60000' },
    only: { type: 'string' },
    /** Locators of the nodes to connect to, all at once. */
    dial: { type: 'string', multiple: true, default: [] },
  },
});

const only = (['pcp', 'nat-pmp', 'upnp'] as const).filter((name) => name === values.only);
const net = createNet({
  mode: 'direct',
  rendezvous: values.rendezvous,
  stun: values.stun,
  reachability: values.reachability,
  lan: values.lan,
  port: Number(values.port),
  portMapping: only.length > 0 ? only : true,
  // What is looked at here is how a node is reached directly.
  relay: false,
  timing: { mappingMs: Number(values.lease), mappingCheckMs: Number(values.check) },
});
net.trace$.subscribe((step) => {
  console.log(JSON.stringify(step));
});
process.once('SIGINT', () => {
  void net.close();
});
net.neighbours$.subscribe((neighbours) => {
  console.log(JSON.stringify({ type: 'neighbours', neighbours }));
});
net.connections$
  .pipe(mergeMap(({ peerId, path$ }) => path$.pipe(map(({ technique, remote }) => ({ peerId, technique, remote })))))
  .subscribe((connected) => {
    console.log(JSON.stringify({ type: 'connected', ...connected }));
  });
await net.start();
if (values.meet) {
  net.neighbours$
    .pipe(
      mergeMap((all) => all),
      distinct(({ peerId }) => peerId),
      mergeMap(({ unl }) => net.connect$(unl)),
    )
    .subscribe();
}

if (values.dial.length > 0) {
  // What this node is must be known before it can punch.
  await firstValueFrom(net.unl$);
  const tell = (fields: object) => {
    console.log(JSON.stringify({ ...fields, descriptors: readdirSync('/proc/self/fd').length }));
  };
  for (const unl of values.dial) {
    net
      .connect$(unl)
      .pipe(
        switchMap((connection) => {
          connection.send(`to ${connection.peerId}`);
          return connection.path$.pipe(
            take(1),
            map(({ technique, direct }) => ({ type: 'dialled', peerId: connection.peerId, technique, direct })),
          );
        }),
        catchError((error: unknown) => of({ type: 'failed', reason: String(error) })),
      )
      .subscribe((outcome) => {
        tell(outcome);
        // Whatever else was opened for it has been closed by then.
        setTimeout(() => {
          tell({ type: 'later' });
        }, RELEASED_MS);
      });
  }
}
