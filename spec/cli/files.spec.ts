import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import { encodeHeader, FILES_FRAME, FrameDecoder, type FilesFrameType } from '../../lib/files/frames.js';
import { encodeEntries, encodeRole, encodeStart } from '../../lib/files/messages.js';
import { FILES_CHANNEL } from '../../lib/index.js';
import { commands, COMMAND_LIMIT_MS, SERVE } from '../support/commands.js';
import { temporaryFolder } from '../support/folder.js';
import { Lab, newAddress } from '../support/nodes.js';
import { RXP2P, type Program } from '../support/program.js';
import { needsProgram } from '../support/proxies.js';
import { treeOf, writeTree } from '../support/transfers.js';
import { leftToCi } from '../support/left-to-ci.js';

const MIB = 1_048_576;

describe('rxp2p send and receive', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const { rxp2p } = commands();
  afterEach(() => lab.close());

  const waiting = async (program: Program): Promise<string> => String((await program.event('ready'))['ticket']);
  const sending = (...args: readonly string[]) =>
    rxp2p('send', path('sent'), '--json', '--bind', newAddress(), ...args);
  const receiving = (...args: readonly string[]) =>
    rxp2p('receive', '--json', '--yes', '--into', path('into'), '--bind', newAddress(), ...args);
  const wholeTree = () => {
    expect(treeOf(path('into/sent'))).toEqual(treeOf(path('sent')));
    expect(readdirSync(path('into'))).toEqual(['sent']);
  };

  it(
    'carry a folder to whoever has the ticket, which is all that is on stdout',
    async () => {
      writeTree(path(''), { 'sent/a': 'a', 'sent/deep/b': randomBytes(3 * MIB), 'sent/none/': '' });
      const sender = sending();
      const ticket = await waiting(sender);
      const receiver = receiving(ticket);
      expect([await receiver.exit(), await sender.exit()]).toEqual([0, 0]);
      wholeTree();
      expect([sender.lines, receiver.stdout]).toEqual([[ticket], '']);
      const counts = { files: 2, unchanged: 0, skipped: 0, failed: 0 };
      expect([await sender.event('done'), await receiver.event('done')]).toEqual([
        { event: 'done', ...counts },
        { event: 'done', ...counts },
      ]);
      expect(receiver.events.filter(({ event }) => event === 'file')).toEqual([
        { event: 'file', path: 'sent/a', outcome: 'received' },
        { event: 'file', path: 'sent/deep/b', outcome: 'received' },
      ]);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'take the end of what is typed for a no, and not for nothing',
    async () => {
      leftToCi();
      needsProgram('script');
      writeTree(path(''), { 'sent/a': 'a' });
      const sender = sending();
      const ticket = await waiting(sender);
      const command = [process.execPath, RXP2P, 'receive', ticket, '--into', path('into'), '--bind', newAddress()];
      const terminal = spawn('script', ['-qec', command.join(' '), '/dev/null']);
      const ended = once(terminal, 'exit');
      let shown = '';
      terminal.stdout.on('data', (chunk: Buffer) => {
        const isAsked = shown.includes('[y/N]');
        shown += chunk.toString();
        // Ctrl-D
        if (!isAsked && shown.includes('[y/N]')) terminal.stdin.write('\x04');
      });
      expect((await ended)[0]).toBe(1);
      expect(await sender.exit()).toBe(1);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'do so by a code, which one peer types, and for nobody who has the UNL alone',
    async () => {
      leftToCi();
      const serve = rxp2p(...SERVE);
      await serve.line(/^http /);
      const at = ['--rendezvous', (serve.lines[0] ?? '').replace(/^\w+ /, '')];
      writeTree(path(''), { 'sent/a': 'a' });
      const sender = sending('--code', ...at);
      const { unl } = await sender.event('ready');
      const stranger = receiving(String(unl), '--timeout', '5');
      expect(await stranger.exit()).toBe(1);
      const { code } = await sender.event('code');
      const receiver = receiving(String(code), ...at);
      expect([await receiver.exit(), await sender.exit()]).toEqual([0, 0]);
      wholeTree();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'do so as well where the receiver waits, and tell both in words where no JSON is wanted',
    async () => {
      leftToCi();
      writeTree(path(''), { 'sent/a': 'a' });
      const receiver = rxp2p('receive', '--yes', '--into', path('into'), '--bind', newAddress());
      await receiver.until('its ticket', ({ lines }) => lines.length > 0);
      const sender = rxp2p(
        'send',
        path('sent'),
        '--to',
        receiver.lines[0] ?? '',
        '--bind',
        newAddress(),
        '--report',
        path('send.html'),
      );
      expect([await receiver.exit(), await sender.exit()]).toEqual([0, 0]);
      wholeTree();
      const page = readFileSync(path('send.html'), 'utf8');
      for (const words of ['rxp2p send', 'All was carried', 'lines go by direct']) expect(page).toContain(words);
      expect(sender.stderr).toMatch(/1 file, 1 B\n(?:.*\n)*1 file to go, 1 B\n1 file sent\n/);
      expect(receiver.stderr).toContain(`for the sender: rxp2p send PATH --to ${receiver.lines[0] ?? ''}\n`);
      expect(receiver.stderr).toContain('1 file received\n');
      // No terminal: nothing is drawn.
      expect(sender.stderr + receiver.stderr).not.toContain('\u001b');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'have nobody in who only knows where the sender is',
    async () => {
      writeTree(path(''), { 'sent/a': 'a' });
      const sender = sending();
      await waiting(sender);
      const stranger = receiving(String((await sender.event('ready'))['unl']));
      expect(await stranger.exit()).toBe(1);
      expect((await stranger.event('failed'))['reason']).toContain('neither sends nor receives');
      sender.signal('SIGINT');
      expect(await sender.exit()).toBe(1);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'go on with the same command after the receiver was killed',
    async () => {
      leftToCi();
      const content = randomBytes(6 * MIB);
      writeTree(path(''), { 'sent/big': content });
      // A sender that stops in the middle.
      const net = lab.net();
      const arriving = firstValueFrom(net.channels$(FILES_CHANNEL));
      const first = receiving(await firstValueFrom(net.unl$));
      const stream = (await arriving).toDuplex().on('error', () => undefined);
      const say = (type: FilesFrameType, payload: Buffer = Buffer.alloc(0)) => {
        stream.write(Buffer.concat([encodeHeader(type, payload.length), payload]));
      };
      say(FILES_FRAME.hello, encodeRole('sender'));
      const common = { mode: 0o755, modifiedMs: 0 };
      say(
        FILES_FRAME.offer,
        encodeEntries([
          { ...common, path: 'sent', kind: 'folder', size: 0 },
          { ...common, path: 'sent/big', kind: 'file', size: content.length },
        ]),
      );
      say(FILES_FRAME.offered);
      const decoder = new FrameDecoder();
      await new Promise<void>((resolve) => {
        stream.on('data', (bytes: Buffer) => {
          if ([...decoder.push(bytes)].some(({ type }) => type === FILES_FRAME.go)) resolve();
        });
      });
      say(FILES_FRAME.file, encodeStart({ index: 1, from: 0 }));
      for (let at = 0; at < 4.5 * MIB; at += MIB / 4) say(FILES_FRAME.content, content.subarray(at, at + MIB / 4));
      const isFar = ({ event, bytes }: Readonly<Record<string, unknown>>) =>
        event === 'progress' && Number(bytes) >= 4.5 * MIB;
      await first.until('most of it', ({ events }) => events.some(isFar));
      first.signal('SIGKILL');
      await first.exit();
      expect(readdirSync(path('into/sent'))).toEqual([]);

      const sender = sending();
      const second = receiving(await waiting(sender));
      expect([await second.exit(), await sender.exit()]).toEqual([0, 0]);
      expect((await second.event('started'))['bytes']).toBe(2 * MIB);
      wholeTree();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'go on when the sender was killed and comes again by the same command',
    async () => {
      leftToCi();
      writeTree(path(''), { 'sent/big': randomBytes(80 * MIB), 'sent/small': 'small' });
      const address = newAddress();
      const send = () =>
        rxp2p('send', path('sent'), '--json', '--bind', address, '--port', '4100', '--key', path('key'));
      const first = send();
      const ticket = await waiting(first);
      const receiver = receiving(ticket);
      await first.event('started');
      first.signal('SIGKILL');
      await first.exit();
      const second = send();
      expect(await waiting(second)).toBe(ticket);
      expect(await receiver.exit())
        .withContext(receiver.stderr)
        .toBe(0);
      wholeTree();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'leave nothing half-named when they are interrupted',
    async () => {
      leftToCi();
      writeTree(path(''), { 'sent/big': randomBytes(80 * MIB) });
      const sender = sending();
      const ticket = await waiting(sender);
      const receiver = receiving(ticket);
      await receiver.event('started');
      receiver.signal('SIGINT');
      expect(await receiver.exit()).toBe(1);
      expect(existsSync(path('into/sent/big'))).toBeFalse();
      // The sender waits for the next.
      await sender.event('lost');
      expect(await receiving(ticket).exit()).toBe(0);
      expect(await sender.exit()).toBe(0);
      wholeTree();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'say what is wrong before anybody waits',
    async () => {
      const missing = rxp2p('send', path('missing'), '--bind', newAddress());
      expect(await missing.exit()).toBe(1);
      expect(missing.stderr).toContain('cannot be read');
      const unasked = rxp2p('receive', 'UNL', '--bind', newAddress());
      expect([await unasked.exit(), unasked.stderr.includes('--yes')]).toEqual([2, true]);
      const none = rxp2p('receive', 'no-locator', '--yes', '--bind', newAddress());
      expect(await none.exit()).toBe(2);
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'write over no file, and say which one it is',
    async () => {
      leftToCi();
      writeTree(path(''), { 'sent/a': 'new', 'into/sent/a': 'old' });
      const sender = sending();
      const ticket = await waiting(sender);
      const refused = receiving(ticket);
      expect(await refused.exit()).toBe(1);
      expect((await refused.event('failed'))['reason']).toContain('other files are there already: `sent/a`');
      const replacing = receiving(ticket, '--existing', 'replace');
      expect([await replacing.exit(), await sender.exit()]).toEqual([0, 0]);
      wholeTree();
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'end with 1 at the sender where the receiver has kept another file',
    async () => {
      leftToCi();
      writeTree(path(''), { 'sent/a': 'new', 'into/sent/a': 'old' });
      const sender = sending();
      const skipping = receiving(await waiting(sender), '--existing', 'skip');
      expect([await skipping.exit(), await sender.exit()]).toEqual([0, 1]);
      expect(readFileSync(path('into/sent/a'), 'utf8')).toBe('old');
    },
    COMMAND_LIMIT_MS,
  );
});
