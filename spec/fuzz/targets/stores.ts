import { Subscription } from 'rxjs';
import { ProtocolError, StoreError } from '../../../lib/errors.js';
import { isMessage, parseReply } from '../../../lib/rendezvous/messages.js';
import { parseJsonObject } from '../../../lib/validate.js';
import { formatKept, parseKept } from '../../../servers/mailbox/kept.js';
import { AnswerCheck } from '../../../servers/store/redis/answer-check.js';
import {
  formatConfirmations,
  formatEnvelope,
  parseConfirmations,
  parseEnvelope,
} from '../../../servers/store/redis/envelope.js';
import { parseSlots, SLOTS } from '../../../servers/store/redis/slots.js';
import { redisStore$, type RedisStore } from '../../../servers/store/redis-store.js';
import { bulk, fakeRedis, type FakeRedis } from '../../support/fake-redis.js';
import { chunksOf, expectThat, orFails, type Target } from '../target.js';

/** What Redis says to all that a server asks. */
const ANSWERS = [
  `%2\r\n${bulk('proto')}:3\r\n${bulk('modules')}*0\r\n`,
  bulk('redis_version:7.0.0\r\ncluster_enabled:0\r\n'),
  ':1\r\n',
  '+OK\r\n',
  '_\r\n',
  '$-1\r\n',
  '#t\r\n,1.5\r\n(12345678901234567890\r\n=5\r\ntxt:a\r\n',
  `*2\r\n${bulk('key')}${bulk('value')}`,
  '*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n*0\r\n',
  '-NOSCRIPT No matching script\r\n',
  '!10\r\nERR a text\r\n',
  `>3\r\n${bulk('subscribe')}${bulk('a')}:1\r\n`,
  `>3\r\n${bulk('sunsubscribe')}${bulk('a')}:0\r\n`,
  `>3\r\n${bulk('message')}${bulk('a')}${bulk('text')}`,
].map((text) => Buffer.from(text, 'latin1'));

/** What is on its way: commands of which each kind has another answer. */
function checkOfSent(): AnswerCheck {
  const check = new AnswerCheck();
  for (const words of [
    ['hello', '3'],
    ['info'],
    ['subscribe', 'a', 'b'],
    ['evalsha'],
    ['publish', 'a', 'b'],
    ['ping'],
  ]) {
    check.sent(`*${words.length}\r\n${words.map(bulk).join('')}`);
  }
  return check;
}

/** Takes chunks one after the other, up to the first that is no answer. Returns whether all were. */
function isTaken(check: AnswerCheck, chunks: readonly Buffer[]): boolean {
  return chunks.every((chunk) => orFails([ProtocolError], () => check.came(chunk)) !== undefined);
}

const answers: Target = {
  name: 'answers of Redis',
  reaches: ['servers/store/redis/resp', 'servers/store/redis/answer-check'],
  seeds: [...ANSWERS, Buffer.concat(ANSWERS)],
  run: (input, chance) => {
    const isWhole = isTaken(checkOfSent(), [input]);
    const inChunks = isTaken(checkOfSent(), chunksOf(input, chance));
    expectThat(isWhole === inChunks, 'Expected the same in pieces', input);
  },
};

const FROM = 'a'.repeat(22);
const KEPT = {
  id: 'a',
  to: 'to',
  from: 'from',
  seenAt: '192.0.2.7',
  receipt: 'receipt',
  arrived: 0,
  expires: 1,
  message: 'eA',
} as const;

const texts: Target = {
  name: 'what a shared store keeps and passes on',
  reaches: ['servers/store/redis/envelope', 'servers/store/redis/slots', 'servers/mailbox/kept'],
  seeds: [
    formatKept(KEPT),
    formatEnvelope({ from: FROM, id: 'a1', message: `MESSAGE ${'A'.repeat(43)} eA 192.0.2.7` }),
    formatEnvelope({ from: FROM, id: undefined, message: 'REPLACED 4' }),
    formatConfirmations([
      { id: 'a', listeners: 1 },
      { id: 'b', listeners: 0 },
    ]),
    '{"slots":[[0,16383,["127.0.0.1",7000,"id",[]]]]}',
    '{"slots":[[0,1,["",7000]],[2,3,[null,7001]]]}',
  ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = input.toString('utf8');
    const envelope = parseEnvelope(text);
    if (envelope !== undefined) expectThat(formatEnvelope(envelope) === text, 'Expected the same envelope', text);
    for (const confirmation of parseConfirmations(text)) {
      expectThat(Number.isInteger(confirmation.listeners), 'Expected a number of listeners', confirmation);
    }
    for (const { first, last } of parseSlots(parseJsonObject(text)?.['slots'], 'host') ?? []) {
      expectThat(first >= 0 && first <= last && last < SLOTS, 'Expected slots', first, last);
    }
    const kept = parseKept(text);
    if (kept !== undefined) expectThat(formatKept(kept) === text, 'Expected the same message', text);
    for (const line of [text, envelope?.message ?? '']) {
      if (isMessage(line)) expectThat(parseReply(line)?.verb === 'MESSAGE', 'Expected what a client reads', line);
    }
  },
};

/** A store in a Redis that answers whatever it is given to what is asked of it after it was opened. */
function storeTarget(): Target {
  const given = new Map<string, string>();
  let fake: Promise<FakeRedis> | undefined;
  let count = 0;
  const start = () =>
    fakeRedis(([verb = '', ...words]) => {
      if (!['evalsha', 'publish', 'subscribe'].includes(verb)) return undefined;
      const [, prefix = ''] = /(p\d+:)/.exec(words.join(' ')) ?? [];
      return given.get(prefix);
    });
  return {
    name: 'a store in Redis',
    reaches: ['servers/store/redis'],
    seeds: [...ANSWERS, Buffer.concat(ANSWERS)],
    concurrent: 8,
    run: async (input) => {
      fake ??= start();
      const { url } = await fake;
      const prefix = `p${count++}:`;
      const opened = new Subscription();
      try {
        const store = await new Promise<RedisStore>((resolve, reject) => {
          opened.add(redisStore$(url, { prefix, answerMs: 200 }).subscribe({ next: resolve, error: reject }));
        });
        given.set(prefix, input.toString('latin1'));
        const listener = { heard: () => undefined, unheard: () => undefined };
        const asked = [
          store.get('unls', 'a'),
          store.sample('unls', 2),
          store.put('unls', 'a', 'b', 1_000),
          store.publish('a', 'b'),
          store.listen('a', listener),
        ].map(async (answer) => answer);
        for (const answer of await Promise.allSettled(asked)) {
          const isRight = answer.status === 'fulfilled' || answer.reason instanceof StoreError;
          expectThat(isRight, 'Expected no failure but that of a store', answer);
        }
      } catch (error) {
        // A busy machine may be too slow to open it.
        if (!(error instanceof StoreError)) throw error;
      } finally {
        opened.unsubscribe();
        given.delete(prefix);
      }
    },
    close: async () => {
      (await fake)?.close();
    },
  };
}

export function storeTargets(): readonly Target[] {
  return [answers, texts, storeTarget()];
}
