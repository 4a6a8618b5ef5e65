/** Go through all networks of the lab, or through ten thousand messages, where there is time for it: with `RXP2P_LAB=full` they run alone, … */
const LONG = [
  'lab/{crowd,doctor,gateways,leases,punching,rooms,self-check,stun,turn}.spec.js',
  'servers/mailbox/crash.spec.js',
];

/** … and with `RXP2P_LAB=later` all others do. */
const FILES = { full: LONG, later: ['**/*.spec.js', ...LONG.map((path) => `!${path}`)] };

/** How the specs are found and run: compiled to dist/ by `npm test`, in random order, each with time enough for a busy machine. */
export default {
  spec_dir: 'dist/spec',
  helpers: ['support/own-sockets.js', 'support/own-coverage.js', 'support/patience.js', 'support/generated-sizes.js'],
  spec_files: FILES[process.env.RXP2P_LAB] ?? ['**/*.spec.js'],
  env: { random: true, stopSpecOnExpectationFailure: false },
};
