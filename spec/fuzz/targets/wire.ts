import type { ChannelEnd } from '../../../lib/connection/channels/channel-end.js';
import {
  CHANNEL_FRAME,
  decodeOpening,
  decodeReset,
  encodeChannelFrame,
  encodeLimit,
  encodeOpening,
  encodeReset,
  OWN_CHANNEL,
} from '../../../lib/connection/channels/frames.js';
import { messageDecoder } from '../../../lib/link/messages.js';
import { Multiplexer } from '../../../lib/connection/channels/multiplexer.js';
import { InvalidUnlError, ProtocolError } from '../../../lib/errors.js';
import {
  decodeAt,
  decodeOffset,
  encodeAt,
  encodeFrame,
  encodeOffset,
  FRAME,
  FrameDecoder,
  type Frame,
} from '../../../lib/link/frames.js';
import { decodeEnd, decodeHello, encodeEnd, encodeHello } from '../../../lib/link/handshake.js';
import { lineDecoder } from '../../../lib/link/lines.js';
import { formatUnl, parseUnl } from '../../../lib/unl.js';
import { sealBody, sealVersion2, unlOf, unlOfVersion2 } from '../../support/locators.js';
import type { Chance } from '../chance.js';
import { chunksOf, expectThat, orFails, type Target } from '../target.js';

const CONNECTION = 'A'.repeat(22);

/** Frames of channels as a peer sends them when all is well, whichever side it is. */
const CHANNEL_FRAMES: readonly Buffer[] = [1, 2].flatMap((channel) => [
  encodeChannelFrame(CHANNEL_FRAME.open, channel, encodeOpening({ name: 'chat', priority: 'normal' })),
  encodeChannelFrame(CHANNEL_FRAME.data, channel, Buffer.from('\0\0\0\u0007message\n')),
  encodeChannelFrame(CHANNEL_FRAME.window, OWN_CHANNEL, encodeLimit(131_072)),
  encodeChannelFrame(CHANNEL_FRAME.blocked, channel, encodeLimit(65_536)),
  encodeChannelFrame(CHANNEL_FRAME.end, channel),
  encodeChannelFrame(CHANNEL_FRAME.reset, channel, encodeReset({ code: 'reset', message: 'enough', resetCode: 7 })),
]);

/** Frames as a peer sends them when all is well. */
export const FRAMES: readonly Buffer[] = [
  encodeFrame(FRAME.hello, encodeHello({ connection: CONNECTION, attempt: 'attempt', received: 0, lost: 1 })),
  encodeFrame(FRAME.at, encodeAt({ choice: 0, offset: 0 })),
  encodeFrame(FRAME.data, encodeChannelFrame(CHANNEL_FRAME.data, OWN_CHANNEL, Buffer.from('one line\nanother\n'))),
  encodeFrame(FRAME.data, encodeChannelFrame(CHANNEL_FRAME.data, OWN_CHANNEL, Buffer.alloc(300, 'a longer line '))),
  encodeFrame(FRAME.data, Buffer.concat(CHANNEL_FRAMES)),
  encodeFrame(FRAME.ack, encodeOffset(0)),
  encodeFrame(FRAME.resume, encodeOffset(0)),
  encodeFrame(FRAME.ping, Buffer.from('ping')),
  encodeFrame(FRAME.pong, Buffer.from('ping')),
  encodeFrame(FRAME.leave, Buffer.alloc(0)),
  encodeFrame(FRAME.locator, Buffer.from(formatUnl(unlOf()))),
  encodeFrame(FRAME.end, encodeEnd({ code: 'closed', message: 'bye' })),
];

/** What a decoder makes of bytes: the results, and why it gave up. */
interface Outcome {
  readonly results: readonly unknown[];
  readonly fault: string | undefined;
}

/** However bytes are cut, they have the same fault or none, and without one the same results. */
function sameHoweverCut(decode: (chunks: readonly Buffer[]) => Outcome, input: Buffer, chance: Chance): void {
  const [whole, cut] = [decode([input]), decode(chunksOf(input, chance))];
  const isSame = whole.fault === undefined ? JSON.stringify(whole) === JSON.stringify(cut) : cut.fault !== undefined;
  expectThat(isSame, 'Expected the same of one chunk and of many', whole, cut);
}

const frames: Target = {
  name: 'frames',
  reaches: ['lib/link/frames', 'lib/link/handshake'],
  seeds: FRAMES,
  run: (input, chance) => {
    const decode = (chunks: readonly Buffer[]): Outcome => {
      const decoder = new FrameDecoder();
      const results: Frame[] = [];
      try {
        for (const chunk of chunks) results.push(...decoder.push(chunk));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return { results: [], fault: error.code };
      }
      return { results: joinedData(results), fault: undefined };
    };
    sameHoweverCut(decode, input, chance);
    orFails([ProtocolError], () => {
      const hello = decodeHello(input);
      expectThat(decodeHello(encodeHello(hello)).connection === hello.connection, 'Expected the same hello', hello);
    });
    orFails([ProtocolError], () => decodeAt(input));
    orFails([ProtocolError], () => decodeOffset(input));
    const end = decodeEnd(input);
    expectThat(!/\p{Cc}|\u202e/u.test(end.message + end.code), 'Expected words without controls', end);
  },
};

/** Data frames may be handed on in pieces: what they carry is the same. */
function joinedData(frames: readonly Frame[]): readonly string[] {
  const joined: string[] = [];
  let data = '';
  for (const { type, payload } of frames) {
    if (type === FRAME.data) data += payload.toString('latin1');
    else {
      joined.push(`data ${data}`, `${type} ${payload.toString('latin1')}`);
      data = '';
    }
  }
  return [...joined, `data ${data}`];
}

/** A peer that speaks to many channels at once, of which some are read, some are not, and some are reset. */
const channels: Target = {
  name: 'channels',
  reaches: ['lib/connection/channels'],
  seeds: [...CHANNEL_FRAMES, Buffer.concat(CHANNEL_FRAMES), Buffer.concat(CHANNEL_FRAMES.slice(0, 2))],
  run: (input, chance) => {
    let waiting = 0;
    const multiplexer = new Multiplexer({
      isControlling: chance.below(2) === 0,
      now: () => 0,
      channels: 4,
      windowBytes: 1_000_000,
      onDue: () => undefined,
      release: () => undefined,
      onRoom: () => undefined,
      onOpen: (end) => {
        if (chance.below(3) === 0) end.reset({ code: 'refused', message: '' });
        else {
          end.accept();
          attach(end);
        }
      },
    });
    const attach = (end: ChannelEnd) => {
      const reads = chance.below(2) === 0;
      end.attach({
        onData: (bytes) => {
          if (reads) end.read(bytes.length);
          else waiting += bytes.length;
        },
        onEnd: () => {
          if (reads) end.end();
        },
        onReset: () => undefined,
        onWritten: () => undefined,
      });
      if (chance.below(2) === 0) end.write(Buffer.alloc(100_000));
    };
    attach(multiplexer.own);
    if (chance.below(2) === 0) attach(multiplexer.open({ name: 'ours', priority: 'bulk' }));
    orFails([ProtocolError], () => {
      for (const chunk of chunksOf(input, chance)) {
        multiplexer.push(chunk);
        for (let said = 0; said < 3; said++) multiplexer.next();
      }
    });
    expectThat(waiting <= input.length, 'Expected no more bytes than came', waiting, input.length);
    expectThat([...multiplexer.ends].length < 600, 'Expected a bounded number of channels', multiplexer.ends);
    orFails([ProtocolError], () => decodeOpening(input));
    const { message, code } = decodeReset(input);
    expectThat(!/\p{Cc}|\u202e/u.test(message + code), 'Expected words without controls', message, code);
  },
};

const messages: Target = {
  name: 'messages of channels',
  reaches: ['lib/link/messages'],
  seeds: [Buffer.from('\0\0\0\u0003one\0\0\0\0\0\0\0\u0003two'), Buffer.from([0xff, 0, 0, 0])],
  run: (input, chance) => {
    const decode = (chunks: readonly Buffer[]): Outcome => {
      const decoder = messageDecoder(100);
      const results = chunks.flatMap((chunk) => decoder.push(chunk)).map((message) => message.toString('latin1'));
      for (const message of results)
        expectThat(message.length <= 100, 'Expected a message of at most 100 bytes', message.length);
      return { results, fault: decoder.fault?.name };
    };
    sameHoweverCut(decode, input, chance);
  },
};

const lines: Target = {
  name: 'lines',
  reaches: ['lib/link/lines'],
  seeds: ['one\r\ntwo\nthree', '\r\r\r\n\n\n', 'ünïcödé ✓\n', 'x'.repeat(150) + '\n'].map((text) => Buffer.from(text)),
  run: (input, chance) => {
    const decode = (chunks: readonly Buffer[]): Outcome => {
      const decoder = lineDecoder(100);
      const results = chunks.flatMap((chunk) => decoder.push(chunk));
      results.push(...decoder.end());
      for (const line of results) expectThat(!line.includes('\n') && !line.endsWith('\r'), 'Expected one line', line);
      for (const line of results)
        expectThat(Buffer.byteLength(line) <= 100, 'Expected a line of at most 100 bytes', line);
      return { results, fault: decoder.fault?.code };
    };
    sameHoweverCut(decode, input, chance);
  },
};

const locators: Target = {
  name: 'locators',
  reaches: ['lib/unl', 'lib/endpoint'],
  seeds: [
    formatUnl(unlOf()),
    formatUnl(
      unlOf({
        natType: { type: 'delta', delta: -3 },
        endpoints: [
          { kind: 'wan', address: '198.51.100.7', port: 4000 },
          { kind: 'lan', address: '2001:db8::7', port: 4000 },
        ],
        rendezvous: [
          { host: 'rv.example.org', port: 8000, key: Buffer.alloc(32, 9).toString('base64url') },
          { host: 'rv.example.org', port: 443, url: 'wss://rv.example.org/' },
          { host: 'rv.example.org', port: 8000 },
        ],
        mailboxes: ['https://mail.example.org/'],
      }),
    ),
    formatUnl(unlOfVersion2()),
  ].map((text) => Buffer.from(text)),
  run: (input, chance) => {
    // Most changes break the checksum; every other input is decoded first, so that they are of what is behind it.
    const text = chance.below(2) === 0 ? input.toString('latin1') : resealed(input);
    const unl = orFails([InvalidUnlError], () => parseUnl(text));
    if (unl === undefined) return;
    const again = orFails([InvalidUnlError], () => formatUnl(unl));
    if (again === undefined) return;
    expectThat(JSON.stringify(parseUnl(again)) === JSON.stringify(unl), 'Expected the same locator', unl, again);
  },
};

/** The same locator with a checksum that is right, whatever is before it. */
function resealed(input: Buffer): string {
  const record = Buffer.from(input.toString('latin1'), 'base64url');
  const body = record.subarray(1, Math.max(1, record.length - 4));
  return record[0] === 2 ? sealVersion2(body) : sealBody(body);
}

export const WIRE_TARGETS: readonly Target[] = [frames, channels, messages, lines, locators];
