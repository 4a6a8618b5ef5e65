/** A node with what the command line has no options for: its trace on stdout, a JSON object a line. Ends on SIGINT. */
import { parseArgs } from 'node:util';
import { createNet } from '../../lib/index.js';

const { values } = parseArgs({
  options: {
    rendezvous: { type: 'string', multiple: true, default: [] },
    reachability: { type: 'string', multiple: true },
    port: { type: 'string', default: '0' },
    /** Milliseconds. */
    lease: { type: 'string', default: '7200000' },
    /** Milliseconds. */
    check: { type: 'string', default: '60000' },
    only: { type: 'string' },
  },
});

const only = (['pcp', 'nat-pmp', 'upnp'] as const).filter((name) => name === values.only);
const net = createNet({
  mode: 'direct',
  rendezvous: values.rendezvous,
  reachability: values.reachability,
  port: Number(values.port),
  portMapping: only.length > 0 ? only : true,
  timing: { mappingMs: Number(values.lease), mappingCheckMs: Number(values.check) },
});
net.trace$.subscribe((step) => {
  console.log(JSON.stringify(step));
});
process.once('SIGINT', () => {
  void net.close();
});
await net.start();
