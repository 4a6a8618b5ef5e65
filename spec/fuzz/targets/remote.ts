import { BegunBytes } from '../../../lib/bounds/begun-bytes.js';
import { encode } from '@msgpack/msgpack';
import { asapScheduler, concat, interval, NEVER, of, range, take, throwError } from 'rxjs';
import {
  InvalidMessageError,
  ProtocolError,
  RemoteError,
  RemoteRefusedError,
  ClosedError,
} from '../../../lib/errors.js';
import { call$ } from '../../../lib/remote/call.js';
import type { CallChannel, CallHandler } from '../../../lib/remote/channel.js';
import { Exposures } from '../../../lib/remote/expose.js';
import { formatOf, type Failure } from '../../../lib/remote/format.js';
import { encodeLength } from '../../support/messages.js';
import type { Chance } from '../chance.js';
import { chunksOf, expectThat, type Target } from '../target.js';

const MESSAGE_BYTES = 1_000;

/** A failure's words, as long as they may be after cleaning. */
const WORDS_LENGTH = 4_096;

const CALLS: readonly unknown[][] = [
  ['values', 1, 'two', null, [3], { four: 4 }],
  ['numbers'],
  ['later', { deep: [[[[]]]] }],
  ['fails', 'a message'],
  ['never'],
  ['ticks'],
  ['endless'],
  ['constructor'],
  ['__proto__'],
  ['toString'],
];

const FAILURES: readonly string[] = [
  '{"kind":"error","name":"TypeError","message":"broken","code":"E_BROKEN"}',
  '{"kind":"refused","name":"unknown-method","message":"it has no such method"}',
];

const lineOf = (text: string) => Buffer.from(`${text}\n`);
const messageOf = (tag: number, bytes: Uint8Array) =>
  Buffer.concat([encodeLength(1 + bytes.length), Buffer.of(tag), bytes]);

const JSON_SEEDS = [
  ...CALLS.map((call) => lineOf(JSON.stringify(call))),
  ...FAILURES.map((failure) => lineOf(`!${failure}`)),
  Buffer.concat([lineOf('1'), lineOf('"two"'), lineOf(''), lineOf(`!${FAILURES[0] ?? ''}`)]),
];
const MESSAGE_PACK_SEEDS = [
  ...CALLS.map((call) => messageOf(0, encode(call))),
  ...FAILURES.map((failure) => messageOf(1, Buffer.from(failure))),
  messageOf(0, encode([new Uint8Array(300), 'x'.repeat(300), -1, 2 ** 40, 0.5, new Date(1.5), { a: [true, false] }])),
];

/** A channel of which the peer takes what it likes, when it likes. */
class FuzzedChannel implements CallChannel {
  waiting = 0;
  written = 0;
  unread = 0;
  handler: CallHandler | undefined;
  #isOver = false;

  attach(handler: CallHandler): void {
    this.handler = handler;
  }

  write(bytes: Buffer): void {
    if (this.#isOver) return;
    this.waiting += bytes.length;
    this.written += bytes.length;
  }

  read(bytes: number): void {
    this.unread -= bytes;
  }

  end(): void {
    this.#isOver = true;
  }

  reset(): void {
    this.#isOver = true;
    this.waiting = 0;
  }

  /** Bytes have come. */
  push(bytes: Buffer): void {
    this.unread += bytes.length;
    this.handler?.onData(bytes);
  }

  /** The peer takes all that waits. */
  take(): void {
    this.waiting = 0;
    this.handler?.onWritten();
  }
}

/** What the peer does on a channel beside sending bytes. */
function disturb(channel: FuzzedChannel, chance: Chance): void {
  const { handler } = channel;
  switch (chance.below(12)) {
    case 0:
      handler?.onEnd();
      break;
    case 1:
      handler?.onReset({
        code: chance.of(['refused', 'reset', 'protocol', 'overflow']),
        message: '',
        refusal: chance.of(['unknown-name', 'too-many-channels', 'closing', undefined]),
      });
      break;
    case 2:
    case 3:
      channel.take();
  }
}

function expectCleanWords(...texts: readonly string[]): void {
  for (const text of texts) expectThat(!/[\p{Cc}\p{Cf}\p{Cs}]/u.test(text), 'Expected words without controls', text);
}

/** Until what was begun has had its effects. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const format = (codec: 'json' | 'messagepack', seeds: readonly Buffer[]): Target => ({
  name: `calls in ${codec}`,
  reaches: ['lib/remote/format', 'lib/remote/messagepack'],
  seeds,
  run: (input, chance) => {
    const read = (chunks: readonly Buffer[]) => {
      const values: unknown[] = [];
      const failures: Failure[] = [];
      const reader = formatOf(codec).reader(MESSAGE_BYTES);
      let isFaulty = false;
      try {
        for (const chunk of chunks)
          reader.push(chunk, {
            isOver: () => false,
            value: (value) => values.push(value),
            failure: (failure) => failures.push(failure),
          });
      } catch {
        isFaulty = true;
      }
      return { values, failures, isFaulty };
    };
    const whole = read([input]);
    const cut = read(chunksOf(input, chance));
    expectThat(whole.isFaulty === cut.isFaulty, 'Expected a fault however the bytes are cut', whole, cut);
    const counts = [whole.values.length, whole.failures.length];
    const isSame = String(counts) === String([cut.values.length, cut.failures.length]);
    expectThat(whole.isFaulty || isSame, 'Expected as much however the bytes are cut', whole, cut);
    for (const { name, message, code } of whole.failures) {
      expectCleanWords(name, message, String(code ?? ''));
      expectThat(name.length <= WORDS_LENGTH && message.length <= WORDS_LENGTH, 'Expected words that are cut', name);
    }
  },
});

/** A peer that calls, and sends and takes as it likes: only what is exposed is called, and all is over when the peer is gone. */
const served = (codec: 'json' | 'messagepack', seeds: readonly Buffer[]): Target => ({
  name: `served calls in ${codec}`,
  reaches: ['lib/remote'],
  seeds,
  run: async (input, chance) => {
    let running = 0;
    const exposed = {
      values: (...args: unknown[]) => of(...args),
      numbers: () => range(0, 1_000),
      later: (...args: unknown[]) => Promise.resolve(args),
      fails: (message: unknown) => throwError(() => new TypeError(String(message))),
      never: () => concat(of(1), NEVER),
      ticks: () => interval(0, asapScheduler).pipe(take(5)),
      *endless() {
        running++;
        try {
          for (;;) yield 'x'.repeat(500);
        } finally {
          running--;
        }
      },
    };
    const limits = {
      remoteCalls: 3,
      remoteCallsPerSecond: 4,
      remoteBytes: 10_000,
      remoteTotalBytes: chance.of([1_000, 1_000_000]),
      messageBytes: MESSAGE_BYTES,
      channels: 10,
    };
    const exposures = new Exposures<object>(limits, () => 0);
    const overflow = chance.of(['fail', 'latest', 'drop-oldest'] as const);
    const exposure = exposures.add(exposed, { as: '', codec, overflow });
    const peer = {};
    const channels: FuzzedChannel[] = [];
    const begun = new BegunBytes(1_048_576);
    let held = 0;
    for (let calls = 1 + chance.below(5); calls > 0; calls--) {
      const channel = new FuzzedChannel();
      exposures.take(`rxp2p:remote:${codec}:`, peer, () => {
        held++;
        return {
          channel,
          begun,
          release: () => {
            held--;
          },
        };
      });
      channels.push(channel);
    }
    expectThat(held <= limits.remoteCalls, 'Expected a bounded number of calls', held);
    for (const chunk of chunksOf(input, chance)) {
      const channel = channels[chance.below(channels.length)];
      if (channel === undefined) break;
      channel.push(chunk);
      if (chance.below(4) === 0) await settled();
      disturb(channel, chance);
      expectThat(channel.unread === 0, 'Expected that all which came is read', channel.unread);
      expectThat(channel.waiting < 300_000, 'Expected a bounded number of bytes to wait', channel.waiting);
    }
    if (chance.below(2) === 0) exposure.unsubscribe();
    else for (const { handler } of channels) handler?.onReset({ code: 'reset', message: '' });
    await settled();
    expectThat(held === 0 && running === 0, 'Expected all calls to be over', held, running);
  },
});

/** A node that serves calls as it likes: whatever it sends, the Observable has values, or fails with an error that is documented. */
const answers = (codec: 'json' | 'messagepack', seeds: readonly Buffer[]): Target => ({
  name: `answers to calls in ${codec}`,
  reaches: ['lib/remote/call', 'lib/remote/format'],
  seeds,
  run: (input, chance) => {
    const channel = new FuzzedChannel();
    let isReleased = false;
    let ends = 0;
    const result$ = call$({
      open: (opening) => {
        opening.onOpen({
          channel,
          begun: new BegunBytes(1_048_576),
          release: () => {
            isReleased = true;
          },
        });
        return () => undefined;
      },
      format: formatOf(codec),
      messageBytes: MESSAGE_BYTES,
      what: '`object.method`',
      method: 'method',
      args: [],
      schema: undefined,
    });
    const most = chance.of([1, 2, Infinity]);
    const subscription = result$.pipe(take(most)).subscribe({
      error: (error: unknown) => {
        ends++;
        const known = [ProtocolError, RemoteError, RemoteRefusedError, ClosedError, InvalidMessageError];
        expectThat(
          known.some((type) => error instanceof type),
          'Expected an error that is documented',
          error,
        );
        if (!(error instanceof Error)) return;
        expectCleanWords(error.message);
        if (error.cause instanceof Error) expectCleanWords(error.cause.message);
      },
      complete: () => {
        ends++;
      },
    });
    for (const chunk of chunksOf(input, chance)) {
      channel.push(chunk);
      disturb(channel, chance);
    }
    expectThat(ends <= 1 && (ends === 0) === !isReleased, 'Expected one end, and nothing held behind it', ends);
    subscription.unsubscribe();
    expectThat(isReleased, 'Expected that nothing is held behind an unsubscription', isReleased);
  },
});

export const REMOTE_TARGETS: readonly Target[] = [format, served, answers].flatMap((target) => [
  target('json', JSON_SEEDS),
  target('messagepack', MESSAGE_PACK_SEEDS),
]);
