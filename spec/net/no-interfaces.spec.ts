import { spawnSync } from 'node:child_process';
import { parseJsonObject } from '../../lib/validate.js';

const [INDEX, RUNTIME] = ['index', 'runtime'].map((name) => new URL(`../../lib/${name}.js`, import.meta.url).href);

/** Prints the locator of a node on a system that lets no program see its interfaces, as Android does, and what the node says. */
const PROGRAM = `
  import { syncBuiltinESMExports } from 'node:module';
  import os from 'node:os';
  import { EMPTY, firstValueFrom, of, timer } from 'rxjs';
  os.networkInterfaces = () => {
    throw new Error('uv_interface_addresses returned EACCES');
  };
  syncBuiltinESMExports();
  const { createNet, parseUnl } = await import(${JSON.stringify(INDEX)});
  const { systemRuntime } = await import(${JSON.stringify(RUNTIME)});
  const routedAddress$ = (family) => (family === 4 ? of('192.168.1.7') : EMPTY);
  const timing = { networkMs: 5 };
  const net = createNet({ mode: 'direct', portMapping: false, timing }, { ...systemRuntime, routedAddress$ });
  const said = [];
  net.trace$.subscribe(({ type, reason }) => ['interfaces', 'fault'].includes(type) && said.push([type, reason]));
  const unl = await firstValueFrom(net.unl$);
  // It goes on looking.
  await firstValueFrom(timer(50));
  await net.close();
  console.log(JSON.stringify({ addresses: parseUnl(unl).endpoints.map(({ kind, address }) => [kind, address]), said }));
`;

describe('A node on a system that does not tell its interfaces', () => {
  it('names the address of its default route in its locator, and says once why no others', () => {
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      cwd: new URL('.', import.meta.url),
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(stderr).toBe('');
    expect(parseJsonObject(stdout)).toEqual({
      addresses: [['lan', '192.168.1.7']],
      said: [['interfaces', 'uv_interface_addresses returned EACCES']],
    });
  });
});
