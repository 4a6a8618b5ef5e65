import { createIdentity, type Identity } from '../../lib/identity.js';
import {
  formatSessionRequest,
  parseSessionReply,
  sessionProofOf,
  SESSION_PROTOCOL,
  type SessionReply,
  type SessionRequest,
} from '../../lib/signalling/carriers/mailbox-lines.js';
import { LineClient } from './line-client.js';
import { dialledBy } from './proof.js';

/** Where a mailbox server is. */
interface Where {
  readonly host: string;
  readonly port: number;
}

/** The lines of a request for a session. */
export const ASKED: readonly string[] = [
  'GET /mailbox/session HTTP/1.1',
  'Host: h',
  'Connection: Upgrade',
  `Upgrade: ${SESSION_PROTOCOL}`,
  '',
];

/** A client that has a session with a mailbox, and says in it what it is told to, right or wrong. */
export class SessionCaller {
  #count = 0;

  constructor(
    readonly client: LineClient,
    readonly identity: Identity,
    readonly nonce: string,
  ) {}

  /** Asks for a session, and has the challenge. */
  static async begun(
    { host, port }: Where,
    identity = createIdentity(),
    localAddress?: string,
  ): Promise<SessionCaller> {
    const client = await LineClient.to({ address: host, port }, localAddress);
    client.say(...ASKED);
    const status = await client.heard();
    if (!status.startsWith('HTTP/1.1 101 ')) throw new Error(`Expected 101, got ${status}`);
    while ((await client.heard()) !== '');
    const [, nonce = ''] = (await client.heard()).split(' ');
    return new SessionCaller(client, identity, nonce);
  }

  /** A client that has proven its key. */
  static async open(where: Where, identity?: Identity, localAddress?: string): Promise<SessionCaller> {
    const caller = await SessionCaller.begun(where, identity, localAddress);
    caller.prove();
    return caller;
  }

  get peerId(): string {
    return this.identity.peerId;
  }

  prove({ nonce = this.nonce, dialled = dialledBy(this.client) } = {}): void {
    const { peerId } = this;
    const signature = this.identity.sign(sessionProofOf(nonce, peerId, dialled));
    this.say({ verb: 'PROVE', peerId, ...dialled, signature });
  }

  say(...requests: readonly SessionRequest[]): void {
    this.client.say(...requests.map(formatSessionRequest));
  }

  /** Says TAKE, for all but these. */
  take(...holding: readonly string[]): void {
    this.say({ verb: 'TAKE', holding });
  }

  put(to: string, message: string, { id = `id-${this.#count++}`, keepMs = 60_000 } = {}): Promise<SessionReply> {
    this.say({ verb: 'PUT', id, to, keepMs, message: Buffer.from(message).toString('base64url') });
    return this.heard();
  }

  /** The next reply. */
  async heard(): Promise<SessionReply> {
    const line = await this.client.heard();
    const reply = parseSessionReply(line);
    if (reply === undefined) throw new Error(`Expected a reply, got ${line}`);
    return reply;
  }

  /** The next so many replies, which are to be messages: their texts and receipts. */
  async messages(count: number): Promise<readonly { readonly text: string; readonly receipt: string }[]> {
    const messages = [];
    while (messages.length < count) {
      const reply = await this.heard();
      if (reply.verb !== 'MESSAGE') throw new Error(`Expected a message, got ${reply.verb}`);
      messages.push({ text: Buffer.from(reply.message, 'base64url').toString(), receipt: reply.receipt });
    }
    return messages;
  }
}
