import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, statSync, watch } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIdentity } from '../../../lib/identity.js';
import { temporaryFolder } from '../../support/folder.js';
import { MailboxCaller, textsOf } from '../../support/mailbox.js';
import { Program } from '../../support/program.js';
import { leftToCi } from '../../support/left-to-ci.js';

const SERVER = fileURLToPath(new URL('../../support/mailbox-process.js', import.meta.url));

/** CI sends more: what takes the time is that each is on the disk before it is accepted. */
const MESSAGES = Number(process.env['RXP2P_MAILBOX_MESSAGES'] ?? 2_500);
/** It is killed each time that so many have been accepted. */
const EACH = MESSAGES / 5;

/** Puts on their way at the same time. */
const AT_ONCE = 32;

/** What the store writes about itself. */
const SLACK_BYTES = 20_000;

/** Long enough for all that is accepted to be taken. */
const KEEP_MS = 600_000;

// The whole takes seconds, but for a machine that is busy.
const LONG_MS = 180_000;

describe('A mailbox server that is killed', () => {
  const path = temporaryFolder();
  const programs: Program[] = [];
  const agent = new Agent({ keepAlive: true });

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    agent.destroy();
  });

  /** Starts it on the same port and folder as before, with its clock ahead by so much. */
  async function start(port = 0, aheadMs = 0): Promise<{ program: Program; port: number }> {
    const program = new Program(SERVER, [path('data'), String(port), String(KEEP_MS), String(aheadMs)]);
    programs.push(program);
    await program.line(/^\d+$/);
    return { program, port: Number(program.lines[0]) };
  }

  async function kill(program: Program): Promise<void> {
    program.signal('SIGKILL');
    await program.exit();
  }

  function diskUse(): number {
    const sizes = readdirSync(path('data')).map(
      (name) => statSync(join(path('data'), name), { throwIfNoEntry: false })?.size,
    );
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }

  it(
    'loses no message that it accepted, and repeats none to the application',
    async () => {
      leftToCi();
      const { port, ...first } = await start();
      let { program } = first;
      const where = { host: '127.0.0.1', port, agent };
      const [sender, receiver] = [new MailboxCaller(where), new MailboxCaller(where)];
      let isUp = Promise.resolve();

      /** Asks until there is an answer: a server that was killed comes back. */
      const persist = async <T>(ask: () => Promise<T>): Promise<T> => {
        for (;;) {
          try {
            return await ask();
          } catch {
            await isUp;
          }
        }
      };

      const crash = async () => {
        await isUp;
        await kill(program);
        ({ program } = await start(port));
      };

      let accepted = 0;
      let next = 0;
      const put = async () => {
        for (let index = next++; index < MESSAGES; index = next++) {
          // The same again, where it is not known whether it was accepted.
          await persist(async () => {
            const { status } = await sender.put(receiver.peerId, `message ${index}`, {
              id: `${index}`,
              keepMs: KEEP_MS,
            });
            if (status !== 200) throw new Error(`It said ${status}`);
          });
          accepted++;
          if (accepted % EACH === 0 && accepted < MESSAGES) isUp = crash();
        }
      };

      const applied = new Set<string>();
      const confirmed = new Set<string>();
      const repeated: string[] = [];
      const take = async () => {
        let acknowledge: readonly string[] = [];
        for (let isOver = false; !isOver;) {
          const isComplete = accepted === MESSAGES;
          const acknowledged = acknowledge;
          const taken = await persist(() => receiver.take({ waitMs: 1_000, acknowledge: acknowledged }));
          for (const receipt of acknowledged) confirmed.add(receipt);
          repeated.push(...taken.map(({ receipt }) => receipt).filter((receipt) => confirmed.has(receipt)));
          // What was brought and not acknowledged before a crash comes again: by its id the application knows it.
          for (const text of textsOf(taken)) applied.add(text);
          acknowledge = taken.map(({ receipt }) => receipt);
          isOver = isComplete && taken.length === 0;
        }
      };

      await Promise.all([...Array.from({ length: AT_ONCE }, put), take()]);
      expect(accepted).toBe(MESSAGES);
      expect(applied).toEqual(new Set(Array.from({ length: MESSAGES }, (_, index) => `message ${index}`)));
      expect(repeated).toEqual([]);
      // What is acknowledged stays so.
      await isUp;
      await kill(program);
      await start(port);
      expect(await receiver.take()).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'and started again gives the room on the disk back when messages have expired',
    async () => {
      leftToCi();
      const first = await start();
      await kill(first.program);
      const floor = diskUse();
      const { program, port } = await start(first.port);
      const sender = new MailboxCaller({ host: '127.0.0.1', port, agent });
      const nobody = createIdentity().peerId;
      for (let index = 0; index < 300; index++) {
        // What could be compressed would not take room.
        const message = randomBytes(6_000).toString('hex');
        await sender.put(nobody, message, { keepMs: KEEP_MS });
      }
      expect(diskUse()).toBeGreaterThan(2_000_000);
      await kill(program);
      const watcher = watch(path('data'));
      await start(port, KEEP_MS);
      while (diskUse() > floor + SLACK_BYTES) await once(watcher, 'change');
      watcher.close();
      expect(diskUse()).toBeLessThanOrEqual(floor + SLACK_BYTES);
    },
    LONG_MS,
  );
});
