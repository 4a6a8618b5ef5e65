import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allNodeOptions, defaultConfigFile } from '../../lib/cli/node-sources.js';
import { commandLine } from '../../lib/cli/program.js';
import { temporaryFolder } from '../support/folder.js';
import { nodeOptionsTable } from '../support/node-options-table.js';

const DOCUMENT = fileURLToPath(new URL('../../../docs/command-line.md', import.meta.url));

describe('Options of commands that make a node', () => {
  const path = temporaryFolder();

  /** The options with which a command would run. */
  async function optionsOf(
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const program = commandLine('1.2.3', { XDG_CONFIG_HOME: path('none'), ...environment });
    const command = program.commands.find((each) => each.name() === args[0]);
    command?.action(() => undefined);
    await program.parseAsync(args, { from: 'user' });
    return command?.opts() ?? {};
  }

  /** Writes a file of options. */
  function written(values: unknown, name = 'options.json'): string {
    writeFileSync(path(name), typeof values === 'string' ? values : JSON.stringify(values));
    return path(name);
  }

  it('come from a file, over it the environment, and over that flags', async () => {
    const file = written({ rendezvous: ['one:1', 'two:2'], port: 4100, bind: '127.0.0.9', portMapping: false });
    const environment = { RXP2P_CONFIG: file, RXP2P_BIND: '127.0.0.8', RXP2P_PORT: '4200' };
    expect(await optionsOf(['listen', '--port', '4300'], environment)).toEqual(
      jasmine.objectContaining({
        rendezvous: ['one:1', 'two:2'],
        bind: '127.0.0.8',
        port: 4300,
        portMapping: false,
      }),
    );
    const other = written({ port: 4400 }, 'other.json');
    expect((await optionsOf(['listen', '--config', other], { RXP2P_CONFIG: file }))['port']).toBe(4400);
  });

  it('come from a default place, where there is a file', async () => {
    const home = { XDG_CONFIG_HOME: path('home') };
    mkdirSync(path('home/rxp2p'), { recursive: true });
    expect(defaultConfigFile(home)).toBe(written({ port: 4500 }, 'home/rxp2p/config.json'));
    expect((await optionsOf(['listen'], home))['port']).toBe(4500);
    expect(defaultConfigFile({})).toMatch(/\.config.rxp2p.config\.json$/);
  });

  it('are lists with commas, a password with spaces, numbers, and switches, in the environment', async () => {
    const environment = {
      RXP2P_RENDEZVOUS: 'one:1, two:2',
      RXP2P_MAILBOX: 'http://one,http://two',
      RXP2P_TURN: 'turn:a:b,c@one:1 turn:d:e@two:2',
      RXP2P_TECHNIQUE: 'direct,relay',
      RXP2P_TIMEOUT: '7',
      RXP2P_LAN: 'off',
      RXP2P_RELAY: 'false',
      RXP2P_COMPRESS: 'false',
      RXP2P_YES: 'true',
      RXP2P_EXISTING: 'rename',
    };
    const shared = {
      rendezvous: ['one:1', 'two:2'],
      mailbox: ['http://one', 'http://two'],
      turn: ['turn:a:b,c@one:1', 'turn:d:e@two:2'],
      technique: ['direct', 'relay'],
      timeout: 7,
      lan: false,
      relay: false,
    };
    expect(await optionsOf(['send', 'a'], environment)).toEqual(
      jasmine.objectContaining({ ...shared, compress: false }),
    );
    const received = await optionsOf(['receive', '--relay', 'http://three'], environment);
    expect(received).toEqual(
      jasmine.objectContaining({ ...shared, yes: true, existing: 'rename', relay: ['http://three'] }),
    );
  });

  it('are refused by name where a name or a value is none', async () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [{ rendevous: [] }, /options\.json` has `rendevous`, which is no option.* rendezvous,/s],
      [{ port: '4100' }, /`port`.*a number/],
      [{ port: 70_000 }, /`port`.*integer from 0 to 65535/],
      [{ rendezvous: 'one:1' }, /`rendezvous`.*list/],
      [{ json: 'yes' }, /`json`.*true or false/],
      [{ technique: ['magic'] }, /`technique`.*direct/],
      [{ existing: 'burn' }, /`existing`/],
      ['{', /line 1/],
    ];
    for (const [values, message] of wrong)
      await expectAsync(optionsOf(['receive', '--config', written(values)])).toBeRejectedWithError(message);
    await expectAsync(optionsOf(['listen', '--config', path('missing')])).toBeRejectedWithError(/cannot be read/);
    const variables: readonly (readonly [NodeJS.ProcessEnv, RegExp])[] = [
      [{ RXP2P_PORT: '70000' }, /RXP2P_PORT.*integer from 0 to 65535/],
      [{ RXP2P_JSON: 'yes' }, /RXP2P_JSON.*true or false/],
      [{ RXP2P_TECHNIQUE: 'direct,magic' }, /RXP2P_TECHNIQUE.*direct/],
    ];
    for (const [environment, message] of variables)
      await expectAsync(optionsOf(['receive'], environment)).toBeRejectedWithError(message);
    const said = spyOn(console, 'error');
    await optionsOf(['listen'], { RXP2P_RENDEVOUS: 'one:1', RXP2P_HTTP_PORT: '80' });
    expect(said.calls.allArgs()).toEqual([['the environment has RXP2P_RENDEVOUS, which is no option']]);
  });

  it('do not show what may be a password', async () => {
    const secret = written({ turn: 'turn:me:secret@one:1' });
    await expectAsync(optionsOf(['listen', '--config', secret])).toBeRejectedWithError(/^((?!secret@).)*$/s);
  });

  it('stand in the documentation, by all of their names', () => {
    const rows = (text: string) =>
      Array.from(text.matchAll(/^\| `-.*$/gm), ([row]) => row.replaceAll(/ +/g, ' ').replaceAll('\\|', '|'));
    expect(rows(readFileSync(DOCUMENT, 'utf8'))).toEqual(jasmine.arrayContaining(rows(nodeOptionsTable())));
    const all = allNodeOptions(commandLine('1.2.3'));
    expect(new Set(all.map(({ variable }) => variable)).size).toBe(all.length);
  });
});
