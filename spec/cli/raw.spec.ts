import { randomBytes } from 'node:crypto';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { commands, COMMAND_LIMIT_MS } from '../support/commands.js';
import { Lab, newAddress } from '../support/nodes.js';
import type { Program } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p listen --raw and connect --raw', () => {
  const lab = new Lab();
  const { rxp2p, listening } = commands();
  afterEach(() => lab.close());

  /** A program that listens for bytes, and its locator, which is not on stdout. */
  async function listeningRaw(...args: readonly string[]): Promise<{ program: Program; unl: string }> {
    const program = rxp2p('listen', '--raw', '--json', '--bind', newAddress(), ...args);
    const { unl } = await program.event('ready');
    return { program, unl: String(unl) };
  }

  const connecting = (unl: string, ...args: readonly string[]) =>
    rxp2p('connect', unl, '--raw', '--json', '--bind', newAddress(), ...args);

  it(
    'pass every byte as it is, one direction long after the other has ended, and end with status 0',
    async () => {
      const [question, answer] = [randomBytes(5_000_000), randomBytes(3_000_000)];
      const { program: listener, unl } = await listeningRaw('--once');
      const peer = connecting(unl);
      peer.endOfInput(question);
      await listener.until('the whole question', ({ byteCount }) => byteCount >= question.length);
      // The peer's direction has ended.
      listener.endOfInput(answer);
      expect([await peer.exit(), await listener.exit()]).toEqual([0, 0]);
      expect(listener.bytes.equals(question)).toBeTrue();
      expect(peer.bytes.equals(answer)).toBeTrue();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'take a peer that has nothing to say, too, and the next one after it, unless it is to be one only',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw();
      listener.endOfInput();
      for (const bytes of [Buffer.alloc(0), Buffer.from([0, 10, 13, 255])]) {
        const peer = connecting(unl);
        peer.endOfInput(bytes);
        expect(await peer.exit())
          .withContext(peer.stderr)
          .toBe(0);
      }
      expect([...listener.bytes]).toEqual([0, 10, 13, 255]);
      listener.signal('SIGINT');
      expect(await listener.exit()).toBe(0);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'have a second peer wait until the first has left, but not one that has left before',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw();
      const first = connecting(unl);
      first.type('first ');
      await listener.until('a byte', ({ byteCount }) => byteCount > 0);
      const waiting = (count: number) =>
        listener.until(
          'a peer that waits',
          ({ events }) => events.filter(({ event }) => event === 'waiting').length === count,
        );
      const gone = connecting(unl);
      gone.type('gone ');
      await waiting(1);
      gone.signal('SIGTERM');
      expect(await gone.exit()).toBe(1);
      const second = connecting(unl);
      second.endOfInput('second');
      await waiting(2);
      first.endOfInput();
      listener.endOfInput('for both');
      expect([await first.exit(), await second.exit()]).toEqual([0, 0]);
      expect([listener.stdout, first.stdout, second.stdout]).toEqual(['first second', 'for both', '']);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'refuse a second peer at the same time, where it is to be one only',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw('--once');
      const first = connecting(unl);
      first.type('first');
      await listener.until('a byte', ({ byteCount }) => byteCount > 0);
      const second = connecting(unl);
      expect(await second.exit()).toBe(1);
      expect((await second.event('error'))['message']).toContain('another peer is connected');
      first.endOfInput();
      listener.endOfInput();
      expect([await first.exit(), await listener.exit()]).toEqual([0, 0]);
      expect(listener.stdout).toBe('first');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'read stdin no faster than the peer takes it',
    async () => {
      const net = lab.net();
      const arriving = firstValueFrom(net.channels$('raw', { allowHalfOpen: true }));
      const peer = connecting(await firstValueFrom(net.unl$));
      const chunk = Buffer.alloc(65_536);
      const limit = 200_000_000;
      let taken = 0;
      let isFed = false;
      const feed = async () => {
        while (!isFed && taken < limit) {
          await peer.offer(chunk);
          taken += chunk.length;
        }
      };
      const feeding = feed();
      const channel = await arriving;
      // Nobody reads. It has stopped when it takes no more while it answers a number of questions.
      for (let [before, still] = [-1, 0]; still < 20 && taken < limit; before = taken) {
        await lastValueFrom(channel.connection.openChannel('none').closed$);
        still = taken === before ? still + 1 : 0;
      }
      expect(taken).toBeLessThan(limit);
      isFed = true;
      let heard = 0;
      const stream = channel.toDuplex().on('data', (bytes: Buffer) => {
        heard += bytes.length;
      });
      await feeding;
      peer.endOfInput();
      stream.end();
      expect(await peer.exit()).toBe(0);
      expect(heard).toBe(taken);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'say so when the peer leaves before the end',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw('--once');
      const peer = connecting(unl);
      peer.type('not all');
      await listener.until('some bytes', ({ byteCount }) => byteCount > 0);
      listener.signal('SIGTERM');
      expect([await listener.exit(), await peer.exit()]).toEqual([1, 1]);
      expect((await peer.event('error'))['message']).toContain('interrupted');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'end cleanly when the reader of stdout has had enough, and tell the peer that it was not all',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw('--once');
      const peer = connecting(unl);
      listener.type(Buffer.alloc(5_000_000));
      await peer.until('some bytes', ({ byteCount }) => byteCount > 0);
      peer.closeStdout();
      expect(await peer.exit()).toBe(0);
      expect(await listener.exit()).toBe(1);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'say so when the peer means lines',
    async () => {
      leftToCi();
      const { program: listener, unl } = await listeningRaw('--once');
      const lines = rxp2p('connect', unl, '--bind', newAddress());
      lines.type('a line\n');
      expect(await lines.exit()).toBe(1);
      expect(lines.stderr).toContain('this node takes bytes, not lines: connect with --raw');
      const bytes = connecting((await listening()).unl);
      expect(await bytes.exit()).toBe(1);
      expect((await bytes.event('error'))['message']).toBe('the peer takes no bytes: it has to listen with --raw');
      // Neither has cost the listener its first peer.
      const peer = connecting(unl);
      peer.endOfInput('bytes');
      listener.endOfInput();
      expect([await peer.exit(), await listener.exit()]).toEqual([0, 0]);
      expect(listener.stdout).toBe('bytes');
    },
    COMMAND_LIMIT_MS,
  );
});
