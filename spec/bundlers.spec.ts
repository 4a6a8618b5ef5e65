import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './support/folder.js';
import { Program } from './support/program.js';
import { leftToCi } from './support/left-to-ci.js';

const BUNDLE = fileURLToPath(new URL('../../spec/support/bundle.mjs', import.meta.url));
const APP = fileURLToPath(new URL('support/bundled-app.js', import.meta.url));

/** A bundler reads some four hundred files. */
const LONG_MS = 180_000;

describe('An application', () => {
  const file = temporaryFolder();

  for (const bundler of ['esbuild', 'rollup', 'vite']) {
    it(
      `that ${bundler} has bundled connects, and says which packages it has to do without`,
      async () => {
        if (bundler !== 'esbuild') leftToCi();
        const bundle = new Program(BUNDLE, [bundler, APP, file('')]);
        expect(await bundle.exit())
          .withContext(bundle.stderr)
          .toBe(0);
        // All that is needed is in the bundle. The folder of this package is empty, so that none is found further up either.
        writeFileSync(file('package.json'), '{ "type": "module" }');
        for (const name of ['dht-rpc', 'mqtt-packet']) mkdirSync(file(`node_modules/${name}`), { recursive: true });
        const app = new Program(join(file('app.js')));
        expect(await app.exit())
          .withContext(app.stderr)
          .toBe(0);
        expect(app.lines).toEqual([
          'Bob got hello',
          'DHT: The package dht-rpc is not installed: npm install dht-rpc',
          'MQTT: cannot be asked: The package mqtt-packet is not installed: npm install mqtt-packet',
        ]);
      },
      LONG_MS,
    );
  }
});
