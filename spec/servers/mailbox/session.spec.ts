import { Subject } from 'rxjs';
import { createIdentity } from '../../../lib/identity.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { MAX_RECEIPTS } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { SESSION_LINE_BYTES, SESSION_PROTOCOL } from '../../../lib/signalling/carriers/mailbox-lines.js';
import { mailboxServer$, type MailboxServerConfig } from '../../../servers/mailbox/server.js';
import { temporaryFolder } from '../../support/folder.js';
import { LineClient } from '../../support/line-client.js';
import { call, MailboxCaller, refusalOf, textsOf } from '../../support/mailbox.js';
import { ASKED, SessionCaller } from '../../support/mailbox-session.js';
import { Lab, newAddress } from '../../support/nodes.js';

describe('A session with a mailbox server', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const callers: SessionCaller[] = [];
  afterEach(async () => {
    for (const { client } of callers.splice(0)) client.socket.destroy();
    await lab.close();
  });

  async function serve(config: MailboxServerConfig = {}, runtime: Runtime = systemRuntime) {
    return new Promise<{ host: string; port: number; stop: () => void }>((resolve, reject) => {
      const subscription = lab.use(
        mailboxServer$({ bind: '127.0.0.1', port: 0, ...config }, runtime).subscribe({
          next: ({ local }) => {
            const stop = () => {
              subscription.unsubscribe();
            };
            resolve({ host: local.address, port: local.port, stop });
          },
          error: reject,
        }),
      );
    });
  }

  async function open(...args: Parameters<typeof SessionCaller.open>): Promise<SessionCaller> {
    const caller = await SessionCaller.open(...args);
    callers.push(caller);
    return caller;
  }

  async function begun(...args: Parameters<typeof SessionCaller.begun>): Promise<SessionCaller> {
    const caller = await SessionCaller.begun(...args);
    callers.push(caller);
    return caller;
  }

  /** The code with which a session ends. */
  async function refused(caller: SessionCaller): Promise<string> {
    const reply = await caller.heard();
    await caller.client.closed();
    return reply.verb === 'REFUSED' ? reply.code : reply.verb;
  }

  /** Has a client take, and waits until the server has heard it. */
  async function taking(caller: SessionCaller): Promise<void> {
    caller.take();
    expect(await caller.client.ask('PING')).toMatch(/^PONG /);
  }

  const texts = (messages: readonly { readonly text: string }[]) => messages.map(({ text }) => text);

  describe('keeps messages and brings them', () => {
    it('in the order of their arrival, those that are there and those that come', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where, createIdentity(), newAddress()), await open(where)];
      expect(await alice.put(bob.peerId, 'one')).toEqual({ verb: 'KEPT', id: 'id-0' });
      expect(await alice.put(bob.peerId, 'two')).toEqual({ verb: 'KEPT', id: 'id-1' });
      bob.take();
      const first = await bob.heard();
      expect(first).toEqual({
        verb: 'MESSAGE',
        receipt: jasmine.any(String),
        from: alice.peerId,
        seenAt: alice.client.socket.localAddress ?? '',
        ageMs: jasmine.any(Number),
        message: Buffer.from('one').toString('base64url'),
      });
      expect(texts(await bob.messages(1))).toEqual(['two']);
      expect(await alice.put(bob.peerId, 'three')).toEqual({ verb: 'DELIVERED', id: 'id-2' });
      expect(texts(await bob.messages(1))).toEqual(['three']);
    });

    it('that are asked for together with the proof', async () => {
      const where = await serve();
      const alice = await open(where);
      const bob = createIdentity();
      await alice.put(bob.peerId, 'one');
      const caller = await begun(where, bob);
      caller.prove();
      caller.take();
      expect(texts(await caller.messages(1))).toEqual(['one']);
    });

    it('again in another session until they are acknowledged, and those that it says it holds not again', async () => {
      const where = await serve({ dataFolder: path('again') });
      const [alice, bob] = [await open(where), createIdentity()];
      for (const text of ['one', 'two', 'three']) await alice.put(bob.peerId, text);
      const first = await open(where, bob);
      first.take();
      const [one, two] = await first.messages(3);
      first.say({ verb: 'ACK', receipts: [one?.receipt ?? ''] });
      first.say({ verb: 'PING' });
      expect(await first.heard()).toEqual({ verb: 'PONG', now: jasmine.any(Number) });
      first.client.socket.destroy();
      const second = await open(where, bob);
      second.take(two?.receipt ?? '');
      expect(texts(await second.messages(1))).toEqual(['three']);
      // As it is by requests.
      expect(textsOf(await new MailboxCaller(where, bob).take())).toEqual(['two', 'three']);
    });

    it('until it acknowledges what it was brought, or has named; of anything else the store is not asked', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where), createIdentity()];
      for (const text of ['one', 'two']) await alice.put(bob.peerId, text);
      const first = await open(where, bob);
      first.take();
      const [one, two] = await first.messages(2);
      first.client.socket.destroy();
      const second = await open(where, bob);
      second.say({ verb: 'ACK', receipts: [one?.receipt ?? ''] });
      second.take(two?.receipt ?? '');
      expect(texts(await second.messages(1))).toEqual(['one']);
      second.say({ verb: 'ACK', receipts: [two?.receipt ?? '', 'unknown'] });
      expect(await second.client.ask('PING')).toMatch(/^PONG /);
      expect(textsOf(await new MailboxCaller(where, bob).take())).toEqual(['one']);
    });

    it('again in the same session when it takes anew', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where), await open(where)];
      await taking(bob);
      expect((await alice.put(bob.peerId, 'one')).verb).toBe('DELIVERED');
      await bob.messages(1);
      bob.take();
      expect(texts(await bob.messages(1))).toEqual(['one']);
    });

    it('no more of them than it has not acknowledged, and goes on when it does', async () => {
      const most = 1_000;
      const limits = { putBurst: most, lineBurst: most, messagesPerSender: most, messagesPerHost: most };
      const where = await serve({ limits });
      const [alice, bob] = [await open(where), await open(where)];
      const count = MAX_RECEIPTS + 10;
      for (let left = count; left > 0; left--) await alice.put(bob.peerId, 'x');
      bob.take();
      const first = await bob.messages(MAX_RECEIPTS - 64 + 1);
      bob.say({ verb: 'PING' });
      let brought = first.length;
      for (let reply = await bob.heard(); reply.verb !== 'PONG'; reply = await bob.heard()) brought++;
      expect(brought).toBeLessThanOrEqual(MAX_RECEIPTS);
      bob.say({ verb: 'ACK', receipts: first.map(({ receipt }) => receipt) });
      await bob.messages(count - brought);
    });

    it('by requests, too, and presence is known either way', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where), await open(where)];
      const other = new MailboxCaller(where);
      await taking(bob);
      expect((await other.put(bob.peerId, 'one')).text).toBe('{"delivered":true}');
      expect(texts(await bob.messages(1))).toEqual(['one']);
      await alice.put(other.peerId, 'two');
      expect(textsOf(await other.take())).toEqual(['two']);
    });

    it('once, however often the same is put', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where), await open(where)];
      await alice.put(bob.peerId, 'one', { id: 'same' });
      await alice.put(bob.peerId, 'one', { id: 'same' });
      await alice.put(bob.peerId, 'two');
      bob.take();
      expect(texts(await bob.messages(2))).toEqual(['one', 'two']);
    });

    it('that a server had before it was ended', async () => {
      const config = { dataFolder: path('restart') };
      const before = await serve(config);
      const [alice, bob] = [await open(before), createIdentity()];
      await alice.put(bob.peerId, 'one');
      before.stop();
      await alice.client.closed();
      const caller = await open(await serve(config), bob);
      caller.take();
      expect(texts(await caller.messages(1))).toEqual(['one']);
    });

    it('says why one is not kept, and goes on', async () => {
      const where = await serve({ limits: { messagesPerRecipient: 1, messageBytes: 10 } });
      const [alice, bob] = [await open(where), createIdentity()];
      expect((await alice.put(bob.peerId, 'x'.repeat(11))).verb).toBe('DECLINED');
      expect((await alice.put(bob.peerId, 'one')).verb).toBe('KEPT');
      expect(await alice.put(bob.peerId, 'two', { id: 'two' })).toEqual(
        jasmine.objectContaining({ verb: 'DECLINED', id: 'two', code: 'recipient-full' }),
      );
      expect((await alice.put(createIdentity().peerId, 'three')).verb).toBe('KEPT');
    });
  });

  describe('is refused', () => {
    it('without an upgrade to its protocol', async () => {
      const where = await serve();
      const { status, headers } = await call(where, '/mailbox/session');
      expect([status, headers.upgrade]).toEqual([426, SESSION_PROTOCOL]);
    });

    it('to who does not prove a key, or another, or at another server, or with a proof that was used', async () => {
      const where = await serve();
      for (const [expected, prove] of [
        [
          'bad-proof',
          (caller: SessionCaller) => {
            caller.prove({ nonce: Buffer.alloc(32).toString('base64url') });
          },
        ],
        [
          'wrong-server',
          (caller: SessionCaller) => {
            const at = { address: '198.51.100.7', port: where.port };
            caller.prove({ dialled: { server: `198.51.100.7:${where.port}`, at } });
          },
        ],
        [
          'malformed',
          (caller: SessionCaller) => {
            caller.take();
          },
        ],
        [
          'malformed',
          (caller: SessionCaller) => {
            caller.prove();
            caller.prove();
          },
        ],
        [
          'malformed',
          (caller: SessionCaller) => {
            caller.client.say('PUT');
          },
        ],
        [
          'line-too-long',
          (caller: SessionCaller) => {
            caller.client.say('x'.repeat(SESSION_LINE_BYTES + 1));
          },
        ],
      ] as const) {
        const caller = await begun(where);
        prove(caller);
        expect(await refused(caller))
          .withContext(expected)
          .toBe(expected);
      }
    });

    it('by the names that the server was told, whatever its address is', async () => {
      const where = await serve({ hosts: ['rv.example.org:8080'] });
      const at = { address: '198.51.100.7', port: 1 };
      const caller = await begun(where);
      caller.prove({ dialled: { server: 'rv.example.org:8080', at } });
      expect((await caller.put(createIdentity().peerId, 'one')).verb).toBe('KEPT');
    });

    it('when a later one with its key takes the messages', async () => {
      const where = await serve();
      const [alice, bob] = [await open(where), createIdentity()];
      const first = await open(where, bob);
      await taking(first);
      await alice.put(bob.peerId, 'one');
      await first.messages(1);
      const second = await open(where, bob);
      second.take();
      expect(await refused(first)).toBe('replaced');
      expect(texts(await second.messages(1))).toEqual(['one']);
    });

    it('when it says too much', async () => {
      const where = await serve({ limits: { lineBurst: 3, linesPerSecond: 1 } });
      const caller = await open(where);
      for (let count = 0; count < 3; count++) caller.say({ verb: 'PING' });
      await caller.heard();
      await caller.heard();
      expect(await refused(caller)).toBe('too-many-lines');
    });

    it('when too many wait from one address, while others still come in', async () => {
      const where = await serve({ limits: { polls: 2, pollsPerHost: 1 } });
      const [from, elsewhere] = [newAddress(), newAddress()];
      const first = await open(where, createIdentity(), from);
      await taking(first);
      const second = await open(where, createIdentity(), from);
      second.take();
      expect(await refused(second)).toBe('too-many-polls');
      const third = await open(where, createIdentity(), elsewhere);
      await taking(third);
    });

    it('when its address asks too often: of a message it is told so, and a take ends it', async () => {
      const where = await serve({ limits: { requestsPerSecond: 1, requestBurst: 2 } });
      const caller = await open(where);
      const to = createIdentity().peerId;
      expect((await caller.put(to, 'one')).verb).toBe('KEPT');
      expect(await caller.put(to, 'two')).toEqual(jasmine.objectContaining({ verb: 'DECLINED', code: 'too-often' }));
      caller.take();
      expect(await refused(caller)).toBe('too-often');
      expect(refusalOf(await new MailboxCaller(where).askTake())).toBe('too-often');
      const another = await LineClient.to({ address: where.host, port: where.port });
      another.say(...ASKED);
      expect(await another.heard()).toMatch(/^HTTP\/1.1 429 /);
      another.socket.destroy();
    });

    it('while the server is being drained, and those that are there are told to go', async () => {
      const drain = new Subject<void>();
      const where = await serve({ drain$: drain });
      const [waiting, idle] = [await open(where), await open(where)];
      await taking(waiting);
      expect(await idle.client.ask('PING')).toMatch(/^PONG \d+$/);
      drain.next();
      expect([await refused(waiting), await refused(idle)]).toEqual(['closing', 'closing']);
    });
  });
});
