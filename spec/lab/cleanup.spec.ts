import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { command } from './command.js';
import {
  isAlive,
  makeTemporaryDirectory,
  namespaces,
  processesIn,
  runName,
  runOf,
  temporaryDirectories,
  temporaryDirectory,
} from './namespace.js';
import { LAB_LIMIT_MS, needsLab } from './support.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

/** A lab in its own process, with a topology up that has all kinds of things in it: daemons, wires, a user's program. */
const startLab = async (env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> => {
  const lab = spawn(
    process.execPath,
    [MAIN, 'shell', 'upnp-igd2', 'cgnat', '--', 'sh', '-c', 'echo up; exec sleep 600'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    },
  );
  await once(createInterface({ input: lab.stdout }), 'line');
  return lab;
};

const end = async (lab: ChildProcess, signal: NodeJS.Signals): Promise<unknown> => {
  const ended = once(lab, 'exit'); // not `close`: what it left behind holds its stdout
  lab.kill(signal);
  return (await ended)[0];
};

/** All that a run can leave on a machine. The nft tables outside of namespaces must be none of ours either. */
const tracesOf = (run: string) => ({
  namespaces: namespaces(`${run}-`),
  processes: processesIn(namespaces(`${run}-`)),
  directories: temporaryDirectories().filter((name) => runOf(name) === run),
});

/** The command line of a process; of one that has ended, also when nobody has collected it yet, the empty one. */
const programOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};

/** For runs that no other spec's run shall clean up after: those run at the same time. */
const APART = 'rxk';

const NOTHING = { namespaces: [], processes: [], directories: [] };

describe('The lab leaves nothing behind', () => {
  let rulesBefore: string;

  beforeEach(async () => {
    needsLab();
    rulesBefore = await command('nft', ['list', 'ruleset']);
  });

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(
      `at ${signal}`,
      async () => {
        const lab = await startLab();
        const run = runName(lab.pid ?? 0);
        expect(tracesOf(run).namespaces.length).withContext('namespaces while it runs').toBeGreaterThan(6);
        expect(await end(lab, signal)).toBe(status);
        expect(tracesOf(run)).toEqual(NOTHING);
        expect(await command('nft', ['list', 'ruleset'])).toBe(rulesBefore);
      },
      LAB_LIMIT_MS,
    );
  }

  it(
    'that the next run does not clean when it was killed in the middle',
    async () => {
      const env = { RXP2P_LAB_NAME: APART };
      const [killed, living] = await Promise.all([startLab({ ...env, TMPDIR: '/var/tmp' }), startLab(env)]);
      const [killedRun, livingRun] = [runName(killed.pid ?? 0, APART), runName(living.pid ?? 0, APART)];
      const livingTraces = tracesOf(livingRun);

      await end(killed, 'SIGKILL');
      expect(isAlive(killedRun)).toBeFalse();
      const left = tracesOf(killedRun);
      expect(left.namespaces.length).withContext('namespaces left').toBeGreaterThan(6);
      expect(left.processes.length).withContext('daemons and the user’s program left').toBeGreaterThan(1);
      expect(left.directories.length).withContext('directories left').toBe(1);

      const said = await command('env', [`RXP2P_LAB_NAME=${APART}`, process.execPath, MAIN, 'clean']);
      expect(said).toContain(killedRun);
      expect(tracesOf(killedRun)).toEqual(NOTHING);
      for (const pid of left.processes) expect(programOf(pid)).withContext(`process ${pid}`).toBe('');
      expect(tracesOf(livingRun)).withContext('the run that still lives').toEqual(livingTraces);

      await end(living, 'SIGTERM');
      expect(tracesOf(livingRun)).toEqual(NOTHING);
    },
    LAB_LIMIT_MS,
  );

  for (const [how, command, status] of [
    ['status', 'exit 7', 7],
    ['signal', 'kill -TERM $$', 143],
  ] as const) {
    it(
      `after a command, whose exit ${how} it hands on`,
      async () => {
        const lab = spawn(process.execPath, [MAIN, 'shell', 'same-lan', '--', 'on', 'b', 'sh', '-c', command], {
          stdio: 'ignore',
        });
        const run = runName(lab.pid ?? 0);
        expect(await once(lab, 'close')).toEqual([status, null]);
        expect(tracesOf(run)).toEqual(NOTHING);
      },
      LAB_LIMIT_MS,
    );
  }
});

describe('The lab’s command line', () => {
  it('refuses what is too much', async () => {
    await expectAsync(command(process.execPath, [MAIN, 'list', '--', 'foo'])).toBeRejectedWithError(
      /too many arguments/,
    );
  });
});

describe('The directory of a run', () => {
  const run = runName(process.pid); // alive, so that nobody sweeps it

  afterEach(() => {
    rmSync(temporaryDirectory(run), { recursive: true, force: true });
  });

  it('is for this user only, and never one that was there before', () => {
    if (process.platform !== 'linux') pending('the lab runs on Linux only');
    makeTemporaryDirectory(run);
    expect(statSync(temporaryDirectory(run)).mode & 0o777).toBe(0o700);
    expect(temporaryDirectories()).toContain(run);
    expect(() => {
      makeTemporaryDirectory(run);
    }).toThrowError(/EEXIST/);
  });

  it('is a directory, not a link to one', () => {
    if (process.platform !== 'linux') pending('the lab runs on Linux only');
    symlinkSync('/nowhere', temporaryDirectory(run));
    expect(temporaryDirectories()).not.toContain(run);
  });
});

describe('The name of a run', () => {
  it('tells this process from all others', () => {
    if (process.platform !== 'linux') pending('process start times come from /proc');
    expect(isAlive(runName(process.pid))).toBeTrue();
    expect(isAlive(`rxl-${process.pid}-1`))
      .withContext('an earlier process of the same number')
      .toBeFalse();
  });

  it('is found in the names of namespaces and directories, and in no others', () => {
    expect(runOf('rxl-12-345-0-home-a')).toBe('rxl-12-345');
    expect(runOf('rxl-12-345')).toBe('rxl-12-345');
    for (const other of ['rxl', 'rxl-12', 'rxl-12-345x', 'my-rxl-12-345', 'rxl-a-b-0'])
      expect(runOf(other)).toBeUndefined();
  });
});
