/**
 * `npm run rooms:simulate [-- --nodes N] [--hostile-nodes N] [--seed N] [--docs FOLDER]`: rooms of thousands of nodes in virtual time. Prints
 * what must be and what is, and ends with a status other than 0 where something is not as it must be.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { besideIroh, IROH, type Beside } from './beside.js';
import { picturesOf, pictureBeside } from './pictures.js';
import { honestRoom, hostileRoom } from './scenarios.js';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10000' },
    'hostile-nodes': { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    docs: { type: 'string' },
  },
});
const [nodes, hostileNodes, seed] = [Number(values.nodes), Number(values['hostile-nodes']), Number(values.seed)];
if (![nodes, hostileNodes, seed].every(Number.isInteger) || nodes < 10 || hostileNodes < 10) {
  console.error('Expected --nodes and --hostile-nodes to be integers from 10, and --seed to be an integer');
  process.exit(2);
}

const { rows, figures } = honestRoom(nodes, seed);
const all = [...rows, ...hostileRoom(hostileNodes, seed)];
console.log(`${nodes} nodes, and ${hostileNodes} of which a tenth is hostile; seed ${seed}\n`);
console.log('| what | must | measured |  |\n| --- | --- | --- | --- |');
for (const { what, must, got, isMet } of all)
  console.log(`| ${what} | ${must} | ${got} | ${isMet ? 'yes' : '**NO**'} |`);
const beside = besideIroh();
const showBeside = ({ copies, lastHop, lastMs }: Beside) =>
  `${copies.toFixed(2)} | ${lastHop.toFixed(1)} | ${lastMs.toFixed(0)} ms`;
console.log(
  '\n| 100 nodes, 30 messages, each of another | copies a node | hops to the last | time to the last |\n| --- | --- | --- | --- |',
);
console.log(`| rxp2p | ${showBeside(beside)} |\n| iroh-gossip | ${showBeside(IROH)} |`);
console.log(`\n${(process.cpuUsage().user / 1e6).toFixed(0)} s of CPU time`);

if (values.docs !== undefined) {
  const folder = join(values.docs, 'measured');
  mkdirSync(folder, { recursive: true });
  for (const [name, picture] of picturesOf(figures)) writeFileSync(join(folder, name), picture);
  writeFileSync(join(folder, 'rooms-beside.svg'), pictureBeside(beside));
}
process.exit(all.every(({ isMet }) => isMet) ? 0 : 1);
