import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetConfig } from '../../lib/config.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { loadersOf } from '../../lib/net/preload.js';
import { FakeGateway, type GatewayOptions } from '../support/gateways.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';

/** The specs run from dist/spec/net. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A process has so many descriptors that is soon out of them: more than its start takes, which reads many files at once. */
const DESCRIPTORS = 512;

/** What has a shell run a program in such a process. */
const limited = (program: string) => [
  '-c',
  `ulimit -n ${DESCRIPTORS}; exec "$0" --input-type=module --eval "$1"`,
  process.execPath,
  program,
];

describe('A node that starts', () => {
  it('loads the packages that it will need, and no others', () => {
    const names = (config: Partial<NetConfig>) =>
      loadersOf(resolveConfig({ mode: 'direct', ...config })).map(({ name }) => name);
    const none = { portMapping: false } as const;
    expect(names(none)).toEqual([]);
    expect(names({ forwarded: true })).toEqual([]);
    expect(names({ reachability: false })).toEqual([]);
    expect(names({ bind: '127.0.0.1' })).toEqual([]);
    const gateway = ['loadDefaultGateway'];
    expect(names({ portMapping: ['pcp'] })).toEqual(gateway);
    expect(names({ portMapping: ['nat-pmp'] })).toEqual([...gateway, 'loadNatPmp']);
    expect(names({ portMapping: ['upnp'] })).toEqual(['loadNodeFetch', ...gateway, 'loadNatUpnp', 'loadUpnp']);
    for (const byHttp of [
      { rendezvous: ['a.example:1'] },
      { mailbox: ['http://a.example:1'] },
      { reachability: ['http://a.example:1'] },
      { reachability: false, mailbox: ['http://a.example:1'] },
    ] as const) {
      expect(names({ ...none, ...byHttp })).toEqual(['loadNodeFetch']);
    }
    expect(names({ ...none, rendezvous: ['wss://a.example'] })).toEqual(['loadNodeFetch', 'loadWs']);
    expect(names({ ...none, mqtt: ['mqtts://a.example'] })).toEqual(['loadMqttPacket']);
    expect(names({ ...none, mqtt: ['wss://a.example'] })).toEqual(['loadWs', 'loadMqttPacket']);
    expect(names({ ...none, mqtt: ['mqtts://a.example'], security: 'plain' })).toEqual([]);
    expect(names({ ...none, dht: ['a.example:1'] })).toEqual(['loadNodeFetch', 'loadDhtRpc']);
  });
});

describe('Packages that are loaded when they are needed', () => {
  it('are all loaded in one file, which a node can have load them early', () => {
    const files = ['lib', 'servers'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    );
    const loading = files
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .filter((name) => /\bimport\('[^.]/.test(readFileSync(join(ROOT, name), 'utf8')));
    expect(loading).toEqual(['lib/packages.ts']);
  });
});

describe('A net that starts while its process is out of descriptors', () => {
  it('says that it could not be loaded, and that the process must be started anew', () => {
    const program = `
      import { openSync } from 'node:fs';
      import { createNet } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};
      // Opens stdout while that can be done.
      process.stdout.write('');
      try {
        for (;;) openSync('/dev/null');
      } catch {
        await createNet({ mode: 'direct' }).start().catch(({ code, message }) => console.log(code, message));
      }
    `;
    const { stdout, stderr } = spawnSync('sh', limited(program), { cwd: ROOT, encoding: 'utf8' });
    expect(stdout)
      .withContext(stderr)
      .toMatch(/^UNAVAILABLE .*EMFILE.*start the process anew/);
  });
});

describe('A node whose process is out of descriptors for a moment', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function openGateway(options: GatewayOptions = {}): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  /** Runs a node in such a process, which begins as soon as the node runs and ends when it has failed to have a port opened. */
  function start(config: NetConfig, { gateway }: FakeGateway): Promise<string> {
    const program = `
      import { closeSync, openSync } from 'node:fs';
      import { filter, firstValueFrom, of } from 'rxjs';
      import { createNet } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};
      import { systemRuntime } from ${JSON.stringify(new URL('../../lib/runtime.js', import.meta.url).href)};
      const gateway$ = () => of(${JSON.stringify(gateway)});
      const net = createNet(${JSON.stringify(config)}, { ...systemRuntime, gateway$ });
      const failed = firstValueFrom(
        net.trace$.pipe(filter(({ type, outcome }) => type === 'port-mapping' && outcome === 'failed')),
      );
      await net.start();
      const taken = [];
      try {
        for (;;) taken.push(openSync('/dev/null'));
      } catch ({ code }) {
        console.log(code);
      }
      await failed;
      for (const descriptor of taken) closeSync(descriptor);
      process.stdin.on('end', () => net.close(1)).resume();
    `;
    const child = spawn('sh', limited(program), { cwd: ROOT });
    lab.onClose(() => child.stdin.end());
    let output = '';
    return new Promise((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        resolve(text);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
      child.on('exit', () => {
        reject(new Error(output));
      });
    });
  }

  for (const protocol of ['upnp', 'nat-pmp'] as const) {
    it(`has a port opened by ${protocol} afterwards, and asks by HTTP`, async () => {
      const gateway = await openGateway();
      const asked = { byHttp: false };
      const server = createServer((_, response) => {
        asked.byHttp = true;
        response.end();
      }).listen(0, newAddress());
      await once(server, 'listening');
      lab.onClose(() => {
        server.close();
        server.closeAllConnections();
      });
      const { address, port } = addressOf(server);
      const config: NetConfig = {
        mode: 'direct',
        bind: newAddress(),
        portMapping: [protocol],
        reachability: [`http://${address}:${port}`],
        timing: { mappingRetryMs: 50 },
      };
      expect(await start(config, gateway)).toBe('EMFILE\n');
      await gateway.until(({ table }) => table.size > 0);
      expect(asked.byHttp).toBeTrue();
    });
  }
});
