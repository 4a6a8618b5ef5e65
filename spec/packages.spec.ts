import { fileURLToPath } from 'node:url';
import { Program } from './support/program.js';
import { leftToCi } from './support/left-to-ci.js';

const APP = fileURLToPath(new URL('support/bundled-app.js', import.meta.url));

describe('The DHT', () => {
  for (const [version, runtime] of [
    ['bun', 'Bun'],
    ['deno', 'Deno'],
  ] as const) {
    it(`is not loaded on ${runtime}, which it would end: the node says so, and connects without it`, async () => {
      if (runtime === 'Deno') leftToCi();
      const disguise = `Object.defineProperty(process, 'versions', { value: { ...process.versions, ${version}: '1.0.0' } })`;
      const app = new Program(`--import=data:text/javascript,${encodeURIComponent(disguise)}`, [APP]);
      expect(await app.exit())
        .withContext(app.stderr)
        .toBe(0);
      expect(app.lines).toEqual([
        'Bob got hello',
        jasmine.stringContaining(`The DHT is not available on ${runtime}`),
        'MQTT: cannot be reached (ECONNREFUSED)',
      ]);
    });
  }
});
