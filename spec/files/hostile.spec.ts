import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { FILES_FRAME, type FilesFrameType, encodeHeader } from '../../lib/files/frames.js';
import { encodeEntries, encodeNumbered, encodeRole, encodeStart } from '../../lib/files/messages.js';
import type { OfferedEntry } from '../../lib/files/interface.js';
import { FilesError, ProtocolError, receiveFiles$, sendFiles$, type Channel } from '../../lib/index.js';
import { temporaryFolder } from '../support/folder.js';
import { Lab } from '../support/nodes.js';
import { packOf } from '../support/packs.js';
import { filesChannels, told, transferred, treeOf, writeTree } from '../support/transfers.js';
import { leftToCi } from '../support/left-to-ci.js';

const file = (path: string, size: number): OfferedEntry => ({ path, kind: 'file', size, mode: 0o644, modifiedMs: 0 });
const folder = (path: string): OfferedEntry => ({ path, kind: 'folder', size: 0, mode: 0o755, modifiedMs: 0 });

describe('A transfer of files with a hostile peer', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  afterEach(() => lab.close());

  /** Writes frames as they are. */
  const say = (channel: Channel, type: FilesFrameType, payload: Buffer = Buffer.alloc(0), isCompressed = false) => {
    channel.toDuplex().write(Buffer.concat([encodeHeader(type, payload.length, isCompressed), payload]));
  };

  /** A sender that says what it likes to a receiver; resolves to the receiver's end. */
  async function sender(entries: readonly OfferedEntry[], contents: (channel: Channel) => void) {
    const { sending, receiving } = await filesChannels(lab);
    sending
      .toDuplex()
      .on('error', () => undefined)
      .resume();
    const receiver = told(receiveFiles$(receiving, { into: path('into') }));
    say(sending, FILES_FRAME.hello, encodeRole('sender'));
    say(sending, FILES_FRAME.offer, encodeEntries(entries));
    say(sending, FILES_FRAME.offered);
    contents(sending);
    const { error } = await receiver;
    expect(
      readdirSync(path(''))
        .toSorted()
        .filter((name) => name !== 'into'),
    ).toEqual([]);
    return error;
  }

  const reasonOf = (error: unknown) => (error instanceof FilesError ? error.reason : String(error));

  it('writes nothing where a name leads out of the folder', async () => {
    for (const name of ['../x', '/tmp/rxp2p-x', 'a/../../x', '..', 'a\\..\\x', '', 'a\0']) {
      expect(reasonOf(await sender([file(name, 1)], () => undefined)))
        .withContext(name)
        .toBe('unsafe-name');
      expect(existsSync(path('into')) ? treeOf(path('into')) : {}).toEqual({});
    }
  });

  it('writes nothing into a folder that was not offered, or through a link', async () => {
    expect(reasonOf(await sender([file('a/b', 1)], () => undefined))).toBe('unsafe-name');
    const link: OfferedEntry = { path: 't/link', kind: 'link', size: 0, mode: 0o777, modifiedMs: 0, target: '../..' };
    expect(reasonOf(await sender([folder('t'), link], () => undefined))).toBe('unsafe-name');
    const inside: OfferedEntry = { ...link, target: 'x' };
    expect(reasonOf(await sender([folder('t'), inside, file('t/link/x', 1)], () => undefined))).toBe('unsafe-name');
  });

  it('takes no offer whose links are longer than paths may be, each or all together', async () => {
    leftToCi();
    const target = `${'a/'.repeat(2_047)}ab`;
    const linkTo = (name: string, to: string): OfferedEntry => ({ ...file(name, 0), kind: 'link', target: to });
    expect(await sender([folder('t'), linkTo('t/0', `${target}c`)], () => undefined)).toBeInstanceOf(ProtocolError);
    const { sending, receiving } = await filesChannels(lab);
    sending
      .toDuplex()
      .on('error', () => undefined)
      .resume();
    const accept = jasmine.createSpy('accept').and.returnValue(false);
    const receiver = told(receiveFiles$(receiving, { into: path('into'), accept }));
    say(sending, FILES_FRAME.hello, encodeRole('sender'));
    say(sending, FILES_FRAME.offer, encodeEntries([folder('t')]));
    for (let at = 0; at < 8_250; at += 50)
      say(
        sending,
        FILES_FRAME.offer,
        encodeEntries(Array.from({ length: 50 }, (_, index) => linkTo(`t/${at + index}`, target))),
      );
    say(sending, FILES_FRAME.offered);
    expect(String((await receiver).error)).toContain('Expected an offer of at most');
    expect(accept).not.toHaveBeenCalled();
  });

  it('writes nothing through a link that somebody has put in the place of a part', async () => {
    const parts = path('into/.rxp2p-partial');
    const large = Buffer.alloc(70_000, 1);
    const part = (name: string) => join(parts, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.part`);
    writeTree(path(''), { a: large, b: large, other: 'other', 'into/.rxp2p-partial/': '' });
    symlinkSync(path('other'), part('a'));
    mkdirSync(join(part('b'), 'folder'), { recursive: true });
    const { sender: sent, receiver } = await transferred(lab, [path('a'), path('b')], { into: path('into') });
    expect([sent.error, receiver.error]).toEqual([undefined, undefined]);
    expect(readFileSync(path('other'), 'utf8')).toBe('other');
    expect(Object.keys(treeOf(path('into')))).toEqual(['a', 'b']);
    expect(treeOf(path('into'))['a']).toBe(createHash('sha1').update(large).digest('hex'));
  });

  const content = Buffer.from('content');
  const pack = (index: number, bytes = content) => packOf([index, bytes]);

  const wrongs: Readonly<Record<string, (channel: Channel) => void>> = {
    'more content than was offered': (channel) => {
      say(channel, FILES_FRAME.file, encodeStart({ index: 0, from: 0 }));
      say(channel, FILES_FRAME.content, Buffer.alloc(8));
    },
    'a small file of another size': (channel) => {
      say(channel, FILES_FRAME.pack, pack(0, Buffer.from('contents')));
    },
    'a file twice': (channel) => {
      say(channel, FILES_FRAME.pack, Buffer.concat([pack(0), pack(0)]));
    },
    'a file that was not offered': (channel) => {
      say(channel, FILES_FRAME.pack, pack(1));
    },
    'a file from its middle': (channel) => {
      say(channel, FILES_FRAME.file, encodeStart({ index: 0, from: 3 }));
    },
    'the end of a file that has not begun': (channel) => {
      say(channel, FILES_FRAME.end, Buffer.alloc(32));
    },
    'content of no file': (channel) => {
      say(channel, FILES_FRAME.content, content);
    },
    'the end of a file before its content': (channel) => {
      say(channel, FILES_FRAME.file, encodeStart({ index: 0, from: 0 }));
      say(channel, FILES_FRAME.end, Buffer.alloc(32));
    },
    'the end before all files': (channel) => {
      say(channel, FILES_FRAME.sent);
    },
    'digests that nobody has asked for': (channel) => {
      say(channel, FILES_FRAME.digests, encodeNumbered([]));
    },
    'a second offer': (channel) => {
      say(channel, FILES_FRAME.offer, encodeEntries([file('b', 1)]));
    },
    'what gets larger than a frame': (channel) => {
      say(channel, FILES_FRAME.pack, brotliCompressSync(Buffer.alloc(300_000)), true);
    },
    'what cannot be decompressed': (channel) => {
      say(channel, FILES_FRAME.pack, Buffer.from('no brotli'), true);
    },
    'a frame of no type': (channel) => {
      channel.toDuplex().write(Buffer.from([0x70, 0, 0, 0]));
    },
    'a part of a frame, and then nothing': (channel) => {
      channel.toDuplex().end(Buffer.from([FILES_FRAME.pack, 0]));
    },
    'an end before the end': (channel) => {
      channel.toDuplex().end();
    },
  };
  for (const [what, say$] of Object.entries(wrongs)) {
    it(`gives up, and leaves nothing, at ${what}`, async () => {
      const error = await sender([file('a', content.length)], say$);
      const isProtocol = error instanceof ProtocolError || String(error).includes('before the end');
      expect(isProtocol).withContext(String(error)).toBeTrue();
      const { a: named, ...rest } = treeOf(path('into'));
      // One of two that came was right.
      expect(named ?? createHash('sha1').update(content).digest('hex')).toBe(
        createHash('sha1').update(content).digest('hex'),
      );
      expect(Object.keys(rest).filter((name) => !name.startsWith('.rxp2p-partial'))).toEqual([]);
    });
  }

  it('gives no name to what is not what was sent', async () => {
    const { sending, receiving } = await filesChannels(lab);
    const large = Buffer.alloc(70_000, 1);
    sending
      .toDuplex()
      .on('error', () => undefined)
      .resume();
    const receiver = told(receiveFiles$(receiving, { into: path('into') }));
    say(sending, FILES_FRAME.hello, encodeRole('sender'));
    say(
      sending,
      FILES_FRAME.offer,
      encodeEntries([file('a', content.length), file('b', large.length), file('c', content.length)]),
    );
    say(sending, FILES_FRAME.offered);
    say(sending, FILES_FRAME.pack, pack(0).fill(0, 8, 40));
    say(sending, FILES_FRAME.file, encodeStart({ index: 1, from: 0 }));
    say(sending, FILES_FRAME.content, large);
    say(sending, FILES_FRAME.end, Buffer.alloc(32));
    say(sending, FILES_FRAME.pack, pack(2));
    say(sending, FILES_FRAME.sent);
    const { steps, error } = await receiver;
    expect(error).toBeUndefined();
    expect(steps.at(-1)).toEqual({ type: 'done', files: 1, unchanged: 0, skipped: 0, failed: 2 });
    expect(Object.keys(treeOf(path('into')))).toEqual(['c']);
  });

  it('refuses one that does the same as this side', async () => {
    const { sending, receiving } = await filesChannels(lab);
    const both = [
      told(receiveFiles$(receiving, { into: path('into') })),
      told(receiveFiles$(sending, { into: path('into') })),
    ];
    const errors = (await Promise.all(both)).map(({ error }) => String(error));
    expect(errors.some((error) => error.includes('both would do the same'))).toBeTrue();
  });

  /** A receiver that says what it likes to a sender; resolves to the sender's end. */
  async function receiver(answers: (channel: Channel) => void) {
    const { sending, receiving } = await filesChannels(lab);
    receiving
      .toDuplex()
      .on('error', () => undefined)
      .resume();
    const end = told(sendFiles$(sending, [path('sent')]));
    say(receiving, FILES_FRAME.hello, encodeRole('receiver'));
    answers(receiving);
    return (await end).error;
  }

  const asks: Readonly<Record<string, (channel: Channel) => void>> = {
    'of a folder': (channel) => {
      say(channel, FILES_FRAME.compare, encodeNumbered([[0, 0]]));
    },
    'of what was not offered': (channel) => {
      say(channel, FILES_FRAME.compare, encodeNumbered([[2, 0]]));
    },
    'of more than there is': (channel) => {
      say(channel, FILES_FRAME.compare, encodeNumbered([[1, 8]]));
    },
    'again and again': (channel) => {
      for (let count = 0; count < 2; count++) say(channel, FILES_FRAME.compare, encodeNumbered([[1, 7]]));
    },
    'for what is behind the end': (channel) => {
      say(channel, FILES_FRAME.plan, encodeNumbered([[1, 8]]));
    },
    'with contents': (channel) => {
      say(channel, FILES_FRAME.content, content);
    },
  };
  for (const [what, ask] of Object.entries(asks)) {
    it(`sends nothing to one that asks ${what}`, async () => {
      writeTree(path(''), { 'sent/a': content });
      expect(await receiver(ask)).toBeInstanceOf(ProtocolError);
    });
  }
});
