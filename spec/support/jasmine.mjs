import { readdirSync } from 'node:fs';

// Not what stands in dist/: of a spec that was deleted or moved the compiled one stays there until the next `npm run build`.
const specs = readdirSync(new URL('../', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.spec.ts'))
  .map((name) => name.replace(/\.ts$/, '.js'));

/** How the specs are found and run: compiled to dist/ by `npm test`, in random order, each with time enough for a busy machine. */
export default {
  spec_dir: 'dist/spec',
  helpers: ['support/own-sockets.js', 'support/patience.js'],
  spec_files: specs,
  env: { random: true, stopSpecOnExpectationFailure: false },
};
