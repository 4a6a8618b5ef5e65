import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InvalidOptionError } from '../../lib/errors.js';
import { serveConfigOf, ServeValues } from '../../lib/cli/serve-config.js';
import { environmentNameOf, keyOf, SERVE_OPTIONS } from '../../lib/cli/serve-options.js';
import { DEFAULT_LIMITS } from '../../servers/limits.js';
import { serveOptionsTable } from '../support/serve-options-table.js';
import { temporaryFolder } from '../support/folder.js';

describe('The options of rxp2p serve', () => {
  const path = temporaryFolder();

  function fileOf(values: unknown): string {
    const file = path('rxp2p.json');
    writeFileSync(file, typeof values === 'string' ? values : JSON.stringify(values));
    return file;
  }

  function failureOf(make: () => unknown): string {
    try {
      make();
    } catch (error) {
      if (error instanceof InvalidOptionError) return error.message;
      throw error;
    }
    throw new Error('Expected a failure');
  }

  it('are the defaults, a file over them, the environment over that, and flags over all', () => {
    const file = fileOf({ port: 1, httpPort: 1, dhtPort: 1, host: ['a.example:1'] });
    const environment = { RXP2P_HTTP_PORT: '2', RXP2P_DHT_PORT: '2', RXP2P_HOST: 'b.example:2, c.example:2' };
    const values = new ServeValues({ file, environment, flags: { dhtPort: '3' } });
    expect(['port', 'httpPort', 'dhtPort', 'drain'].map((key) => values.number(key))).toEqual([1, 2, 3, 30]);
    expect(values.texts('host')).toEqual(['b.example:2', 'c.example:2']);
    expect(values.isOn('relay')).toBeTrue();
    expect(new ServeValues({ environment: { RXP2P_RELAY: 'false' }, flags: {} }).isOn('relay')).toBeFalse();
    expect(new ServeValues({ environment: { RXP2P_RELAY: 'false' }, flags: { relay: true } }).isOn('relay')).toBeTrue();
  });

  it('set each limit of each server, and put limits from everywhere together', () => {
    const every = Object.entries(DEFAULT_LIMITS).flatMap(([server, limits]) =>
      Object.keys(limits).map((name) => `${server}.${name}=7`),
    );
    const all = serveConfigOf(new ServeValues({ environment: {}, flags: { limit: every } }));
    const count = (limits: object | undefined) => Object.values(limits ?? {}).filter((value) => value === 7).length;
    const { limits, mailboxLimits, relayLimits, reachabilityLimits, httpLimits, dhtLimits } = all;
    const counts = [limits, mailboxLimits, relayLimits, reachabilityLimits, httpLimits, dhtLimits].map(count);
    expect(counts).toEqual(Object.values(DEFAULT_LIMITS).map((defaults) => Object.keys(defaults).length));

    const file = fileOf({ limit: { mailbox: { messages: 1, bytes: 1 }, http: { connections: 1 } } });
    const environment = { RXP2P_LIMIT: 'mailbox.bytes=2,relay.sessions=2' };
    const flags = { limit: ['http.connections=3'], relayRate: '9' };
    const config = serveConfigOf(new ServeValues({ file, environment, flags }));
    expect(config.mailboxLimits).toEqual({ messages: 1, bytes: 2 });
    expect(config.httpLimits).toEqual({ connections: 3 });
    expect(config.relayLimits).toEqual({ sessions: 2, bytesPerSecond: 9 });
    expect(config.dhtLimits).toBeUndefined();
  });

  it('set a limit that has an option of its own by either, the later place overriding the earlier', () => {
    const file = fileOf({ relaySessions: 5, relayBytes: 5 });
    const flags = { limit: ['relay.sessions=7'] };
    const values = new ServeValues({ file, environment: { RXP2P_RELAY_BYTES: '6' }, flags });
    expect(serveConfigOf(values).relayLimits).toEqual({ sessions: 7, bytesPerSession: 6 });
    expect(values.toJSON()).not.toEqual(jasmine.objectContaining({ relaySessions: jasmine.anything() }));
    const both = new ServeValues({ environment: {}, flags: { ...flags, relaySessions: '8' } });
    expect(serveConfigOf(both).relayLimits).toEqual({ sessions: 8 });
  });

  it('tell of variables in the environment that are named like theirs and are none', () => {
    const ofNodes = { RXP2P_MQTT: 'x', RXP2P_STUN: 'x', RXP2P_TURN: 'x' };
    const environment = { RXP2P_CONFIG: 'none', RXP2P_ADMIN: '0', ...ofNodes, RXP2P_HTP_PORT: '1', PATH: '/bin' };
    const nodeVariables = Object.keys(ofNodes);
    expect(new ServeValues({ environment, flags: {}, nodeVariables }).unknownVariables).toEqual(['RXP2P_HTP_PORT']);
  });

  it('are refused by name, with what was expected', () => {
    const fromFile = (values: unknown) =>
      failureOf(() => new ServeValues({ file: fileOf(values), environment: {}, flags: {} }));
    const fromEnvironment = (environment: Record<string, string>) =>
      failureOf(() => new ServeValues({ environment, flags: {} }));
    const fromFlags = (flags: Record<string, unknown>) => failureOf(() => new ServeValues({ environment: {}, flags }));
    expect(fromFile({ htpPort: 1 })).toMatch(/rxp2p\.json` has `htpPort`, which is no option\. There are bind, port, /);
    expect(fromFile({ port: '8000' })).toBe('Expected `port` to be an integer from 0 to 65535, got `8000`');
    expect(fromFile({ relay: 'no' })).toBe('Expected `relay` to be true or false, got `no`');
    expect(fromFile({ host: 'a.example:1' })).toBe('Expected `host` to be a list of texts, got `a.example:1`');
    expect(fromFile({ limit: { mail: {} } })).toMatch(
      /^Expected `limit` to be made of rendezvous, mailbox, .*, got `mail`$/,
    );
    // Names that every object has.
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(fromFile(`{ "limit": { "${name}": { "assign": 1, "toString": 1, "call": 1 } } }`)).toMatch(
        /^Expected `limit` to be made of rendezvous, /,
      );
      expect(fromFlags({ limit: [`${name}.call=1`] })).toMatch(/^Expected `--limit` to be made of rendezvous, /);
    }
    expect(fromFile({ limit: { http: { conections: 1 } } })).toMatch(
      /^Expected `limit.http` to be made of .*, got `conections`$/,
    );
    expect(fromFile({ limit: { http: { connections: 0 } } })).toBe(
      'Expected `limit.http.connections` to be an integer from 1, got `0`',
    );
    expect(fromFile('[]')).toMatch(/^Expected `--config` to be a file with one JSON object, got /);
    expect(fromFile('{\n  "store": "redis://:secret@h",\n}')).toMatch(
      /^Expected `--config` to be a file with one JSON object, which it stops being in line 3, got `[^`]*`$/,
    );
    expect(failureOf(() => serveConfigOf(new ServeValues({ environment: {}, flags: { adminHost: ['a'] } })))).toMatch(
      /^`--admin-host` is of no use without `--admin`/,
    );
    expect(failureOf(() => new ServeValues({ file: path('none'), environment: {}, flags: {} }))).toMatch(
      /^The file of `--config` cannot be read: .*ENOENT/,
    );
    expect(fromEnvironment({ RXP2P_PORT: '8e3' })).toBe(
      'Expected `RXP2P_PORT` to be an integer from 0 to 65535, got `8e3`',
    );
    expect(fromEnvironment({ RXP2P_JSON: 'yes' })).toBe('Expected `RXP2P_JSON` to be true or false, got `yes`');
    expect(fromFlags({ logLevel: 'loud' })).toMatch(/^Expected `--log-level` to be one of trace, .*, got `loud`$/);
    expect(fromFlags({ limit: ['http.connections'] })).toBe(
      'Expected `--limit` to be SERVER.NAME=N, got `http.connections`',
    );
  });

  it('are refused without the password that may be in them', () => {
    for (const store of [['redis://:secret@10.0.0.1'], { url: 'redis://:secret@10.0.0.1' }]) {
      const refused = () => new ServeValues({ file: fileOf({ store }), environment: {}, flags: {} });
      expect(failureOf(refused)).toBe('Expected `store` to be a text, got `something else`');
    }
  });

  it('are printed as a file that gives the same again, without secrets', () => {
    const flags = {
      store: 'redis://alice:se:cr@et@10.0.0.1:6379,10.0.0.2:6379',
      admin: '9090',
      limit: ['mailbox.messages=9'],
      host: ['rv.example.org:8080'],
    };
    const values = new ServeValues({ environment: {}, flags });
    const printed = JSON.stringify(values);
    expect(printed).not.toContain('cr@et');
    expect(printed).toContain('"store":"redis://alice@10.0.0.1:6379,10.0.0.2:6379"');
    const again = new ServeValues({ file: fileOf(printed), environment: {}, flags: {} });
    expect(JSON.stringify(again)).toBe(printed);
    const { store, ...config } = serveConfigOf(values);
    const { store: withoutPassword, ...same } = serveConfigOf(again);
    expect([store, withoutPassword]).toEqual([flags.store, 'redis://alice@10.0.0.1:6379,10.0.0.2:6379']);
    expect(same).toEqual(config);
    expect(config.admin).toEqual({ bind: '127.0.0.1', port: 9090, hosts: undefined, showAddresses: false });
  });

  it('have names of their own, each with a way to give it in a file and in the environment', () => {
    expect(new Set(SERVE_OPTIONS.map(keyOf)).size).toBe(SERVE_OPTIONS.length);
    expect(SERVE_OPTIONS.map(environmentNameOf)).toContain('RXP2P_HTTP_PORT');
  });

  it('are all in the documentation, as --help has them', () => {
    const text = readFileSync(fileURLToPath(new URL('../../../docs/command-line.md', import.meta.url)), 'utf8');
    const rows = (table: string) => table.split('\n').map((row) => row.replaceAll(/ +/g, ' '));
    expect(rows(text)).toEqual(jasmine.arrayContaining(rows(serveOptionsTable())));
  });
});
