import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What listens, and waits to be stopped: it has room for one connection that it has not accepted, the kernel for one more. */
const LISTENER = `require('node:net').createServer().listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1 }, () => console.log())`;

/** An address at which TCP handshakes get no answer, as behind a lost SYN or a firewall that drops: the kernel's queue is full. */
export class Unanswered {
  private constructor(
    readonly child: ChildProcess,
    readonly fillers: readonly Socket[],
  ) {}

  static async at(address: string, port: number): Promise<Unanswered> {
    const child = spawn(process.execPath, ['-e', LISTENER, address, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    const fillers = Array.from({ length: 2 }, () => connect(port, address).on('error', () => undefined));
    await Promise.all(fillers.map((filler) => once(filler, 'connect')));
    return new Unanswered(child, fillers);
  }

  /** From now on the handshake that is tried again, after a second, is answered. */
  answer(): void {
    this.child.kill('SIGCONT');
  }

  end(): void {
    for (const filler of this.fillers) filler.destroy();
    this.child.kill('SIGKILL');
  }
}
