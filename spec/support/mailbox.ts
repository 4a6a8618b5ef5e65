import { request, type Agent, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { createIdentity, type Identity } from '../../lib/identity.js';
import {
  authorize,
  decodeRefusal,
  decodeTaken,
  encode,
  type MailboxVerb,
  type PutRequest,
  type TakenMessage,
  type TakeRequest,
} from '../../lib/signalling/carriers/mailbox-messages.js';
import { parseJsonObject } from '../../lib/validate.js';

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}

/** Where, and by which way. */
export interface CallConfig {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
  /** Default: a connection of its own. */
  readonly agent?: Agent | undefined;
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

/** One HTTP request, written by hand. */
export async function call(
  { agent, localAddress, ...where }: CallConfig,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({
      ...where,
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...headers },
      agent: agent ?? false,
      ...(localAddress !== undefined && { localAddress }),
    })
      .on('response', resolve)
      .on('error', reject)
      .end(body);
  });
  return { status: response.statusCode ?? 0, text: await text(response), headers: response.headers };
}

/** A client of a mailbox that signs what it is told to, right or wrong. */
export class MailboxCaller {
  #at = 0;
  #ahead = 0;
  #count = 0;

  constructor(
    readonly where: CallConfig,
    readonly identity: Identity = createIdentity(),
    readonly now: () => number = Date.now,
  ) {}

  get peerId(): string {
    return this.identity.peerId;
  }

  /** The time, never the same twice. */
  at(): number {
    this.#at = Math.max(this.#at + 1, this.now() + this.#ahead);
    return this.#at;
  }

  post(verb: MailboxVerb, body: string, authorization = this.sign(verb, body), where = this.where): Promise<Answer> {
    return call(where, `/mailbox/${verb}`, body, { authorization });
  }

  sign(verb: MailboxVerb, body: string, host = `${this.where.host}:${this.where.port}`): string {
    return authorize(this.identity, verb, host, body);
  }

  put(to: string, message: string, fields: Partial<PutRequest> = {}): Promise<Answer> {
    const put = {
      from: this.peerId,
      to,
      id: `id-${this.#count++}`,
      at: this.at(),
      keepMs: 60_000,
      message: Buffer.from(message).toString('base64url'),
      ...fields,
    };
    return this.post('put', encode(put));
  }

  /** Asks again where the server wants another time, as clients do, unless it is told the time. */
  async askTake(fields: Partial<TakeRequest> = {}, where?: CallConfig, tries = 3): Promise<Answer> {
    const take = { owner: this.peerId, at: this.at(), waitMs: 0, acknowledge: [], holding: [], ...fields };
    const body = encode(take);
    const answer = await this.post('take', body, this.sign('take', body), where);
    const refusal = answer.status === 409 ? decodeRefusal(answer.text) : undefined;
    if (refusal === undefined || refusal.refused === 'clock' || 'at' in fields || tries === 1) return answer;
    this.#at = 0;
    this.#ahead = refusal.now - this.now();
    return this.askTake(fields, where, tries - 1);
  }

  async take(fields: Partial<TakeRequest> = {}): Promise<readonly TakenMessage[]> {
    const { text: answer } = await this.askTake(fields);
    const taken = decodeTaken(answer);
    if (taken === undefined) throw new Error(`Expected messages, got ${answer}`);
    return taken;
  }
}

/** What a server refused with, or its HTTP status. */
export function refusalOf({ status, text: body }: Answer): unknown {
  return parseJsonObject(body)?.['refused'] ?? status;
}

/** The bytes of messages as texts. */
export function textsOf(messages: readonly TakenMessage[]): readonly string[] {
  return messages.map(({ message }) => Buffer.from(message, 'base64url').toString());
}
