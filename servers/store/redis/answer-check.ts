import { Queue } from '../../../lib/bounds/queue.js';
import { ProtocolError } from '../../../lib/errors.js';
import { RespReader, type RespAnswer, type RespValue } from './resp.js';

/** A command that was sent, and how many answers it has yet to get: subscribing has one for each channel. */
interface Asked {
  readonly name: string;
  left: number;
}

/** Answers to these come as pushes, which have the name of the command. */
const BY_PUSH = ['subscribe', 'ssubscribe', 'unsubscribe', 'sunsubscribe'];

/** How a Redis refuses RESP3, or does not know the command that asks for it. */
const NO_RESP3 = /NOPROTO|unknown command/i;
const NEEDED = 'Redis 6.2 or later, or Valkey, does';

/** Pushes that nobody has asked for: messages, and the end of a subscription whose slot has moved. */
const MESSAGES = ['message', 'smessage'];
const UNASKED = ['unsubscribe', 'sunsubscribe'];

/**
 * Checks what comes on a connection to Redis before the client reads it: that it is RESP3, bounded, and an answer to what was asked. The
 * client trusts Redis: a stray null, or a push without a name, would throw where nobody catches it, and end the process.
 */
export class AnswerCheck {
  readonly #asked = new Queue<Asked>();
  readonly #reader = new RespReader((answer) => {
    if (answer.type === '>') this.#pushed(answer);
    else this.#answered(answer);
  });

  /**
   * A command is sent.
   *
   * @throws ProtocolError when it is none.
   */
  sent(command: string | Buffer): void {
    const head = typeof command === 'string' ? command.slice(0, 64) : command.toString('latin1', 0, 64);
    const [, words, name = ''] = /^\*(\d+)\r\n\$\d+\r\n(\w+)\r\n/.exec(head) ?? [];
    if (words === undefined) throw new ProtocolError('Expected a command');
    const lower = name.toLowerCase();
    this.#asked.push({ name: lower, left: BY_PUSH.includes(lower) ? Number(words) - 1 : 1 });
  }

  /**
   * Bytes have come. Returns how many of them belong to answers that are whole now.
   *
   * @throws ProtocolError when they are no answer to what was asked.
   */
  came(chunk: Buffer): number {
    return this.#reader.push(chunk);
  }

  #answered({ type, text }: RespAnswer): void {
    const asked = this.#asked.take();
    if (asked === undefined) throw new ProtocolError('It answers what was not asked');
    const isError = type === '-' || type === '!';
    if (!isError && BY_PUSH.includes(asked.name)) throw new ProtocolError('Expected to hear of a channel');
    // The client would go on with RESP2, in which a message cannot be told from an answer.
    if (isError && asked.name === 'hello' && NO_RESP3.test(text))
      throw new ProtocolError(`It speaks no RESP3: ${NEEDED}`);
  }

  #pushed({ values, count }: RespAnswer): void {
    const [kind, channel, last] = values;
    if (kind === undefined || !isText(kind)) throw new ProtocolError('Expected a push with a name');
    const name = kind.text;
    if (MESSAGES.includes(name)) {
      if (count !== 3 || !isText(channel) || !isText(last)) throw new ProtocolError('Expected a message on a channel');
      return;
    }
    if (!BY_PUSH.includes(name)) return;
    if (count !== 3 || !isText(channel) || last?.type !== ':')
      throw new ProtocolError('Expected the name of a channel');
    const asked = this.#asked.next;
    if (asked?.name === name) {
      if (--asked.left === 0) this.#asked.take();
    } else if (!UNASKED.includes(name)) throw new ProtocolError('Nobody has subscribed to this channel');
  }
}

function isText(value: RespValue | undefined): value is RespValue {
  return value?.type === '$' || value?.type === '+';
}
