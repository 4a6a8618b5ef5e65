import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import { createIdentity } from '../../../lib/identity.js';
import { temporaryFolder } from '../../support/folder.js';
import { MailboxCaller, refusalOf, textsOf } from '../../support/mailbox.js';
import { Program, RXP2P } from '../../support/program.js';
import { needsSmallDisk, smallDisks } from '../../support/small-disk.js';
import { leftToCi } from '../../support/left-to-ci.js';

const SERVER = fileURLToPath(new URL('../../support/mailbox-process.js', import.meta.url));

const KEEP_MS = 600_000;

// A server that cannot write has everybody wait for its next try, a second each time; and processes take their time to start.
const LONG_MS = 120_000;

describe('A mailbox server that cannot write to its disk', () => {
  const path = temporaryFolder();
  const diskOf = smallDisks();
  const programs: Program[] = [];
  // One connection, made before there are no descriptors left.
  let agent = new Agent();

  beforeEach(() => {
    agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: LONG_MS });
  });

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    agent.destroy();
  });

  async function start(folder: string): Promise<{ program: Program; port: number }> {
    const program = new Program(SERVER, [folder, '0', String(KEEP_MS)]);
    programs.push(program);
    await program.line(/^\d+$/);
    return { program, port: Number(program.lines[0]) };
  }

  /** Puts messages, each other than the one before, and remembers which of them the server says that it keeps. */
  class Sender {
    readonly kept = new Set<string>();
    readonly caller: MailboxCaller;
    #count = 0;

    constructor(
      port: number,
      readonly to: string,
    ) {
      this.caller = new MailboxCaller({ host: '127.0.0.1', port, agent });
    }

    /** Returns how many were kept. */
    async put(count: number, bytes: number): Promise<number> {
      let kept = 0;
      for (let index = 0; index < count; index++) if ((await this.putOne(bytes)) === 200) kept++;
      return kept;
    }

    /** Returns 200, or why it was refused. */
    async putOne(bytes: number): Promise<unknown> {
      const text = `message ${this.#count++} ${randomBytes(bytes / 2).toString('hex')}`;
      const answer = refusalOf(await this.caller.put(this.to, text, { keepMs: KEEP_MS }));
      if (answer === 200) this.kept.add(text);
      return answer;
    }

    /** Puts messages until one is refused. Returns why. */
    async putUntilRefused(bytes: number): Promise<unknown> {
      for (;;) {
        const answer = await this.putOne(bytes);
        if (answer !== 200) return answer;
      }
    }
  }

  /** All that is there for somebody, after the server was killed and started again. */
  async function allAfterCrash(program: Program, folder: string, owner: MailboxCaller): Promise<Set<string>> {
    program.signal('SIGKILL');
    await program.exit();
    const { port } = await start(folder);
    const again = new MailboxCaller({ host: '127.0.0.1', port }, owner.identity);
    const all = new Set<string>();
    let acknowledge: readonly string[] = [];
    do {
      const taken = await again.take({ acknowledge });
      for (const text of textsOf(taken)) all.add(text);
      acknowledge = taken.map(({ receipt }) => receipt);
    } while (acknowledge.length > 0);
    return all;
  }

  it(
    'refuses every message until there is room, and has all that it accepted, before and after, when it is killed',
    async () => {
      needsSmallDisk();
      const disk = await diskOf('3m');
      const folder = disk.path('data');
      const { program, port } = await start(folder);
      const receiver = new MailboxCaller({ host: '127.0.0.1', port });
      const sender = new Sender(port, receiver.peerId);
      expect(await sender.put(20, 8_000)).toBe(20);
      disk.fill();
      expect(await sender.putUntilRefused(4_000)).toBe('not-saved');
      // Though there may be room for a short one.
      expect(await sender.put(2, 10)).toBe(0);
      disk.free();
      expect(await sender.put(30, 500)).toBe(30);
      expect(await allAfterCrash(program, folder, receiver)).toEqual(sender.kept);
      expect(program.lines.filter((line) => line.endsWith(': No space left on device'))).toHaveSize(1);
      expect(program.lines.filter((line) => line === 'writable')).toHaveSize(1);
    },
    LONG_MS,
  );

  it(
    'since it may open no more files, does the same',
    async () => {
      leftToCi();
      const folder = path('data');
      const { program, port } = await start(folder);
      const receiver = new MailboxCaller({ host: '127.0.0.1', port });
      const sender = new Sender(port, receiver.peerId);
      expect(await sender.put(20, 8_000)).toBe(20);
      program.type('exhaust\n');
      await program.line('exhaust');
      // LevelDB opens another log after 4 MiB.
      expect(await sender.putUntilRefused(16_000)).toBe('not-saved');
      expect(await sender.put(2, 10)).toBe(0);
      program.type('release\n');
      await program.line('release');
      expect(await sender.put(30, 500)).toBe(30);
      expect(await allAfterCrash(program, folder, receiver)).toEqual(sender.kept);
      expect(program.lines.filter((line) => line.startsWith('not writable: EMFILE: '))).toHaveSize(1);
      expect(program.lines.filter((line) => line === 'writable')).toHaveSize(1);
    },
    LONG_MS,
  );

  it(
    'tells so on stderr, once, and when it can again',
    async () => {
      needsSmallDisk();
      const disk = await diskOf('3m');
      const folder = disk.path('data');
      const args = ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0', '--data', folder];
      const program = new Program(RXP2P, args);
      programs.push(program);
      await program.line(/^http /);
      const port = Number(program.lines[1]?.split(':').at(-1));
      disk.fill();
      const sender = new Sender(port, createIdentity().peerId);
      expect(await sender.putUntilRefused(8_000)).toBe('not-saved');
      disk.free();
      // It tries by itself, too.
      const events = () => program.events.filter(({ event }) => event === 'storage');
      await program.until('two events', () => events().length === 2);
      const reason = jasmine.stringMatching(/^ENOSPC: .*: No space left on device$/);
      expect(events()).toEqual([
        jasmine.objectContaining({
          level: 'error',
          event: 'storage',
          writable: false,
          reason,
          msg: jasmine.stringMatching(/^the mailbox cannot write to .*: ENOSPC: .*; it keeps no message until it can$/),
        }),
        jasmine.objectContaining({
          level: 'info',
          event: 'storage',
          writable: true,
          msg: `the mailbox writes to ${folder} again`,
        }),
      ]);
      expect(await sender.putOne(100)).toBe(200);
    },
    LONG_MS,
  );
});
