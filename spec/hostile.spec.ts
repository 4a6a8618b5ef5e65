import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { filter, firstValueFrom, lastValueFrom, map, take, toArray } from 'rxjs';
import { ConnectError, createIdentity, formatUnl, ProtocolError, type Net } from '../lib/index.js';
import {
  CHANNEL_FRAME,
  encodeChannelFrame,
  encodeChannelHeader,
  encodeOpening,
  OWN_CHANNEL,
} from '../lib/connection/channels/frames.js';
import { encodeAt, encodeFrame, encodeOffset, FRAME } from '../lib/link/frames.js';
import { isGreater } from '../lib/identity.js';
import { encodeHello } from '../lib/link/handshake.js';
import { unlOf } from './support/locators.js';
import { addressOf, failureOf, Lab, newAddress } from './support/nodes.js';
import { systemRuntime } from '../lib/runtime.js';
import { HeldTimer } from './support/held-timer.js';
import { endpointOf, RawPeer, rawSocket } from './support/raw-peer.js';

/** Bytes on the connection's own channel. */
const ownData = (bytes: Buffer) => encodeChannelFrame(CHANNEL_FRAME.data, OWN_CHANNEL, bytes);
const HANDSHAKE_MS = 71_000;

describe('A net among hostile peers', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const failed = (net: Net) =>
    firstValueFrom(
      net.trace$.pipe(
        filter((step) => step.type === 'inbound-failed'),
        map(({ reason }) => reason),
      ),
    );

  /** Whatever has happened before, an honest peer still gets through. */
  async function expectWell(net: Net): Promise<void> {
    const honest = lab.net();
    const connection = await firstValueFrom(honest.connect$(await firstValueFrom(net.unl$)));
    const heard = firstValueFrom(net.lines$.pipe(filter(({ text }) => text === 'honest')));
    connection.send('honest');
    expect((await heard).connection.peerId).toBe(honest.peerId);
  }

  it('drops one that connects and says nothing', async () => {
    const patience = new HeldTimer(HANDSHAKE_MS);
    const net = lab.net({ timing: { handshakeMs: HANDSHAKE_MS } }, { ...systemRuntime, scheduler: patience.scheduler });
    await net.start();
    const reason = failed(net);
    const socket = await rawSocket(net);
    const closed = once(socket.resume(), 'close');
    await patience.end();
    expect(await reason).toContain('no TLS handshake within 71000 ms');
    await closed;
    await expectWell(net);
  });

  it('drops one that sends garbage instead of TLS', async () => {
    const net = lab.net();
    await net.start();
    const reason = failed(net);
    const socket = await rawSocket(net);
    const closed = once(socket.resume(), 'close');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    expect(await reason).toContain('TLS handshake failed');
    await closed;
    await expectWell(net);
  });

  it('drops one that hangs up in the middle of the handshake', async () => {
    const net = lab.net();
    await net.start();
    const reason = failed(net);
    (await rawSocket(net)).end(Buffer.from([0x16, 0x03, 0x01]));
    expect(await reason).toContain('closed the connection during the TLS handshake');
    await expectWell(net);
  });

  it('drops one that proves no key', async () => {
    const net = lab.net();
    const { address, port } = await endpointOf(net);
    const reason = failed(net);
    const stream = connectTls({ host: address, port, rejectUnauthorized: false, ALPNProtocols: ['rxp2p/2'] });
    stream.on('error', () => undefined);
    expect(await reason).toContain('Expected the peer to prove an Ed25519 key');
    await expectWell(net);
  });

  it('drops one that speaks another protocol', async () => {
    const net = lab.net();
    await net.start();
    const reason = failed(net);
    void RawPeer.to(net, createIdentity(), ['h2']).catch(() => undefined);
    expect(await reason).toMatch(/TLS handshake failed|speak rxp2p\/1/);
    await expectWell(net);
  });

  it('drops one that proves a key and then says nothing', async () => {
    const patience = new HeldTimer(HANDSHAKE_MS);
    const net = lab.net({ timing: { handshakeMs: HANDSHAKE_MS } }, { ...systemRuntime, scheduler: patience.scheduler });
    await net.start();
    const reason = failed(net);
    const peer = await RawPeer.to(net);
    // That of the TLS handshake.
    await patience.skip();
    await patience.end();
    expect(await reason).toContain('then said nothing');
    await peer.closed();
    await expectWell(net);
  });

  it('drops one whose first frame is no hello, or whose hello cannot be read', async () => {
    const net = lab.net();
    await net.start();
    for (const [type, payload] of [
      [FRAME.data, 'lines\n'],
      [FRAME.ping, 'ping'],
      [FRAME.hello, 'not json'],
      [FRAME.hello, '{"connection":7}'],
      [FRAME.hello, '{"connection":"short"}'],
      [77, ''],
      [FRAME.hello, 'x'.repeat(16_385)],
    ] as const) {
      const reason = failed(net);
      const peer = await RawPeer.to(net);
      peer.write(type, payload);
      expect(await reason).toMatch(/hello|frame/);
      await peer.closed();
    }
    expect((await firstValueFrom(net.status$)).slots.inbound.used).toBe(0);
    await expectWell(net);
  });

  it('closes one that breaks the rules later, and says why', async () => {
    const net = lab.net({ limits: { lineBytes: 100 } });
    const lines = lab.collect(net.lines$);
    const cases = [
      [FRAME.hello, encodeHello({ connection: 'B'.repeat(22) }), 'protocol'],
      [55, 'x', 'protocol'],
      [FRAME.data, ownData(Buffer.from([0x68, 0x69, 0xff, 0xfe, 0x0a])), 'protocol'],
      [FRAME.data, ownData(Buffer.from('x'.repeat(102))), 'line-too-long'],
    ] as const;
    for (const [type, payload, code] of cases) {
      const arriving = firstValueFrom(net.connections$);
      const peer = await RawPeer.greeting(net);
      const connection = await arriving;
      peer.say('well\n');
      peer.write(type, payload);
      const reason = await lastValueFrom(connection.closed$);
      expect([reason.code, reason.by]).toEqual([code, 'us']);
      expect(await peer.closed()).toBe(code);
    }
    expect(lines.map(({ text }) => text)).toEqual(cases.map(() => 'well'));
    await expectWell(net);
  });

  it('closes one that breaks the rules of channels, and says why', async () => {
    const net = lab.net({ limits: { channels: 10 } });
    lab.collect(net.channels$('taken'));
    const { data, open, window, end, reset } = CHANNEL_FRAME;
    const opening = encodeOpening({ name: 'taken', priority: 'normal' });
    const lies: readonly (readonly [reason: RegExp, frames: (theirs: number) => readonly Buffer[]])[] = [
      [/a channel's frame of a type up to 5, got 6/, () => [Buffer.from([6, 0, 0, 0, 0, 0, 0, 0])]],
      [/control of at most 1024 bytes, got 1025/, () => [encodeChannelHeader(window, 0, 1025)]],
      [/offset of 6 bytes, got 1 bytes/, () => [encodeChannelFrame(window, 0, Buffer.alloc(1))]],
      [/at most 65536 bytes on a channel, got 65537/, () => [encodeChannelFrame(data, 0, Buffer.alloc(65_537))]],
      [/data on an open channel, got some on 77/, () => [encodeChannelFrame(data, 77, Buffer.from('x'))]],
      [/end of an open channel, got that of 77/, () => [encodeChannelFrame(end, 77)]],
      [/end of an open channel, got that of 0/, () => [encodeChannelFrame(end, OWN_CHANNEL)]],
      [/own channel to end with it, got a reset/, () => [encodeChannelFrame(reset, OWN_CHANNEL)]],
      [/number of the peer's that is free, got 0/, () => [encodeChannelFrame(open, OWN_CHANNEL, opening)]],
      [/number of the peer's that is free/, (theirs) => [encodeChannelFrame(open, theirs + 1, opening)]],
      [/number of the peer's that is free/, (theirs) => [1, 2].map(() => encodeChannelFrame(open, theirs, opening))],
      [/a priority from 0 to 2 and a name/, (theirs) => [encodeChannelFrame(open, theirs)]],
      [/a priority from 0 to 2 and a name/, (theirs) => [encodeChannelFrame(open, theirs, Buffer.from([3]))]],
      [/at most 256 bytes of UTF-8/, (theirs) => [encodeChannelFrame(open, theirs, Buffer.alloc(258, 1))]],
      [/at most 256 bytes of UTF-8/, (theirs) => [encodeChannelFrame(open, theirs, Buffer.from([1, 0xff]))]],
      [
        /data on an open channel/,
        (theirs) => [
          encodeChannelFrame(open, theirs, opening),
          encodeChannelFrame(end, theirs),
          encodeChannelFrame(data, theirs, Buffer.from('x')),
        ],
      ],
      [
        /at most 10 channels at a time/,
        (theirs) => Array.from({ length: 300 }, (_, i) => encodeChannelFrame(open, theirs + 2 * i, opening)),
      ],
    ];
    for (const [words, frames] of lies) {
      const arriving = firstValueFrom(net.connections$);
      const identity = createIdentity();
      const peer = await RawPeer.greeting(net, identity);
      const connection = await arriving;
      // The side with the greater key is controlling, and opens channels of even numbers.
      const theirs = isGreater(identity.peerId, net.peerId) ? 1_002 : 1_001;
      for (const frame of frames(theirs)) peer.write(FRAME.data, frame);
      const reason = await lastValueFrom(connection.closed$);
      expect([reason.code, reason.by]).toEqual(['protocol', 'us']);
      expect(reason.message).toMatch(words);
      expect(await peer.closed()).toBe('protocol');
    }
    await expectWell(net);
  });

  it('closes one that lies about what travels where, and says why', async () => {
    const net = lab.net();
    const stranger = formatUnl(unlOf());
    const cases: readonly (readonly [type: number, payload: Uint8Array | string, reason: RegExp])[] = [
      [FRAME.ack, encodeOffset(1_000), /Expected an acknowledgement of up to \d+, got 1000/],
      [FRAME.ack, encodeOffset(2 ** 48 - 1), /Expected an acknowledgement of up to/],
      [FRAME.ack, 'x', /Expected an offset of 6 bytes, got 1 bytes/],
      [FRAME.resume, encodeOffset(1_000), /Expected to be asked for bytes up to \d+, got 1000/],
      [FRAME.resume, '', /Expected an offset of 6 bytes, got 0 bytes/],
      [FRAME.at, 'garbage', /Expected an `at` of 10 bytes, got 7 bytes/],
      [FRAME.at, '', /Expected an `at` of 10 bytes, got 0 bytes/],
      [FRAME.locator, 'garbage', /UNL/],
      [FRAME.locator, stranger, /Expected the peer's own locator, got another/],
    ];
    for (const [type, payload, message] of cases) {
      const arriving = firstValueFrom(net.connections$);
      const peer = await RawPeer.greeting(net);
      const connection = await arriving;
      connection.send('well');
      peer.write(type, payload);
      const reason = await lastValueFrom(connection.closed$);
      expect([reason.code, reason.by]).toEqual(['protocol', 'us']);
      expect(reason.message).toMatch(message);
      expect(await peer.closed()).toBe('protocol');
    }
    await expectWell(net);
  });

  it('closes one that sends data and does not say where they begin', async () => {
    const net = lab.net();
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.to(net);
    peer.write(FRAME.hello, encodeHello({ connection: 'A'.repeat(22) }));
    const connection = await arriving;
    const lines = lab.collect(connection.lines$);
    peer.say('anywhere\n');
    const reason = await lastValueFrom(connection.closed$);
    expect([reason.code, reason.message]).toEqual(['protocol', 'Expected to be told where data begin, got data']);
    expect(await peer.closed()).toBe('protocol');
    expect(lines).toEqual([]);
    await expectWell(net);
  });

  it('does not wait for ever for data that begin where none can: it asks once, and the line ends with the peer', async () => {
    const net = lab.net();
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    const lines = lab.collect(connection.lines$);
    const asked = new Promise<void>((resolve) => {
      peer.stream.on('data', () => {
        if (peer.frames.some(({ type }) => type === FRAME.resume)) resolve();
      });
    });
    peer.write(FRAME.at, encodeAt({ choice: 1, offset: 1_000_000 }));
    peer.say('from nowhere\n');
    await asked;
    peer.write(FRAME.at, encodeAt({ choice: 2, offset: 0 }));
    const heard = firstValueFrom(connection.lines$);
    peer.say('from the beginning\n');
    expect(await heard).toBe('from the beginning');
    expect(lines).toEqual(['from the beginning']);
    await expectWell(net);
  });

  it('holds few links of one that opens ever more for a connection, and goes on', async () => {
    const net = lab.net();
    const identity = createIdentity();
    const hello = encodeHello({ connection: 'A'.repeat(22), received: 0 });
    const arriving = firstValueFrom(net.connections$);
    const first = await RawPeer.to(net, identity);
    first.write(FRAME.hello, encodeHello({ connection: 'A'.repeat(22) }));
    first.write(FRAME.at, encodeAt({ choice: 0, offset: 0 }));
    const connection = await arriving;
    const others = await Promise.all(Array.from({ length: 20 }, () => RawPeer.to(net, identity)));
    const open = () => others.filter(({ stream }) => !stream.destroyed && !stream.readableEnded).length;
    const few = new Promise<void>((resolve) => {
      for (const { stream } of others) {
        stream.on('end', () => {
          if (open() <= 8) resolve();
        });
      }
    });
    for (const other of others) other.write(FRAME.hello, hello);
    await few;
    const heard = firstValueFrom(connection.lines$);
    first.say('still here\n');
    expect(await heard).toBe('still here');
    await expectWell(net);
    for (const other of others) other.stream.destroy();
  });

  it('skips frames that a later version may have added', async () => {
    const net = lab.net();
    const heard = firstValueFrom(net.lines$);
    const peer = await RawPeer.greeting(net);
    peer.write(200, 'from the future');
    peer.say('understood\n');
    expect((await heard).text).toBe('understood');
  });

  it('never takes half a line for a whole one when the peer breaks off in it', async () => {
    const net = lab.net();
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    const heard = lastValueFrom(connection.lines$.pipe(toArray()));
    peer.say('whole\nhal');
    const first = await firstValueFrom(connection.path$);
    expect(first.technique).toBe('direct');
    peer.stream.end();
    expect(await heard).toEqual(['whole']);
    expect((await lastValueFrom(connection.closed$)).code).toBe('lost');
    await expectWell(net);
  });

  it('notices one that hangs up without an end', async () => {
    const net = lab.net();
    const arriving = firstValueFrom(net.connections$);
    const { address, port } = await endpointOf(net);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    expect((await firstValueFrom(connection.path$)).local).toEqual({ address, port });
    peer.stream.destroy(new Error('gone'));
    expect((await lastValueFrom(connection.closed$)).code).toBe('lost');
    await expectWell(net);
  });

  it('notices one that disappears without a word', async () => {
    const net = lab.net({ timing: { heartbeatMs: 20, silenceMs: 70 } });
    const arriving = firstValueFrom(net.connections$);
    // It answers no heartbeat, as a machine without power does not.
    await RawPeer.greeting(net);
    const connection = await arriving;
    const reason = await lastValueFrom(connection.closed$);
    expect([reason.code, reason.by]).toEqual(['silent', 'peer']);
    expect((await firstValueFrom(net.status$)).slots.inbound.used).toBe(0);
    await expectWell(net);
  });

  it('notices that one is gone although nobody reads what it sent', async () => {
    const net = lab.net({ timing: { heartbeatMs: 20 } });
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    for (let index = 0; index < 10; index++) peer.say(`${'x'.repeat(5000)}\n`);
    // Nobody reads, so that its socket is paused when it is reset.
    peer.stream.destroy();
    expect((await lastValueFrom(connection.closed$)).code).toBe('lost');
    expect(connection.send('too late')).toBeFalse();
    expect((await firstValueFrom(net.status$)).slots.inbound.used).toBe(0);
  });

  it('is not kept busy by tiny frames', async () => {
    const net = lab.net();
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    const frame = encodeFrame(FRAME.data, encodeChannelFrame(CHANNEL_FRAME.data, OWN_CHANNEL, Buffer.from('a')));
    peer.stream.write(Buffer.concat(Array.from({ length: 20_000 }, () => frame)));
    peer.say('\n');
    expect((await firstValueFrom(connection.lines$)).length).toBe(20_000);
  });

  it('relays whatever line it was sent', async () => {
    const net = lab.net({ mode: 'p2p' });
    const heard = lab.collect(net.lines$.pipe(map(({ connection, text }) => net.broadcast(text, connection))));
    const last = firstValueFrom(net.lines$.pipe(filter(({ text }) => text === 'last')));
    const both = firstValueFrom(net.connections$.pipe(filter((_connection, index) => index === 1)));
    const peer = await RawPeer.greeting(net);
    const other = await RawPeer.greeting(net);
    await both;
    peer.say('x\r\r\n\r\r\n\u0000\n\u2028\r\r\r\nlast\n');
    await last;
    expect(heard).toEqual([1, 1, 1, 1, 1]);
    other.stream.destroy();
  });

  it('holds one connection to a peer that comes back twice at once, and nothing after its end', async () => {
    const net = lab.net();
    const identity = createIdentity();
    const before = await RawPeer.greeting(net, identity);
    await firstValueFrom(net.connections$);
    const next = firstValueFrom(net.connections$.pipe(filter((_connection, index) => index === 1)));
    const again = await Promise.all([RawPeer.greeting(net, identity), RawPeer.greeting(net, identity)]);
    await next;
    expect((await firstValueFrom(net.status$)).slots.inbound.used).toBe(1);
    const third = await RawPeer.greeting(net, identity);
    await net.close();
    await Promise.all([before, third, ...again].map((peer) => peer.closed()));
  });

  it('limits one that asks for answers without end and reads none', async () => {
    const net = lab.net({ limits: { sendHighWaterBytes: 10_000 } });
    const arriving = firstValueFrom(net.connections$);
    const peer = await RawPeer.greeting(net);
    const connection = await arriving;
    peer.stream.pause();
    const ping = Buffer.alloc(1000);
    for (let index = 0; index < 20_000; index++) peer.write(FRAME.ping, ping);
    await expectWell(net);
    connection.close();
    peer.stream.destroy();
    await lastValueFrom(connection.closed$);
  });

  it('does not let one address take all places for unproven sockets', async () => {
    const net = lab.net({ limits: { pendingInbound: 8 } });
    await net.start();
    const reason = failed(net);
    const sockets = await Promise.all([1, 2, 3].map(() => rawSocket(net)));
    expect(await reason).toBe('too many from this address have not proven a key yet');
    await expectWell(net);
    for (const socket of sockets) socket.destroy();
  });

  it('takes a peer back that has lost its side of the connection', async () => {
    const net = lab.net();
    const identity = createIdentity();
    const arriving = firstValueFrom(net.connections$.pipe(take(2), toArray()));
    const before = await RawPeer.greeting(net, identity);
    await firstValueFrom(net.connections$);
    // The old link stays open and mute, as after a power failure; no heartbeat is due yet.
    const again = await RawPeer.greeting(net, identity);
    const [first, second] = await arriving;
    if (first === undefined || second === undefined) throw new Error('Expected two connections');
    expect((await lastValueFrom(first.closed$)).code).toBe('replaced');
    const heard = firstValueFrom(second.lines$);
    again.say('back again\n');
    expect(await heard).toBe('back again');
    before.stream.destroy();
  });

  describe('when it dials', () => {
    const peerId = createIdentity().peerId;

    async function dialServer(onConnection: (socket: Socket) => void): Promise<ConnectError> {
      const server = createServer(onConnection).listen(0, newAddress());
      await once(server, 'listening');
      const { address, port } = addressOf(server);
      const unl = formatUnl({
        version: 3,
        peerId,
        nodeType: 'passive',
        natType: { type: 'open' },
        endpoints: [{ kind: 'wan', address, port }],
        rendezvous: [],
        mailboxes: [],
        dht: [],
        mqtt: [],
        extensions: [],
      });
      const error = await failureOf(lab.net({ timing: { handshakeMs: 100 } }).connect$(unl));
      server.close();
      if (!(error instanceof ConnectError)) throw error;
      return error;
    }

    it('gives up one that accepts and says nothing', async () => {
      const error = await dialServer((socket) => socket.resume());
      expect(error.message).toContain('did not finish the TLS handshake within 100 ms');
    });

    it('gives up one that answers with garbage', async () => {
      const error = await dialServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
      expect(error.attempts[0]?.error).toBeInstanceOf(ProtocolError);
    });

    it('gives up one that hangs up', async () => {
      const error = await dialServer((socket) => socket.destroy());
      expect(error.message).toMatch(/closed the connection|ECONNRESET/);
    });
  });
});
