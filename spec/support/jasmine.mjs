/** How the specs are found and run: compiled to dist/ by `npm test`, in random order, each with time enough for a busy machine. */
export default {
  spec_dir: 'dist/spec',
  helpers: ['support/own-sockets.js', 'support/patience.js'],
  spec_files: ['**/*.spec.js'],
  env: { random: true, stopSpecOnExpectationFailure: false },
};
