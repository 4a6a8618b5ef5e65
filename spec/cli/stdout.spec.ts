import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import { Lab, newAddress } from '../support/nodes.js';
import { RXP2P } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

// Each process of Node takes its time to start, more so on a busy machine.
const LONG_MS = 120_000;

/** A disk that is full. */
const FULL = '/dev/full';

/** Its exit status, or the signal that ended it, when all that it wrote has been read as well, or at once. */
function ending(child: ChildProcess, event: 'close' | 'exit' = 'close'): Promise<number | string | null> {
  return new Promise((resolve) => {
    child.once(event, (code: number | null, signal: string | null) => {
      resolve(code ?? signal);
    });
  });
}

describe('rxp2p, where its output cannot be written,', () => {
  const lab = new Lab();
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await lab.close();
  });

  function start(args: readonly string[], stdout: number | 'pipe'): { child: ChildProcess; said: () => string } {
    const child = spawn(process.execPath, [RXP2P, ...args], { stdio: ['pipe', stdout, 'pipe'] });
    children.push(child);
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    return { child, said: () => said };
  }

  /** Runs with a full disk for its output, until it has ended. */
  async function onFullDisk(...args: readonly string[]): Promise<{ status: unknown; said: string }> {
    const full = openSync(FULL, 'w');
    const { child, said } = start(args, full);
    closeSync(full);
    const status = await ending(child);
    return { status, said: said() };
  }

  it(
    'says why and ends with status 1, by every command',
    async () => {
      leftToCi();
      if (!existsSync(FULL)) pending(`there is no ${FULL} here`);
      const net = lab.net();
      const unl = await firstValueFrom(net.unl$);
      lab.use(
        net.connections$.subscribe((connection) => {
          for (let line = 0; line < 1000; line++) connection.send(`line ${line}`);
        }),
      );
      lab.use(
        net.channels$('raw').subscribe((channel) => {
          const stream = channel.toDuplex().on('error', () => undefined);
          stream.end(Buffer.alloc(100_000));
        }),
      );
      const runs = await Promise.all([
        onFullDisk('connect', unl, '--bind', newAddress()),
        onFullDisk('connect', unl, '--raw', '--bind', newAddress()),
        onFullDisk('listen', '--bind', newAddress()),
        onFullDisk('serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0'),
        onFullDisk('--help'),
      ]);
      for (const { status, said } of runs) {
        expect(status).withContext(said).toBe(1);
        expect(said).toMatch(/^rxp2p: cannot write to stdout: .*ENOSPC/m);
      }
      const { status, said } = await onFullDisk('connect', unl, '--bind', newAddress(), '--json');
      expect(status).toBe(1);
      expect(said).toMatch(/^\{"event":"failed","reason":"cannot write to stdout: .*ENOSPC/m);
    },
    LONG_MS,
  );

  it(
    'ends cleanly and silently when its reader closes the pipe',
    async () => {
      const { child, said } = start(['--help'], 'pipe');
      child.stdout?.destroy();
      const status = await ending(child);
      expect([status, said()]).toEqual([0, '']);
    },
    LONG_MS,
  );

  it(
    'ends on SIGTERM although its reader has stopped reading',
    async () => {
      leftToCi();
      const { child } = start(['listen', '--echo', '--bind', newAddress()], 'pipe');
      // The first line, and then no more: what comes fills the pipe.
      const unl = await new Promise<string>((resolve) => {
        child.stdout?.once('data', (chunk: Buffer) => {
          child.stdout?.pause();
          resolve(chunk.toString().trim());
        });
      });
      const connection = await firstValueFrom(lab.net().connect$(unl));
      const echo = firstValueFrom(connection.lines$);
      connection.send('x'.repeat(900_000));
      // It is printed next, and more than a pipe and a paused stream hold.
      await echo;
      const ended = ending(child, 'exit');
      child.kill('SIGTERM');
      const status = await ended;
      expect(status).toBe(0);
    },
    LONG_MS,
  );
});
