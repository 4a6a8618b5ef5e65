// `node dist/spec/dht/run.js [--nodes N] [--processes N] [--messages N]`: many nodes of a DHT in several processes, of which a tenth
// leaves and joins in a minute, send to each other; once all honest, once with a fifth that lies and drops. Ends by itself with
// status 1 when too little arrived.
import { parseArgs } from 'node:util';
import { Subscription } from 'rxjs';
import { dhtServer$, type DhtServer } from '../../servers/index.js';
import { addressesFrom, bootstrapOf, Trial, type TrialResult } from './trial.js';
import { Worker } from './worker.js';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100' },
    processes: { type: 'string', default: '4' },
    messages: { type: 'string', default: '900' },
    only: { type: 'string' },
  },
});
const nodes = Number(values.nodes);
const messages = Number(values.messages);

let failed = false;
for (const [name, liars, least, first] of [
  ['all honest', 0, 0.99, 100],
  ['a fifth lies and drops', Math.floor(nodes / 5), 0.95, 120],
] as const) {
  if (values.only !== undefined && !name.includes(values.only)) continue;
  const result = await measure(liars, first);
  const share = result.arrived / result.sent;
  const isGood = share >= least && result.medianMs < 1_000;
  failed ||= !isGood;
  console.log(
    `${name}: ${result.arrived} of ${result.sent} messages arrived (${(100 * share).toFixed(2)} %, at least ${100 * least} % wanted), ` +
      `median ${result.medianMs.toFixed(0)} ms, 95 % within ${result.p95Ms.toFixed(0)} ms; ${nodes} nodes in ${values.processes} processes, ` +
      `${result.churned} of them replaced; senders were told ${JSON.stringify(result.told)}: ${isGood ? 'good' : 'NOT GOOD'}`,
  );
}
process.exitCode = failed ? 1 : 0;

async function measure(liars: number, first: number): Promise<TrialResult> {
  const all = new Subscription();
  const server = await started(all, `127.${first + 10}.0.1`);
  const trial = new Trial({
    nodes,
    liars,
    // A tenth in a minute.
    churnEveryMs: 60_000 / (nodes / 10),
    messages,
    messageEveryMs: 100,
    settleMs: 5_000,
    lostAfterMs: 10_000,
    address: addressesFrom(first),
  });
  const workers = Array.from(
    { length: Number(values.processes) },
    () =>
      new Worker(bootstrapOf(server.local), (arrival) => {
        trial.arrived(arrival);
      }),
  );
  try {
    return await trial.run(workers);
  } finally {
    for (const worker of workers) worker.close();
    all.unsubscribe();
  }
}

async function started(all: Subscription, bind: string): Promise<DhtServer> {
  return new Promise((resolve, reject) => {
    all.add(dhtServer$({ bind, port: 0 }).subscribe({ next: resolve, error: reject }));
  });
}
