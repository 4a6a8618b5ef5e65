import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { transfer$ } from '../../lib/files/transfer.js';
import { FilesError, InvalidOptionError, receiveFiles$, sendFiles$, type FilesStep } from '../../lib/index.js';
import { temporaryFolder } from '../support/folder.js';
import { Lab } from '../support/nodes.js';
import { needsSmallDisk, smallDisks } from '../support/small-disk.js';
import { filesChannels, told, transferred, treeOf, writeTree } from '../support/transfers.js';

const MIB = 1_048_576;

/** The steps of a type. */
const only = <T extends FilesStep['type']>(steps: readonly FilesStep[], type: T) =>
  steps.filter((step): step is Extract<FilesStep, { readonly type: T }> => step.type === type);

const reasonOf = (error: unknown) => (error instanceof FilesError ? error.reason : error);

describe('What one side of a transfer does', () => {
  const lab = new Lab();
  const temporaryPath = temporaryFolder();
  afterEach(() => lab.close());

  it('is over with its channel, though the peer has not ended that', async () => {
    const { sending, receiving } = await filesChannels(lab);
    const ended = firstValueFrom(sending.closed$);
    expect((await told(transfer$(receiving, () => Promise.resolve()))).error).toBeUndefined();
    expect((await ended).code).toBe('reset');
  });

  it('hears of its end where it asks whether to take an offer', async () => {
    const { sending, receiving } = await filesChannels(lab);
    const path = temporaryPath('sent');
    const aborted = new Promise<void>((resolve) => {
      void told(
        receiveFiles$(receiving, {
          into: temporaryPath('into'),
          accept: (_, signal) =>
            new Promise(() => {
              signal.addEventListener('abort', () => {
                resolve();
              });
              sending.reset();
            }),
        }),
      );
    });
    writeFileSync(path, 'a');
    void told(sendFiles$(sending, [path]));
    await expectAsync(aborted).toBeResolved();
  });
});

describe('A transfer of files', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const smallDisk = smallDisks();
  afterEach(() => lab.close());

  const outcomes = (steps: readonly FilesStep[]) =>
    only(steps, 'file').map((step) => [step.path, step.outcome, ...(step.reason === undefined ? [] : [step.reason])]);

  it('has them arrive as they are: contents, folders, permissions and times', async () => {
    const files = {
      'sent/a.txt': 'a',
      'sent/empty': '',
      'sent/none/': '',
      'sent/deep/er/b.bin': randomBytes(3 * MIB + 5),
      'sent/deep/exact.bin': randomBytes(2 * MIB),
      'sent/deep/small.bin': randomBytes(65_537),
      [`sent/deep/caf\u00e9 \u{1f47b} 'x' $(y)`]: 'odd',
    };
    writeTree(path(''), files);
    chmodSync(path('sent/a.txt'), 0o755);
    chmodSync(path('sent/deep/exact.bin'), 0o444);
    chmodSync(path('sent/none'), 0o500);
    for (const name of ['sent/a.txt', 'sent/deep/er/b.bin', 'sent/none'])
      utimesSync(path(name), 1_000_000_000, 1_234_567_890.5);
    const { sender, receiver } = await transferred(lab, [path('sent')], { into: path('into') });
    expect([sender.error, receiver.error]).toEqual([undefined, undefined]);
    expect(treeOf(path('into'))).toEqual({ 'sent/': '', ...prefixed('sent', treeOf(path('sent'))) });
    expect(statSync(path('into/sent/a.txt')).mode & 0o777).toBe(0o755);
    expect(statSync(path('into/sent/deep/exact.bin')).mode & 0o777).toBe(0o444);
    expect(statSync(path('into/sent/none')).mode & 0o777).toBe(0o500);
    for (const name of ['sent/a.txt', 'sent/deep/er/b.bin', 'sent/none'])
      expect(statSync(path(`into/${name}`)).mtimeMs).toBe(1_234_567_890_500);
    const done = { type: 'done', files: 6, unchanged: 0, skipped: 0, failed: 0 } as const;
    expect([sender.steps.at(-1), receiver.steps.at(-1)]).toEqual([done, done]);
    expect(only(sender.steps, 'offer')[0]?.offer.files).toBe(6);
  });

  it('has paths go by their own names, and refuses two of one name', async () => {
    writeTree(path(''), { 'x/a': '1', 'y/a': '2', 'y/b': '3' });
    const { receiver } = await transferred(lab, [path('x/a'), path('y/b')], { into: path('into') });
    expect(receiver.error).toBeUndefined();
    expect(readdirSync(path('into')).toSorted()).toEqual(['a', 'b']);
    const twice = await transferred(lab, [path('x/a'), path('y/a')], { into: path('into') });
    expect([reasonOf(twice.sender.error), reasonOf(twice.receiver.error)]).toEqual(['unsafe-name', 'unsafe-name']);
    const nothing = await transferred(lab, [], { into: path('into') });
    expect(nothing.sender.error).toBeInstanceOf(InvalidOptionError);
    const missing = await transferred(lab, [path('missing')], { into: path('into') });
    expect(reasonOf(missing.sender.error)).toBe('unreadable');
  });

  it('takes and sends nothing with options that are misspelt', async () => {
    writeTree(path(''), { a: '1' });
    const receiving = { into: path('into'), acept: () => false };
    const { receiver } = await transferred(lab, [path('a')], receiving);
    expect(receiver.error).toEqual(
      jasmine.objectContaining({ code: 'INVALID_OPTION', message: jasmine.stringMatching(/got `acept`/) }),
    );
    expect(existsSync(path('into'))).toBeFalse();
    const { sending } = await filesChannels(lab);
    const sender = await told(
      sendFiles$(sending, [path('a')], Object.assign({ links: 'keep' as const }, { compres: true })),
    );
    expect(sender.error).toBeInstanceOf(InvalidOptionError);
  });

  it('sends nothing that is there already', async () => {
    writeTree(path(''), { 'sent/a': 'a', 'sent/b': randomBytes(2 * MIB), 'sent/empty': '', 'sent/c': 'c' });
    await transferred(lab, [path('sent')], { into: path('into') });
    rmSync(path('into/sent/c'));
    const { sender, receiver } = await transferred(lab, [path('sent')], { into: path('into') });
    for (const { steps, error } of [sender, receiver]) {
      expect(error).toBeUndefined();
      expect(only(steps, 'started')).toEqual([{ type: 'started', files: 1, bytes: 1, unchanged: 3 }]);
      expect(steps.at(-1)).toEqual({ type: 'done', files: 1, unchanged: 3, skipped: 0, failed: 0 });
    }
    expect(treeOf(path('into/sent'))).toEqual(treeOf(path('sent')));
  });

  /** Begins a transfer, and gives it up on one side when some of it has come. */
  async function broken(side: 'sender' | 'receiver', into = path('into')): Promise<void> {
    const { sending, receiving } = await filesChannels(lab);
    let giveUp: () => void = () => undefined;
    const isEnough = (step: FilesStep) => {
      if (step.type === 'progress' && step.bytes > 3 * MIB) giveUp();
    };
    const gaveUp = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    const other = told(
      side === 'sender' ? receiveFiles$(receiving, { into }) : sendFiles$(sending, [path('sent')]),
      side === 'sender' ? isEnough : undefined,
    );
    const one$ = side === 'sender' ? sendFiles$(sending, [path('sent')]) : receiveFiles$(receiving, { into });
    const one = one$.subscribe((step) => {
      if (side === 'receiver') isEnough(step);
    });
    await gaveUp;
    one.unsubscribe();
    const { error } = await other;
    expect(reasonOf(error)).toBe('interrupted');
    // Who has unsubscribed does not hear when everything is put back.
    const isBack = () => readdirSync(join(into, '.rxp2p-partial')).some((name) => name.endsWith('.part'));
    while (!isBack()) await new Promise(setImmediate);
  }

  for (const side of ['sender', 'receiver'] as const) {
    it(`goes on from where it was when the ${side} gave up, and nothing was half-named meanwhile`, async () => {
      const content = randomBytes(60 * MIB);
      writeTree(path(''), { 'sent/big': content, 'sent/small': 'small' });
      await broken(side);
      expect(readdirSync(path('into/sent'))).toEqual([]);
      const { sender, receiver } = await transferred(lab, [path('sent')], { into: path('into') });
      expect([sender.error, receiver.error]).toEqual([undefined, undefined]);
      expect(only(receiver.steps, 'started')[0]?.bytes).toBeLessThan(58 * MIB);
      expect(treeOf(path('into'))).toEqual({ 'sent/': '', ...prefixed('sent', treeOf(path('sent'))) });
    });
  }

  it('begins a file anew of which another beginning is there', async () => {
    writeTree(path(''), { 'sent/big': randomBytes(60 * MIB) });
    await broken('receiver');
    const partials = readdirSync(path('into/.rxp2p-partial'));
    expect(partials).toEqual([jasmine.stringMatching(/^[0-9a-f]{32}\.part$/)]);
    const partial = path(join('into/.rxp2p-partial', partials[0] ?? ''));
    const other = Buffer.from(readFileSync(partial));
    other[5] = (other[5] ?? 0) ^ 1;
    writeFileSync(partial, other);
    const { receiver } = await transferred(lab, [path('sent')], { into: path('into') });
    expect(receiver.error).toBeUndefined();
    expect(only(receiver.steps, 'started')[0]?.bytes).toBe(60 * MIB);
    expect(treeOf(path('into/sent'))).toEqual(treeOf(path('sent')));
    expect(existsSync(path('into/.rxp2p-partial'))).toBeFalse();
  });

  it('never writes over another file without a word', async () => {
    writeTree(path(''), { 'sent/a.txt': 'new', 'sent/b': 'new', 'into/sent/a.txt': 'old', 'into/sent/b': 'older' });
    symlinkSync('elsewhere', path('into/sent/c'));
    writeTree(path(''), { 'sent/c': 'c' });
    const before = treeOf(path('into'));
    const refused = await transferred(lab, [path('sent')], { into: path('into') });
    expect([reasonOf(refused.sender.error), reasonOf(refused.receiver.error)]).toEqual(['exists', 'exists']);
    expect(String(refused.sender.error)).toContain('sent/a.txt');
    expect(treeOf(path('into'))).toEqual(before);

    const skipped = await transferred(lab, [path('sent')], { into: path('into'), existing: 'skip' });
    expect(skipped.sender.steps.at(-1)).toEqual({ type: 'done', files: 0, unchanged: 0, skipped: 3, failed: 0 });
    expect(treeOf(path('into'))).toEqual(before);

    const renamed = await transferred(lab, [path('sent')], { into: path('into'), existing: 'rename' });
    expect(renamed.receiver.error).toBeUndefined();
    expect(only(renamed.receiver.steps, 'file').map((step) => step.as)).toEqual([
      'sent/a (2).txt',
      'sent/b (2)',
      'sent/c (2)',
    ]);
    expect(readFileSync(path('into/sent/a (2).txt'), 'utf8')).toBe('new');
    expect(readFileSync(path('into/sent/a.txt'), 'utf8')).toBe('old');

    const replaced = await transferred(lab, [path('sent')], { into: path('into'), existing: 'replace' });
    expect(replaced.receiver.error).toBeUndefined();
    expect(['a.txt', 'b', 'c'].map((name) => readFileSync(path(`into/sent/${name}`), 'utf8'))).toEqual([
      'new',
      'new',
      'c',
    ]);
    // The link, and not what it leads to.
    expect(lstatSync(path('into/sent/c')).isFile()).toBeTrue();
    expect(existsSync(path('into/sent/elsewhere'))).toBeFalse();
  });

  it('is refused where it is not wanted, and both sides know', async () => {
    writeTree(path(''), { 'sent/a': 'a' });
    const offers: number[] = [];
    const accept = async (offer: { readonly files: number }) => {
      offers.push(offer.files);
      return Promise.resolve(false);
    };
    const { sender, receiver } = await transferred(lab, [path('sent')], { into: path('into'), accept });
    expect([reasonOf(sender.error), reasonOf(receiver.error), offers]).toEqual(['refused', 'refused', [1]]);
    expect(treeOf(path('into'))).toEqual({});
  });

  it('has no links unless they are kept, and they lead nowhere else', async () => {
    writeTree(path(''), { 'sent/a': 'a', 'sent/deep/b': 'b' });
    symlinkSync('../a', path('sent/deep/link'));
    const refused = await transferred(lab, [path('sent')], { into: path('into') });
    expect(String(refused.sender.error)).toContain('symbolic link');
    const kept = await transferred(lab, [path('sent')], { into: path('into') }, { links: 'keep' });
    expect(kept.receiver.error).toBeUndefined();
    expect(treeOf(path('into/sent'))).toEqual(treeOf(path('sent')));
    const again = await transferred(lab, [path('sent')], { into: path('into') }, { links: 'keep' });
    expect(again.receiver.steps.at(-1)).toEqual({ type: 'done', files: 0, unchanged: 2, skipped: 0, failed: 0 });
    symlinkSync('../../outside', path('sent/deep/out'));
    const out = await transferred(lab, [path('sent')], { into: path('into2') }, { links: 'keep' });
    expect(String(out.sender.error)).toContain('leads out of what is sent');
  });

  it('writes nothing through a link that is in the folder', async () => {
    writeTree(path(''), { 'sent/deep/a': 'a', 'outside/': '', 'into/sent/': '' });
    symlinkSync(path('outside'), path('into/sent/deep'));
    for (const existing of ['refuse', 'rename', 'replace', 'skip'] as const) {
      const { receiver } = await transferred(lab, [path('sent')], { into: path('into'), existing });
      expect(reasonOf(receiver.error)).withContext(existing).toBe('exists');
    }
    expect(treeOf(path('outside'))).toEqual({});
  });

  it('tells of files that change or go before they are sent, and brings the others', async () => {
    writeTree(path(''), { 'sent/a': 'a', 'sent/b': randomBytes(2 * MIB), 'sent/c': 'c', 'sent/d': 'd' });
    const accept = () => {
      rmSync(path('sent/a'));
      truncateSync(path('sent/b'), MIB);
      writeFileSync(path('sent/c'), 'other');
      return true;
    };
    const { sender, receiver } = await transferred(lab, [path('sent')], { into: path('into'), accept });
    expect([sender.error, receiver.error]).toEqual([undefined, undefined]);
    const failures = [
      ['sent/a', 'failed', 'it cannot be read (ENOENT)'],
      ['sent/b', 'failed', 'it has changed since it was offered'],
      ['sent/c', 'failed', 'it has changed since it was offered'],
    ];
    expect(outcomes(sender.steps)).toEqual(failures);
    expect(outcomes(receiver.steps).filter(([, outcome]) => outcome === 'failed')).toEqual(failures);
    expect(treeOf(path('into/sent'))).toEqual({ d: jasmine.any(String) });
    expect(receiver.steps.at(-1)).toEqual({ type: 'done', files: 1, unchanged: 0, skipped: 0, failed: 3 });
  });

  it('leaves a file alone that has got the name meanwhile', async () => {
    writeTree(path(''), { 'sent/a': 'a', 'sent/b': randomBytes(MIB) });
    const { sending, receiving } = await filesChannels(lab);
    const sender = told(sendFiles$(sending, [path('sent')]));
    const receiver = await told(receiveFiles$(receiving, { into: path('into') }), ({ type }) => {
      if (type === 'started') writeTree(path('into/sent'), { a: 'mine', b: 'mine' });
    });
    expect((await sender).error).toBeUndefined();
    expect(outcomes(receiver.steps)).toEqual([
      ['sent/a', 'failed', 'another file has its name'],
      ['sent/b', 'failed', 'another file has its name'],
    ]);
    expect(readFileSync(path('into/sent/b'), 'utf8')).toBe('mine');
  });

  it('says when the disk is full, and goes on when there is room', async () => {
    needsSmallDisk();
    const disk = await smallDisk('40m');
    writeTree(path(''), { 'sent/big': randomBytes(24 * MIB) });
    const into = disk.path('into');
    const { sending, receiving } = await filesChannels(lab);
    const sender = told(sendFiles$(sending, [path('sent')]));
    const receiver = await told(receiveFiles$(receiving, { into }), ({ type }) => {
      // There was room for all, and there is for a part.
      if (type === 'started') disk.fill(8 * MIB);
    });
    expect([reasonOf((await sender).error), reasonOf(receiver.error)]).toEqual(['disk-full', 'disk-full']);
    expect(readdirSync(join(into, 'sent'))).toEqual([]);
    // Known before anything is sent.
    const still = await transferred(lab, [path('sent')], { into });
    expect([reasonOf(still.receiver.error), only(still.receiver.steps, 'started')]).toEqual(['disk-full', []]);
    disk.free();
    const again = await transferred(lab, [path('sent')], { into });
    expect(again.receiver.error).toBeUndefined();
    expect(only(again.receiver.steps, 'started')[0]?.bytes).toBeLessThan(24 * MIB);
    expect(treeOf(join(into, 'sent'))).toEqual(treeOf(path('sent')));
  });

  it('keeps apart two that write to one folder at the same time', async () => {
    const contents = [randomBytes(8 * MIB), randomBytes(8 * MIB)];
    for (const [index, content] of contents.entries()) writeTree(path(''), { [`from${index}/big`]: content });
    const both = await Promise.all(
      [0, 1].map((index) => transferred(lab, [path(`from${index}/big`)], { into: path('into') })),
    );
    expect(
      both
        .flatMap(({ receiver }) => outcomes(receiver.steps))
        .map(([, outcome]) => outcome)
        .toSorted(),
    ).toEqual(['failed', 'received']);
    expect(contents.some((content) => content.equals(readFileSync(path('into/big'))))).toBeTrue();
  });

  it('makes the folder where there is none, and says where none can be made', async () => {
    writeTree(path(''), { 'sent/a': 'a', file: '' });
    mkdirSync(path('x'));
    const { receiver } = await transferred(lab, [path('sent')], { into: path('x/y/z') });
    expect(receiver.error).toBeUndefined();
    const { receiver: failed, sender } = await transferred(lab, [path('sent')], { into: path('file/y') });
    expect([reasonOf(failed.error), reasonOf(sender.error)]).toEqual(['unreadable', 'unreadable']);
    // The peer does not learn where.
    expect(String(sender.error)).not.toContain('file/y');
  });

  it('says where a path is too long for the file system', async () => {
    const name = 'n'.repeat(200);
    writeTree(path(''), { [`sent/${name}`]: 'a' });
    const deep = path('deep');
    const into = deep.padEnd(4_000, `/${'d'.repeat(99)}`).replace(/\/+$/u, '');
    const { receiver, sender } = await transferred(lab, [path('sent')], { into });
    for (const { error } of [receiver, sender]) {
      expect(reasonOf(error)).toBe('unsafe-name');
      expect(String(error)).toContain('too long');
    }
  });
});

/** A tree below a folder. */
function prefixed(folder: string, tree: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([name, what]) => [join(folder, name), what]));
}
