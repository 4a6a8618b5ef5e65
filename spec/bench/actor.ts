// A child process of a benchmark: `actor.js BENCHMARK ROLE KIND`. Answers its parent's questions one at a time, and ends
// with it.
import { isValues, textOf } from './actors.js';
import { benchmarks } from './benchmarks.js';

const [name, role, kind = ''] = process.argv.slice(2);
const make = benchmarks.find((benchmark) => benchmark.name === name)?.roles[role ?? ''];
if (make === undefined) throw new Error(`Expected a role of a benchmark, got ${name ?? ''} ${role ?? ''}`);
const handlers = make(kind);

process.once('disconnect', () => {
  process.exit();
});
process.on('message', (message: unknown) => {
  answer(message).then(
    (values) => process.send?.(values),
    (error: unknown) => process.send?.({ failure: String(error) }),
  );
});

async function answer(message: unknown) {
  if (!isValues(message)) throw new TypeError('Expected a question, got something else');
  const question = textOf(message, 'question');
  const handler = (await handlers)[question];
  if (handler === undefined) throw new Error(`Expected a question that this role knows, got ${question}`);
  return handler(message);
}
