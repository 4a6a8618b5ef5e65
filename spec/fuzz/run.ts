/**
 * `npm run fuzz [-- --seconds N] [--inputs N] [--seed N] [--target NAME]`: gives mutated valid traffic to every parser, port and state
 * machine, and ends with a status other than 0 when anything is wrong, with the seed and the input that bring it back.
 */
import { parseArgs } from 'node:util';
import { watchCoverage } from './coverage.js';
import { fuzz } from './fuzz.js';
import type { Target } from './target.js';
import { CALLER_TARGETS } from './targets/callers.js';
import { connectionTargets } from './targets/connections.js';
import { GATEWAY_TARGETS } from './targets/gateways.js';
import { MESSAGE_TARGETS } from './targets/messages.js';
import { ROOM_WIRE_TARGETS } from './targets/room-wire.js';
import { ROOM_TARGETS } from './targets/rooms.js';
import { REMOTE_TARGETS } from './targets/remote.js';
import { serverTargets } from './targets/servers.js';
import { SIGNAL_TARGETS } from './targets/signals.js';
import { STUN_TARGETS } from './targets/stun.js';
import { storeTargets } from './targets/stores.js';
import { WIRE_TARGETS } from './targets/wire.js';

/** A fifth of a second is what people notice; 64 MiB are more than all limits of one connection together. */
const LIMITS = { stallMs: 200, growthBytes: 64 * 2 ** 20, lookMs: 3_000 };

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    inputs: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    target: { type: 'string' },
  },
});

const coverage = await watchCoverage();
const all: readonly Target[] = [
  ...WIRE_TARGETS,
  ...REMOTE_TARGETS,
  ...MESSAGE_TARGETS,
  ...SIGNAL_TARGETS,
  ...ROOM_TARGETS,
  ...ROOM_WIRE_TARGETS,
  ...GATEWAY_TARGETS,
  ...CALLER_TARGETS,
  ...STUN_TARGETS,
  ...storeTargets(),
  ...connectionTargets(),
  ...(await serverTargets()),
];
const targets = all.filter(({ name }) => values.target === undefined || name === values.target);
const seed = Number(values.seed);
const ms = values.inputs === 'Infinity' ? Number(values.seconds) * 1000 : Infinity;
if (targets.length === 0 || !(ms > 0) || !(Number(values.inputs) > 0) || !Number.isInteger(seed)) {
  console.error(
    `Expected --seconds, --inputs and --seed to be numbers, and --target to be one of: ${all.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
console.log(`seed ${seed}, ${targets.length} targets`);

const { inputs, failure } = await fuzz({
  ...LIMITS,
  targets,
  seed,
  inputs: Number(values.inputs),
  ms,
  onProgress: (progress) => {
    console.log(
      `${(progress.elapsedMs / 1000).toFixed(0)} s: ${progress.inputs} inputs, ${(progress.heapBytes / 2 ** 20).toFixed(0)} MiB of heap`,
    );
  },
});

const covered = await coverage.take();
console.log('\ninputs     reached  target');
for (const { name, reaches } of targets) {
  const files = covered.filter(({ file }) => reaches.some((prefix) => file.startsWith(prefix)));
  const share = files.reduce((sum, file) => sum + file.share, 0) / Math.max(1, files.length);
  console.log(
    `${String(inputs.get(name) ?? 0).padStart(9)}  ${(share * 100).toFixed(0).padStart(5)} %  ${name} (${reaches.join(', ')})`,
  );
}
const total = [...inputs.values()].reduce((sum, count) => sum + count, 0);
if (failure === undefined) console.log(`\n${total} inputs, nothing wrong`);
else {
  console.error(`\n${failure.kind} in ${failure.target}, seed ${seed}, after ${total} inputs:\n${failure.message}`);
  for (const input of failure.inputs.slice(-3))
    console.error(`input, base64: ${input.toString('base64').slice(0, 4_000)}`);
}
process.exit(failure === undefined ? 0 : 1);
