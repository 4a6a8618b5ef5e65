import { spawnSync } from 'node:child_process';
import { Server, Socket } from 'node:net';
import { lastValueFrom } from 'rxjs';
import { rehearse$ } from '../../lib/net/rehearsal.js';
import { leftToCi } from '../support/left-to-ci.js';

/** A file of the library, as a program imports it. */
const lib = (file: string) => JSON.stringify(new URL(`../../lib/${file}`, import.meta.url).href);

/** Runs a program in a process of its own, which ends by itself when nothing is left to do. Returns what it has said. */
function run(program: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(status).withContext(stderr).toBe(0);
  return stdout;
}

describe('A rehearsal', () => {
  it('connects two nodes without the system’s network', async () => {
    const [listen, connect] = [spyOn(Server.prototype, 'listen'), spyOn(Socket.prototype, 'connect')];
    await lastValueFrom(rehearse$(), { defaultValue: undefined });
    expect(listen).not.toHaveBeenCalled();
    expect(connect).not.toHaveBeenCalled();
  });

  it('leaves nothing behind, whenever it is stopped', () => {
    leftToCi();
    const said = run(`
      import { setImmediate as turn } from 'node:timers/promises';
      import { rehearse$ } from ${lib('net/rehearsal.js')};
      for (let turns = 0; turns < 40; turns++) {
        const rehearsal = rehearse$().subscribe();
        for (let left = turns; left > 0; left--) await turn();
        rehearsal.unsubscribe();
      }
    `);
    expect(said).toBe('');
  });

  it('is what the first net of a process does when it has started, and the next does not', () => {
    const said = run(`
      import { TLSSocket } from 'node:tls';
      import { lastValueFrom } from 'rxjs';
      import { createNet } from ${lib('index.js')};
      import { rehearseOnce$ } from ${lib('net/rehearsal.js')};
      let handshakes = 0;
      const begun = new Promise((resolve) => {
        const { emit } = TLSSocket.prototype;
        TLSSocket.prototype.emit = function (event, ...values) {
          if (event === 'secure') resolve(++handshakes);
          return emit.call(this, event, ...values);
        };
      });
      const net = createNet({ mode: 'direct', bind: '127.0.0.1' });
      await net.start();
      await begun;
      await net.close();
      handshakes = 0;
      await lastValueFrom(rehearseOnce$(), { defaultValue: undefined });
      console.log(handshakes);
    `);
    expect(said).toBe('0\n');
  });
});
