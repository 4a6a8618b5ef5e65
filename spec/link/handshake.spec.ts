import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import { ProtocolError, TimeoutError } from '../../lib/errors.js';
import { FramedLink, FramedWire } from '../../lib/link/framed-link.js';
import { encodeFrame, FRAME } from '../../lib/link/frames.js';
import { decodeEnd, decodeHello, encodeEnd, encodeHello, readHello$ } from '../../lib/link/handshake.js';
import { linkOf } from '../support/attempts.js';
import { record } from '../support/record.js';

const ID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Bytes of every kind: noise, JSON of anything, and objects with the right names. */
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .record({ connection: fc.jsonValue(), code: fc.jsonValue(), message: fc.jsonValue() }, { requiredKeys: [] })
    .map((value) => Buffer.from(JSON.stringify(value))),
);

describe('a hello', () => {
  it('names the connection', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{22}$/), (connection) => {
        throwUnless(decodeHello(encodeHello({ connection }))).toEqual({ connection });
      }),
    );
  });

  it('tells the attempt that it answers, how much has come, and what is lost, where there is something to tell', () => {
    const counts = fc.option(fc.maxSafeNat(), { nil: undefined });
    const attempts = fc.option(fc.stringMatching(/^[A-Za-z0-9_-]{22}$/), { nil: undefined });
    fc.assert(
      fc.property(counts, counts, attempts, (received, lost, attempt) => {
        const told = Object.entries({ received, lost, attempt }).filter(([, value]) => value !== undefined);
        throwUnless(decodeHello(encodeHello({ connection: ID, received, lost, attempt }))).toEqual({
          connection: ID,
          ...Object.fromEntries(told),
        });
      }),
    );
  });

  it('tells nothing by what is no count, and no attempt', () => {
    for (const wrong of [-1, 0.5, 2 ** 53, ' 7', null, true, [], {}]) {
      const text = JSON.stringify({ connection: ID, received: wrong, lost: wrong, attempt: wrong });
      expect(decodeHello(Buffer.from(text)))
        .withContext(text)
        .toEqual({ connection: ID });
    }
  });

  it('may say more, which is for newer versions', () => {
    expect(decodeHello(Buffer.from(JSON.stringify({ connection: ID, version: 2, more: [] })))).toEqual({
      connection: ID,
    });
  });

  it('without exactly an id is a ProtocolError', () => {
    const wrong = [
      '',
      '{}',
      '[]',
      'null',
      `"${ID}"`,
      ...['', 'A', `${ID}A`, `${ID}\n`, ' '.repeat(22)].map((connection) => JSON.stringify({ connection })),
    ];
    for (const text of wrong) {
      expect(() => decodeHello(Buffer.from(text)))
        .withContext(text)
        .toThrowError(ProtocolError);
    }
    fc.assert(
      fc.property(garbage, (bytes) => {
        throwUnless(() => decodeHello(bytes)).toThrowError(ProtocolError);
      }),
    );
  });
});

describe('an end', () => {
  it('says why', () => {
    const end = { code: 'line-too-long', message: 'Expected a line of at most 5 bytes, got a longer one – ü' };
    expect(decodeEnd(encodeEnd(end))).toEqual(end);
  });

  it('is an end whatever it says: what cannot be read is left out', () => {
    const plain = { code: 'closed', message: 'closed by the peer' };
    for (const text of ['', '{', '[]', '{"code":1,"message":{}}']) expect(decodeEnd(Buffer.from(text))).toEqual(plain);
    expect(decodeEnd(Buffer.from('{"code":"refused"}'))).toEqual({ ...plain, code: 'refused' });
    expect(decodeEnd(Buffer.from(JSON.stringify({ code: 'c'.repeat(65) })))).toEqual(plain);
    fc.assert(
      fc.property(garbage, (bytes) => {
        const { code, message } = decodeEnd(bytes);
        return code.length <= 64 && message.length <= 512;
      }),
    );
  });

  it('is short, written or read', () => {
    const message = 'm'.repeat(600);
    expect(encodeEnd({ code: 'closed', message }).length).toBeLessThan(600);
    expect(decodeEnd(Buffer.from(JSON.stringify({ code: 'closed', message }))).message).toHaveSize(512);
  });
});

describe('waiting for the hello', () => {
  /** A framed link that waits in virtual time, and the peer's end of it. */
  function open() {
    const [stream, peer] = duplexPair();
    const scheduler = new VirtualTimeScheduler();
    const framed = new FramedLink({ ...linkOf('direct'), stream }, new FramedWire());
    return { framed, stream, peer, scheduler, hello: record(readHello$(framed, 1000, scheduler)) };
  }

  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const helloFrame = encodeFrame(FRAME.hello, encodeHello({ connection: ID }));

  it('holds back for the next owner what comes behind it', async () => {
    const { framed, stream, peer, scheduler, hello } = open();
    peer.write(Buffer.concat([helloFrame, encodeFrame(FRAME.ping, Buffer.from('behind'))]));
    await settled();
    expect([hello.values, hello.isCompleted]).toEqual([[{ connection: ID }], true]);
    scheduler.flush();
    expect([hello.error, stream.destroyed]).toEqual([undefined, false]);
    const frames: string[] = [];
    framed.attach({
      frame: ({ payload }) => frames.push(payload.toString()),
      heard: () => undefined,
      written: () => undefined,
      closed: () => undefined,
    });
    framed.setFlowing(true);
    expect(frames).toEqual(['behind']);
  });

  for (const [what, bytes, message] of [
    ['another frame', encodeFrame(FRAME.ping, Buffer.alloc(0)), /Expected a hello first, got a frame of type 3/],
    ['a hello without an id', encodeFrame(FRAME.hello, Buffer.from('{}')), /Expected a hello with the id/],
    ['no frame at all', Buffer.from('GET / HTTP/1.1'), /Expected a frame type up to 9/],
  ] as const) {
    it(`gives the link up when ${what} comes first`, async () => {
      const { stream, peer, hello } = open();
      peer.write(bytes);
      await settled();
      expect(hello.error).toBeInstanceOf(ProtocolError);
      expect(String(hello.error)).toMatch(message);
      expect(stream.destroyed).toBeTrue();
    });
  }

  it('gives the link up when the peer goes away', async () => {
    const { stream, peer, hello } = open();
    peer.end();
    await settled();
    expect(hello.error).toEqual(new ProtocolError('The peer proved its key and went away without a hello'));
    expect(stream.destroyed).toBeTrue();
  });

  it('gives the link up when nothing comes in time', () => {
    const { stream, scheduler, hello } = open();
    scheduler.flush();
    expect(scheduler.now()).toBe(1000);
    expect(hello.error).toEqual(new TimeoutError('The peer proved its key and then said nothing for 1000 ms'));
    expect(stream.destroyed).toBeTrue();
  });

  it('gives the link up when it is unsubscribed from', () => {
    const { stream, hello } = open();
    hello.subscription.unsubscribe();
    expect(stream.destroyed).toBeTrue();
  });
});
