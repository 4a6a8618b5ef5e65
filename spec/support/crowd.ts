import { connect, type Socket } from 'node:net';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { lineDecoder } from '../../lib/link/lines.js';
import { backoffMs } from '../../lib/operators/backoff.js';
import { formatRequest, proofOf, REPLY_MAX_BYTES } from '../../lib/rendezvous/messages.js';

/** How a crowd reaches its servers. */
export interface CrowdConfig {
  /** Their ports on 127.0.0.1. */
  readonly ports: readonly number[];
  /** From which loopback address a member dials. Default: the system's choice. */
  readonly addressOf?: (index: number) => string;
}

/** What a sender was told; `lost`: its session ended before. */
export type Verdict = 'SENT' | 'ABSENT' | 'lost';

/** One message. */
export interface Sent {
  readonly to: Member;
  readonly at: number;
  /** When it came, each time that it did, in milliseconds of this process's clock. */
  readonly received: number[];
  verdict: Verdict | undefined;
  /** When its sender was told. */
  toldAt: number;
}

/**
 * Many nodes that know the same servers, each with a session at one of them, as behind one name: whoever loses its session dials
 * another, with the pauses of the real client. As light as can be, since all of them run in one process.
 */
export class Crowd {
  readonly members: Member[] = [];
  /** Every message, by what it says. */
  readonly messages = new Map<string, Sent>();
  /** When members got a session after they had lost one. */
  readonly returns: number[] = [];
  /** Lines by which servers refused something. */
  readonly refusals: string[] = [];
  /** Servers that do not answer. */
  readonly gone = new Set<number>();
  #count = 0;

  constructor(readonly config: CrowdConfig) {}

  /** Makes members; they have no sessions yet. */
  add(count: number, first = 0): void {
    for (let index = 0; index < count; index++) {
      this.members.push(
        new Member(this, (first + index) % this.config.ports.length, this.config.addressOf?.(first + index)),
      );
    }
  }

  /** Gives each member a session. */
  async open(atOnce: number): Promise<void> {
    let next = 0;
    const work = async () => {
      for (let member = this.members[next++]; member !== undefined; member = this.members[next++]) await member.open();
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  close(): void {
    for (const member of this.members) member.close();
  }

  /** Sends a message. Resolves when its sender has been told what became of it. */
  async send(from: Member, to: Member): Promise<Sent> {
    const text = Buffer.from(`message ${this.#count++}`).toString('base64url');
    const message: Sent = { to, at: performance.now(), received: [], verdict: undefined, toldAt: 0 };
    this.messages.set(text, message);
    message.verdict = await from.send(to.identity.peerId, text);
    message.toldAt = performance.now();
    return message;
  }

  /** Another server than one. */
  another(server: number): number {
    const others = this.config.ports
      .map((_, index) => index)
      .filter((index) => index !== server && !this.gone.has(index));
    return others[Math.floor(Math.random() * others.length)] ?? server;
  }
}

/** One node of a crowd. */
export class Member {
  readonly identity: Identity = createIdentity();
  isThere = false;
  #socket: Socket | undefined;
  #failures = 0;
  #isClosed = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  #told = new Map<string, (verdict: Verdict) => void>();
  #opened: (() => void) | undefined;
  #count = 0;

  /** @param server at which it has its session. */
  constructor(
    readonly crowd: Crowd,
    public server: number,
    readonly address: string | undefined,
  ) {}

  /** Resolves when it has a session. */
  open(): Promise<void> {
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#dial(false);
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#socket?.destroy();
  }

  send(to: string, message: string): Promise<Verdict> {
    if (!this.isThere) return Promise.resolve('lost');
    const id = `${this.#count++}`;
    return new Promise((resolve) => {
      this.#told.set(id, resolve);
      this.#socket?.write(`SEND ${id} ${to} ${message}\r\n`);
    });
  }

  #dial(isReturn: boolean): void {
    const port = this.crowd.config.ports[this.server] ?? 0;
    const socket = connect({
      host: '127.0.0.1',
      port,
      ...(this.address !== undefined && { localAddress: this.address }),
    });
    const decoder = lineDecoder(REPLY_MAX_BYTES);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.once('connect', () => socket.write('HELLO 2\r\n'));
    socket.on('data', (chunk) => {
      for (const line of decoder.push(chunk)) this.#hear(line, port, isReturn);
    });
    socket.on('error', (error) => {
      if ('code' in error && error.code === 'ECONNREFUSED') this.crowd.gone.add(this.server);
    });
    socket.once('close', () => {
      this.#lose();
    });
  }

  #hear(line: string, port: number, isReturn: boolean): void {
    const [verb, first = '', second = ''] = line.split(' ', 3);
    if (verb === 'MESSAGE') this.crowd.messages.get(second)?.received.push(performance.now());
    else if (verb === 'SENT' || verb === 'ABSENT') this.#tell(first, verb);
    else if (verb === 'REFUSED') this.crowd.refusals.push(line);
    else if (verb === 'NONCE') {
      const dialled = { server: `127.0.0.1:${port}`, at: { address: '127.0.0.1', port } };
      const { peerId } = this.identity;
      const signature = this.identity.sign(proofOf(first, peerId, dialled));
      this.#socket?.write(`${formatRequest({ verb: 'PROVE', peerId, ...dialled, signature })}\r\n`);
    } else if (verb === 'WELCOME') {
      this.isThere = true;
      this.#failures = 0;
      if (isReturn) this.crowd.returns.push(performance.now());
      this.#opened?.();
      this.#opened = undefined;
    }
  }

  #lose(): void {
    this.isThere = false;
    for (const id of [...this.#told.keys()]) this.#tell(id, 'lost');
    if (this.#isClosed) return;
    this.#failures++;
    this.server = this.crowd.another(this.server);
    const { reconnectMs, reconnectMaxMs } = DEFAULT_TIMING;
    this.#again = setTimeout(
      () => {
        this.#dial(true);
      },
      backoffMs(this.#failures, reconnectMs, reconnectMaxMs, Math.random),
    );
  }

  #tell(id: string, verdict: Verdict): void {
    this.#told.get(id)?.(verdict);
    this.#told.delete(id);
  }
}
