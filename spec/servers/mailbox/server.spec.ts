import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { createIdentity } from '../../../lib/identity.js';
import { InvalidOptionError, ListenError, StoreError } from '../../../lib/errors.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { AHEAD_MS, encode, MAX_TAKEN, REQUEST_MAX_BYTES } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { CLOCK_TOLERANCE_MS } from '../../../lib/signed-request.js';
import type { MailboxServerLimits } from '../../../servers/mailbox/limits.js';
import { mailboxServer$, type MailboxServerConfig } from '../../../servers/mailbox/server.js';
import { OPEN_MS } from '../../../servers/mailbox/level-store.js';
import { temporaryFolder } from '../../support/folder.js';
import { impatient } from '../../support/impatient.js';
import { call, MailboxCaller, refusalOf, textsOf } from '../../support/mailbox.js';
import { failureOf, Lab, newAddress } from '../../support/nodes.js';

const kept = { status: 200, text: '{"delivered":false}' };
const delivered = { status: 200, text: '{"delivered":true}' };

describe('A mailbox server', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  afterEach(() => lab.close());

  /** A server that runs until it is stopped or the spec is over. */
  async function open(config: MailboxServerConfig = {}, runtime: Runtime = systemRuntime) {
    const server$ = mailboxServer$({ bind: '127.0.0.1', port: 0, ...config }, runtime);
    return new Promise<{ host: string; port: number; stop: () => void }>((resolve, reject) => {
      const subscription = lab.use(
        server$.subscribe({
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

  async function openFor(limits: Partial<MailboxServerLimits> = {}, runtime?: Runtime) {
    const where = await open({ limits }, runtime);
    return { where, alice: callerOf(where), bob: callerOf(where) };
  }

  function callerOf(where: { host: string; port: number }, now?: () => number): MailboxCaller {
    return new MailboxCaller({ host: where.host, port: where.port, localAddress: newAddress() }, undefined, now);
  }

  describe('keeps messages', () => {
    it('and brings them in the order of their arrival, with who sent them and from where', async () => {
      const { alice, bob } = await openFor();
      for (const message of ['one', 'two', 'three']) {
        expect(await alice.put(bob.peerId, message)).toEqual(jasmine.objectContaining(kept));
      }
      const messages = await bob.take();
      expect(textsOf(messages)).toEqual(['one', 'two', 'three']);
      for (const { from, seenAt, ageMs } of messages) {
        expect([from, seenAt]).toEqual([alice.peerId, alice.where.localAddress ?? '']);
        expect(ageMs).toBeLessThan(60_000);
      }
    });

    it('until they are acknowledged', async () => {
      const { alice, bob } = await openFor();
      await alice.put(bob.peerId, 'one');
      await alice.put(bob.peerId, 'two');
      const [first] = await bob.take();
      expect(textsOf(await bob.take())).toEqual(['one', 'two']);
      expect(textsOf(await bob.take({ acknowledge: [first?.receipt ?? ''] }))).toEqual(['two']);
      expect(textsOf(await bob.take())).toEqual(['two']);
    });

    it('and does not bring again what the receiver is holding', async () => {
      const { alice, bob } = await openFor();
      await alice.put(bob.peerId, 'one');
      await alice.put(bob.peerId, 'two');
      const holding = (await bob.take()).slice(0, 1).map(({ receipt }) => receipt);
      expect(textsOf(await bob.take({ holding }))).toEqual(['two']);
      expect(textsOf(await bob.take())).toEqual(['one', 'two']);
    });

    it('one by its sender, receiver and id, however often it is put', async () => {
      const { alice, bob, where } = await openFor();
      const carol = callerOf(where);
      for (const message of ['once', 'twice']) await alice.put(bob.peerId, message, { id: 'same' });
      await Promise.all([1, 2, 3].map(() => alice.put(bob.peerId, 'at once', { id: 'other' })));
      await carol.put(bob.peerId, 'by another', { id: 'same' });
      expect(textsOf(await bob.take())).toEqual(['once', 'at once', 'by another']);
    });

    it('for nobody but their receiver', async () => {
      const { alice, bob, where } = await openFor();
      const carol = callerOf(where);
      await alice.put(bob.peerId, 'for Bob');
      const [message] = await bob.take();
      expect(await carol.take({ acknowledge: [message?.receipt ?? ''] })).toEqual([]);
      expect(await alice.take()).toEqual([]);
      expect(textsOf(await bob.take())).toEqual(['for Bob']);
    });

    it('until they expire, which the sender chooses, and the server bounds', async () => {
      let now = 1_000_000;
      const timeOfDay = () => now;
      const { where } = await openFor({ keepMs: 1_000 }, { ...systemRuntime, timeOfDay });
      const [alice, bob] = [callerOf(where, timeOfDay), callerOf(where, timeOfDay)];
      await alice.put(bob.peerId, 'short', { keepMs: 500 });
      await alice.put(bob.peerId, 'long', { keepMs: 60_000 });
      now += 499;
      expect(textsOf(await bob.take())).toEqual(['short', 'long']);
      now += 1;
      expect(textsOf(await bob.take())).toEqual(['long']);
      now += 500;
      expect(await bob.take()).toEqual([]);
    });

    it('and brings so many at once', async () => {
      const { alice, bob } = await openFor({ putBurst: 100 });
      for (let index = 0; index <= MAX_TAKEN; index++) await alice.put(bob.peerId, `${index}`);
      const messages = await bob.take();
      expect(messages).toHaveSize(MAX_TAKEN);
      const acknowledge = messages.map(({ receipt }) => receipt);
      expect(textsOf(await bob.take({ acknowledge }))).toEqual([`${MAX_TAKEN}`]);
    });
  });

  describe('tells the sender that the receiver is there', () => {
    it('when it waits for messages, or came for some just now', async () => {
      let now = 0;
      const runtime = { ...systemRuntime, scheduler: { ...impatient({}), now: () => now } };
      const { alice, bob } = await openFor({}, runtime);
      expect(await alice.put(bob.peerId, 'nobody there')).toEqual(jasmine.objectContaining(kept));
      await bob.take();
      expect(await alice.put(bob.peerId, 'somebody')).toEqual(jasmine.objectContaining(delivered));
      now += 2_000;
      expect(await alice.put(bob.peerId, 'gone again')).toEqual(jasmine.objectContaining(kept));
    });

    it('for as long as it waits, and not for a moment longer when it hangs up', async () => {
      let now = 0;
      const runtime = { ...systemRuntime, scheduler: { ...impatient({}), now: () => now } };
      const { where, alice, bob } = await openFor({ polls: 1 }, runtime);
      const other = callerOf(where);
      const stopped = new AbortController();
      const leaving = bob.askTake({ waitMs: 30_000 }, { ...bob.where, signal: stopped.signal });
      const left = leaving.catch((error: unknown) => String(error));
      while ((await other.askTake({ waitMs: 1 })).status === 200);
      stopped.abort();
      expect(await left).toContain('AbortError');
      while ((await other.askTake({ waitMs: 1 })).status !== 200);
      expect(await alice.put(bob.peerId, 'gone')).toEqual(jasmine.objectContaining(kept));
      await bob.take({ acknowledge: (await bob.take()).map(({ receipt }) => receipt) });
      const taking = bob.take({ waitMs: 30_000 });
      while ((await other.askTake({ waitMs: 1 })).status === 200);
      now += 20_000;
      expect(await alice.put(bob.peerId, 'waiting')).toEqual(jasmine.objectContaining(delivered));
      expect(textsOf(await taking)).toEqual(['waiting']);
    });
  });

  describe('has a take wait', () => {
    it('until something comes', async () => {
      const { alice, bob } = await openFor();
      const taking = bob.take({ waitMs: 30_000 });
      while ((await alice.put(bob.peerId, 'at last', { id: 'one' })).text === kept.text);
      expect(textsOf(await taking)).toEqual(['at last']);
    });

    it('no longer than it wants to, and longer than a request may take', async () => {
      // The request itself has to come in this time, on a busy machine, too.
      const { bob } = await openWith({ http: { requestMs: 1_500 } });
      expect(await bob.take({ waitMs: 2_500 })).toEqual([]);
    });

    it('but one of each owner: the older is answered, empty', async () => {
      const { alice, bob } = await openFor();
      const older = bob.take({ waitMs: 30_000 });
      const newer = older.then(() => undefined);
      // Which of them comes first is not told; the later has the later time.
      const latest = bob.take({ waitMs: 30_000 });
      const ended = await Promise.race([newer.then(() => 'older'), latest.then(() => 'latest')]);
      expect(ended).toBe('older');
      await alice.put(bob.peerId, 'for the latest');
      expect(textsOf(await latest)).toEqual(['for the latest']);
    });

    describe('so many in all, and so many of each host:', () => {
      /** Has somebody new wait for messages: resolves to what comes of it. */
      function poll(where: { host: string; port: number }, localAddress: string, signal: AbortSignal, waitMs = 30_000) {
        const caller = new MailboxCaller({ ...where, localAddress, signal });
        return caller.askTake({ waitMs }).then(refusalOf, () => 'aborted');
      }

      it('a host that has as many is refused, and may still ask', async () => {
        const where = await open({ limits: { pollsPerHost: 2 } });
        const stopped = new AbortController();
        const host = newAddress();
        const polls = [1, 2, 3].map(() => poll(where, host, stopped.signal));
        expect(await Promise.race(polls)).toBe('too-many-polls');
        expect(await poll(where, host, stopped.signal, 0)).toBe(200);
        stopped.abort();
        expect((await Promise.all(polls)).sort()).toEqual(['aborted', 'aborted', 'too-many-polls']);
        // Those who left have made room.
        const again = new AbortController();
        while ((await poll(where, host, again.signal, 1)) === 'too-many-polls');
      });

      it('one of a few hosts that have filled the room is evicted for a newcomer, with an empty answer', async () => {
        const where = await open({ limits: { polls: 4 } });
        const stopped = new AbortController();
        const hosts = [newAddress(), newAddress()];
        const flood = hosts.flatMap((host) => [1, 2, 3].map(() => poll(where, host, stopped.signal)));
        const refused: unknown[] = [];
        const settled = new Promise<void>((resolve) => {
          for (const each of flood) {
            void each.then((answer) => {
              if (answer !== 'aborted') refused.push(answer);
              if (refused.length === 2) resolve();
            });
          }
        });
        await settled;
        const [alice, bob] = [callerOf(where), callerOf(where)];
        const taking = bob.take({ waitMs: 30_000 });
        while ((await alice.put(bob.peerId, 'got in', { id: 'one' })).text === kept.text);
        expect(textsOf(await taking)).toEqual(['got in']);
        stopped.abort();
        expect((await Promise.all(flood)).filter((answer) => answer === 'aborted')).toHaveSize(3);
      });
    });

    it('and forgets it when the caller leaves', async () => {
      const { alice, bob } = await openFor({ polls: 1 });
      const stopped = new AbortController();
      const leaving = bob.askTake({ waitMs: 30_000 }, { ...bob.where, signal: stopped.signal });
      const left = leaving.catch((error: unknown) => String(error));
      while ((await alice.askTake({ waitMs: 1 })).status === 200);
      stopped.abort();
      expect(await left).toContain('AbortError');
      while ((await alice.askTake({ waitMs: 1 })).status !== 200);
    });
  });

  async function openWith(config: MailboxServerConfig) {
    const where = await open(config);
    return { where, alice: callerOf(where), bob: callerOf(where) };
  }

  describe('refuses', () => {
    it('what is not signed by whom it is from', async () => {
      const { alice, bob, where } = await openFor();
      const carol = callerOf(where);
      await alice.put(bob.peerId, 'for Bob');
      const body = encode({ owner: bob.peerId, at: Date.now(), waitMs: 0, acknowledge: [], holding: [] });
      for (const authorization of [
        carol.sign('take', body),
        bob.sign('put', body),
        bob.sign('take', body, 'elsewhere.example.org:8080'),
        bob.sign('take', `${body} `),
        bob.sign('take', body).replace('rxp2p-ed25519', 'Bearer'),
        'rxp2p-ed25519 ',
        'rxp2p-ed25519 !',
        '',
      ]) {
        const answer = await carol.post('take', body, authorization);
        expect([answer.status, refusalOf(answer)])
          .withContext(authorization)
          .toEqual([401, 'signature']);
      }
      expect((await call(where, '/mailbox/take', body)).status).toBe(401);
      expect((await bob.post('take', body)).status).toBe(200);
    });

    it('what was signed for another server, when it knows its names', async () => {
      const { port, ...rest } = await open();
      const { host } = rest;
      const named = await open({ hosts: ['RV.example.org:8080'] });
      const bob = callerOf(named);
      const body = encode({ owner: bob.peerId, at: Date.now(), waitMs: 0, acknowledge: [], holding: [] });
      const ask = (name: string) =>
        call(named, '/mailbox/take', body, { authorization: bob.sign('take', body, name), host: name });
      expect(refusalOf(await ask(`${host}:${port}`))).toBe('signature');
      expect((await ask('rv.example.org:8080')).status).toBe(200);
    });

    it('invalid names of its own', async () => {
      for (const hosts of [
        [],
        [''],
        ['rv.example.org:'],
        ['http://rv.example.org'],
        ['rv.example.org/path'],
        ['a b'],
      ]) {
        const failure = await failureOf(mailboxServer$({ bind: '127.0.0.1', port: 0, hosts }));
        expect(failure).withContext(String(hosts)).toBeInstanceOf(InvalidOptionError);
      }
    });

    it('no client that leaves out the default port', async () => {
      const named = await open({ hosts: ['rv.example.org:443', '[2001:DB8::1]:80'] });
      const bob = callerOf(named);
      for (const host of ['rv.example.org', 'rv.example.org:443', '[2001:db8::1]']) {
        const body = encode({ owner: bob.peerId, at: bob.at(), waitMs: 0, acknowledge: [], holding: [] });
        const headers = { authorization: bob.sign('take', body, host), host };
        expect((await call(named, '/mailbox/take', body, headers)).status)
          .withContext(host)
          .toBe(200);
      }
    });

    it('what is too old, or from the future, and tells the time', async () => {
      let now = 0;
      const { where } = await openFor({}, { ...systemRuntime, timeOfDay: () => now });
      now = 10 * CLOCK_TOLERANCE_MS;
      const nobody = createIdentity().peerId;
      for (const at of [now - CLOCK_TOLERANCE_MS - 1, now + CLOCK_TOLERANCE_MS + 1]) {
        const caller = () => callerOf(where, () => at);
        for (const answer of [await caller().askTake({ at }), await caller().put(nobody, 'x')]) {
          expect(answer.status).toBe(409);
          expect(JSON.parse(answer.text)).toEqual(jasmine.objectContaining({ refused: 'clock', now }));
        }
      }
      for (const at of [now - CLOCK_TOLERANCE_MS, now + CLOCK_TOLERANCE_MS]) {
        expect((await callerOf(where, () => at).put(nobody, 'x')).status).toBe(200);
      }
      expect((await callerOf(where).askTake({ at: now - CLOCK_TOLERANCE_MS })).status).toBe(200);
    });

    it('a take that could be older than the start of a later server, and tells the time', async () => {
      let now = 0;
      const { where } = await openFor({}, { ...systemRuntime, timeOfDay: () => now });
      now = 10 * CLOCK_TOLERANCE_MS;
      const bob = callerOf(where);
      const early = await bob.askTake({ at: now + AHEAD_MS + 1 });
      expect([early.status, JSON.parse(early.text)]).toEqual([
        409,
        jasmine.objectContaining({ refused: 'untimely', now }),
      ]);
      expect((await bob.askTake({ at: now + AHEAD_MS })).status).toBe(200);
      // The clock of the server is set back: the time of the owner must not be.
      now -= 1_000;
      expect((await bob.askTake({ at: now + 1_000 + AHEAD_MS + 1 })).status).toBe(200);
    });

    it('a take that it has had before, so that nobody else has what came since', async () => {
      const { alice, bob } = await openFor();
      const at = Date.now();
      const body = encode({ owner: bob.peerId, at, waitMs: 0, acknowledge: [], holding: [] });
      expect((await bob.post('take', body)).status).toBe(200);
      await alice.put(bob.peerId, 'secret');
      const answer = await alice.post('take', body, bob.sign('take', body));
      expect([answer.status, refusalOf(answer)]).toEqual([409, 'replayed']);
      expect(answer.text).toContain(`"now":${at + 1}`);
      expect(textsOf(await bob.take({ at: at + 1 }))).toEqual(['secret']);
    });

    it('a take from before its start, so that nobody can have one answered again by a server that has forgotten it', async () => {
      const config = { dataFolder: path('data') };
      const before = await open(config);
      const bob = callerOf(before);
      const host = `${before.host}:${before.port}`;
      const body = encode({ owner: bob.peerId, at: bob.at(), waitMs: 0, acknowledge: [], holding: [] });
      const signature = bob.sign('take', body, host);
      const ask = (port: number) =>
        call({ host: before.host, port }, '/mailbox/take', body, { authorization: signature, host });
      expect((await ask(before.port)).status).toBe(200);
      before.stop();
      const after = await open(config);
      await callerOf(after).put(bob.peerId, 'secret');
      const replayed = await ask(after.port);
      expect([replayed.status, refusalOf(replayed)]).toEqual([409, 'untimely']);
      const again = new MailboxCaller({ ...bob.where, port: after.port }, bob.identity);
      expect(textsOf(await again.take())).toEqual(['secret']);
    });

    it('receivers of the host that has most, when it can remember no more, in favour of those of another', async () => {
      const { where } = await openFor({ owners: 3 });
      const neighbours = [1, 2, 3, 4].map(() => new MailboxCaller({ ...where, localAddress: '127.9.9.9' }));
      const answers: unknown[] = [];
      for (const each of neighbours) answers.push(refusalOf(await each.askTake()));
      expect(answers).toEqual([200, 200, 200, 'host-full']);
      expect((await callerOf(where).askTake()).status).toBe(200);
      // Who has come before goes on.
      expect((await neighbours[0]?.askTake())?.status).toBe(200);
    });

    it('what is no request', async () => {
      const { alice, where } = await openFor();
      for (const body of ['', '{}', '[]', 'null', '\0', '{"from":1}', `{"owner":"${alice.peerId}"}`]) {
        for (const verb of ['put', 'take'] as const) {
          expect(refusalOf(await alice.post(verb, body)))
            .withContext(body)
            .toBe('malformed');
        }
      }
      expect((await call(where, '/mailbox/put')).status).toBe(404);
      expect((await call(where, '/mailbox/steal', '')).status).toBe(404);
    });

    it('what is too large', async () => {
      const { alice, bob } = await openFor({ messageBytes: 100 });
      expect((await alice.put(bob.peerId, 'x'.repeat(100))).status).toBe(200);
      expect(refusalOf(await alice.put(bob.peerId, 'x'.repeat(101)))).toBe('too-large');
      const huge = await alice.post('put', 'x'.repeat(REQUEST_MAX_BYTES + 1));
      expect([huge.status, refusalOf(huge)]).toEqual([413, 'too-large']);
    });

    it('a caller that takes too long to ask', async () => {
      const { where } = await openWith({ http: { requestMs: 100 } });
      const socket = connect(where);
      socket.on('error', () => undefined);
      socket.write('POST /mailbox/put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
      await once(socket.resume(), 'close');
      expect(socket.destroyed).toBeTrue();
    });
  });

  describe('has room for', () => {
    it('so many messages for one receiver', async () => {
      const { alice, bob } = await openFor({ messagesPerRecipient: 2 });
      for (const text of ['1', '2']) expect((await alice.put(bob.peerId, text)).status).toBe(200);
      const full = await alice.put(bob.peerId, '3');
      expect([full.status, refusalOf(full), full.headers['retry-after']]).toEqual([429, 'recipient-full', '30']);
      expect((await alice.put(createIdentity().peerId, '3')).status).toBe(200);
      const [first] = await bob.take();
      await bob.take({ acknowledge: [first?.receipt ?? ''] });
      expect((await alice.put(bob.peerId, '3')).status).toBe(200);
    });

    it('so many of one sender, and of one host', async () => {
      const { alice, bob, where } = await openFor({ messagesPerSender: 2, messagesPerHost: 3 });
      for (const text of ['1', '2']) expect((await alice.put(bob.peerId, text)).status).toBe(200);
      expect(refusalOf(await alice.put(createIdentity().peerId, '3'))).toBe('sender-full');
      const neighbour = () => new MailboxCaller({ ...where, localAddress: alice.where.localAddress });
      expect((await neighbour().put(bob.peerId, '3')).status).toBe(200);
      expect(refusalOf(await neighbour().put(bob.peerId, '4'))).toBe('host-full');
      expect((await callerOf(where).put(bob.peerId, '4')).status).toBe(200);
    });

    it('so many bytes of each, and in all', async () => {
      const size = 256 + Buffer.from('x'.repeat(100)).toString('base64url').length;
      for (const [limit, refusal] of [
        ['bytesPerRecipient', 'recipient-full'],
        ['bytesPerSender', 'sender-full'],
        ['bytesPerHost', 'host-full'],
        ['bytes', 'server-full'],
        ['messages', 'server-full'],
      ] as const) {
        const { alice, bob } = await openFor({ [limit]: limit === 'messages' ? 2 : 2 * size });
        for (const id of ['1', '2']) expect((await alice.put(bob.peerId, 'x'.repeat(100), { id })).status).toBe(200);
        expect(refusalOf(await alice.put(bob.peerId, 'x')))
          .withContext(limit)
          .toBe(refusal);
      }
    });

    it('so many puts of one sender a minute, and requests of one host a second', async () => {
      let now = 0;
      const runtime = { ...systemRuntime, scheduler: { ...impatient({}), now: () => now } };
      const { alice, bob, where } = await openFor({ putBurst: 1, putsPerMinute: 60, requestBurst: 5 }, runtime);
      expect((await alice.put(bob.peerId, '1')).status).toBe(200);
      expect(refusalOf(await alice.put(bob.peerId, '2'))).toBe('too-often');
      now += 1_000;
      expect((await alice.put(bob.peerId, '2')).status).toBe(200);
      const statuses: number[] = [];
      for (let time = 0; time < 6; time++) statuses.push((await call(bob.where, '/mailbox/take', '{}')).status);
      expect(statuses).toEqual([400, 400, 400, 400, 400, 429]);
      expect((await callerOf(where).askTake()).status).toBe(200);
    });
  });

  describe('with a folder', () => {
    it('has its messages when it is started again, and takes up where it was', async () => {
      const config = { dataFolder: path('data') };
      const before = await open(config);
      const [alice, bob] = [callerOf(before), callerOf(before)];
      for (const message of ['one', 'two', 'three']) await alice.put(bob.peerId, message);
      const [first] = await bob.take();
      await bob.take({ acknowledge: [first?.receipt ?? ''] });
      before.stop();
      const after = await open(config);
      const where = { ...bob.where, port: after.port };
      const again = new MailboxCaller(where, bob.identity);
      await new MailboxCaller({ ...alice.where, port: after.port }, alice.identity).put(bob.peerId, 'four');
      const messages = await again.take();
      expect(textsOf(messages)).toEqual(['two', 'three', 'four']);
      expect(messages[0]?.seenAt).toBe(alice.where.localAddress ?? '');
      expect(await again.take({ acknowledge: messages.map(({ receipt }) => receipt) })).toEqual([]);
    });

    it('counts what it finds there', async () => {
      const config = { dataFolder: path('data'), limits: { messagesPerRecipient: 1 } };
      const before = await open(config);
      const [alice, bob] = [callerOf(before), callerOf(before)];
      await alice.put(bob.peerId, 'one', { id: 'the-one' });
      before.stop();
      const after = await open(config);
      const again = new MailboxCaller({ ...alice.where, port: after.port }, alice.identity);
      expect((await again.put(bob.peerId, 'one', { id: 'the-one' })).status).toBe(200);
      expect(refusalOf(await again.put(bob.peerId, 'two'))).toBe('recipient-full');
    });

    it('tells when it cannot be used', async () => {
      await open({ dataFolder: path('data') });
      const soon = { ...systemRuntime, scheduler: impatient({ 100: 1 }) };
      writeFileSync(path('file'), '');
      for (const dataFolder of [path('data'), path('file'), path('not/there'), '/dev/null/data', '/proc/nope']) {
        const failure = await failureOf(mailboxServer$({ bind: '127.0.0.1', port: 0, dataFolder }, soon));
        expect(failure).withContext(dataFolder).toBeInstanceOf(StoreError);
      }
      const failure = await failureOf(mailboxServer$({ bind: '127.0.0.1', port: 0, dataFolder: path('not/there') }));
      expect(String(failure)).toContain(`Make the folder ${path('not')} first`);
    });

    it('tells when it does not open', async () => {
      // Whoever reads it waits until somebody writes into it.
      const current = path('data/CURRENT');
      mkdirSync(path('data'));
      execFileSync('mkfifo', [current]);
      const soon = { ...systemRuntime, scheduler: impatient({ [OPEN_MS]: 10 }) };
      const failure = await failureOf(mailboxServer$({ bind: '127.0.0.1', port: 0, dataFolder: path('data') }, soon));
      expect(failure).toBeInstanceOf(StoreError);
      expect(String(failure)).toContain('could not be opened within');
      // Nothing that waits for it is left behind.
      await (await openFile(current, 'w')).close();
    });
  });

  it('tells when the port is taken, and when a limit is none', async () => {
    const { port } = await open();
    expect(await failureOf(mailboxServer$({ bind: '127.0.0.1', port }))).toBeInstanceOf(ListenError);
    expect(await failureOf(mailboxServer$({ limits: { polls: 0 } }))).toBeInstanceOf(InvalidOptionError);
  });

  it('closes, with all that waits, when unsubscribed from', async () => {
    const { where, bob } = await openFor({ polls: 1 });
    const waiting = bob.take({ waitMs: 30_000 }).catch((error: unknown) => String(error));
    const other = callerOf(where);
    while ((await other.askTake({ waitMs: 1 })).status === 200);
    await lab.close();
    expect(await waiting).toMatch(/ECONNRESET|hang up/);
    expect(await other.askTake().catch((error: unknown) => String(error))).toContain('ECONNREFUSED');
  });
});
