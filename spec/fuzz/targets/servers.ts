import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { firstValueFrom, type Subscription } from 'rxjs';
import { createIdentity, createNet, type Net } from '../../../lib/index.js';
import { WEB_SOCKET_PROTOCOL } from '../../../lib/rendezvous/messages.js';
import { authorize, encode } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { serve$, type Serving } from '../../../servers/index.js';
import { ASKED, SessionCaller } from '../../support/mailbox-session.js';
import { RawPeer } from '../../support/raw-peer.js';
import type { Chance } from '../chance.js';
import { chunksOf, expectThat, type Target } from '../target.js';
import { PUT, REQUESTS, SESSION_REQUESTS, TAKE } from './messages.js';
import { FRAMES } from './wire.js';

/** A server that has not answered by then does not, in milliseconds: everything is on this machine. */
const ANSWER_MS = 20_000;

/** So long an input is under way at most, in milliseconds. */
const INPUT_MS = 50;

/** Limits of what one site may do are not what is looked for: all of this comes from one address. */
const MUCH = 1e9;

const identity = createIdentity();

/** Sends bytes in chunks, hears what comes for a moment, and hangs up. */
async function sendTo(port: number, bytes: Buffer, chance: Chance): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  await opened(socket);
  socket.resume();
  for (const chunk of chunksOf(bytes, chance)) socket.write(chunk);
  if (chance.below(2) === 0) socket.end();
  // A server may reset what it drops.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, chance.below(INPUT_MS)))]);
  socket.destroy();
}

function opened(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
}

/** Says something and waits for an answer that has this in it. */
async function expectAnswer(port: number, request: string, expected: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  let answer = '';
  const heard = new Promise<boolean>((resolve) => {
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve(answer.includes(expected));
      });
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes(expected)) resolve(true);
    });
    setTimeout(resolve, ANSWER_MS, false).unref();
  });
  socket.write(request, 'latin1');
  const isServed = await heard;
  socket.destroy();
  expectThat(isServed, `Expected an honest client to be answered ${expected}`, answer);
}

function rendezvousTarget(port: number): Target {
  const session = Buffer.concat(REQUESTS.flatMap((line) => [line, Buffer.from('\r\n')]));
  return {
    name: 'the rendezvous server',
    reaches: ['servers/rendezvous', 'servers/lines', 'servers/store'],
    seeds: [...REQUESTS.map((line) => Buffer.concat([line, Buffer.from('\r\n')])), session],
    concurrent: 16,
    run: (input, chance) => sendTo(port, input, chance),
    check: () => expectAnswer(port, 'SOURCE TCP 4000\r\n', 'REMOTE TCP'),
  };
}

/** Bytes that begin as TLS does, at a port that tells it from plain lines. */
function tlsTarget(port: number): Target {
  // A hello as clients of TLS 1.3 send it, up to its random bytes.
  const hello = Buffer.concat([Buffer.from('16030100ff010000fb0303', 'hex'), Buffer.alloc(249, 7)]);
  return {
    name: 'TLS at the rendezvous server',
    reaches: ['servers/tls', 'servers/rendezvous/arrivals', 'servers/callers/first-bytes'],
    seeds: [
      hello,
      hello.subarray(0, 5),
      Buffer.from('PING\r\n'),
      Buffer.concat([Buffer.from([0x16]), Buffer.from('PING\r\n')]),
    ],
    concurrent: 16,
    run: (input, chance) => sendTo(port, input, chance),
    check: () => expectAnswer(port, 'SOURCE TCP 4000\r\n', 'REMOTE TCP'),
  };
}

/** Frames of a WebSocket that is open. */
function webSocketTarget(port: number): Target {
  const asked = [
    'GET /rendezvous HTTP/1.1',
    'Host: h',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `Sec-WebSocket-Protocol: ${WEB_SOCKET_PROTOCOL}`,
  ];
  const open = Buffer.from([...asked, '', ''].join('\r\n'));
  // A mask of zeros leaves the payload as it is.
  const frame = (opcode: number, payload: Buffer) =>
    Buffer.concat([
      Buffer.from([0x80 | opcode, 0x80 | Math.min(payload.length, 125), 0, 0, 0, 0]),
      payload.subarray(0, 125),
    ]);
  return {
    name: 'the rendezvous server by WebSocket',
    reaches: ['servers/rendezvous/web-socket'],
    seeds: [
      ...REQUESTS.map((line) => frame(1, line)),
      ...[0, 2, 8, 9, 10].map((opcode) => frame(opcode, Buffer.from('PING'))),
      Buffer.concat(REQUESTS.map((line) => frame(1, line))),
    ],
    concurrent: 16,
    run: (input, chance) => sendTo(port, chance.below(8) === 0 ? input : Buffer.concat([open, input]), chance),
    check: () => expectAnswer(port, Buffer.concat([open, frame(1, Buffer.from('PING'))]).toString('latin1'), 'PONG'),
  };
}

function httpTarget(port: number): Target {
  const host = `127.0.0.1:${port}`;
  const request = (line: string, headers: readonly string[] = [], body = '') =>
    Buffer.from(
      [line, `Host: ${host}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n'),
    );
  const post = (verb: 'put' | 'take', message: typeof PUT | typeof TAKE) => {
    const body = encode({
      ...message,
      ...(verb === 'put' ? { from: identity.peerId } : { owner: identity.peerId }),
      at: Date.now(),
    });
    return request(`POST /mailbox/${verb} HTTP/1.1`, [`Authorization: ${authorize(identity, verb, host, body)}`], body);
  };
  return {
    name: 'the HTTP server',
    reaches: ['servers/http', 'servers/mailbox', 'servers/relay', 'servers/reachability'],
    seeds: [
      request('GET /address HTTP/1.1'),
      request('GET /net.php?action=get_wan_ip HTTP/1.1'),
      request('GET /dht_msg.php?call=register&node_id=00112233445566778899aabbccddeeff00112233&password=p HTTP/1.1'),
      request(
        'GET /dht_msg.php?call=find_neighbours&node_id=00112233445566778899aabbccddeeff00112233&network_id=n HTTP/1.1',
      ),
      post('put', PUT),
      post('take', TAKE),
      Buffer.concat([post('take', TAKE), post('put', PUT)]),
      request('GET /relay HTTP/1.1', ['Connection: Upgrade', 'Upgrade: rxp2p-relay/1', 'rxp2p-relay: {}']),
      request('GET /reachable?port=1 HTTP/1.1'),
    ],
    concurrent: 16,
    run: (input, chance) => sendTo(port, input, chance),
    check: () => expectAnswer(port, `GET /address HTTP/1.1\r\nHost: ${host}\r\n\r\n`, '127.0.0.1'),
  };
}

/** Nodes that have proven a key to the mailbox, each new, and then say lines as they like. */
function mailboxTarget(port: number): Target {
  const line = (text: Buffer) => Buffer.concat([text, Buffer.from('\r\n')]);
  return {
    name: 'the mailbox by sessions',
    reaches: ['servers/mailbox', 'servers/lines'],
    seeds: [...SESSION_REQUESTS.map(line), Buffer.concat(SESSION_REQUESTS.map(line))],
    concurrent: 16,
    run: async (input, chance) => {
      const where = { host: '127.0.0.1', port };
      const { client } = await (chance.below(8) === 0 ? SessionCaller.begun(where) : SessionCaller.open(where));
      for (const chunk of chunksOf(input, chance)) client.socket.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, chance.below(INPUT_MS)));
      client.socket.destroy();
    },
    check: () => expectAnswer(port, [...ASKED, ''].join('\r\n'), 'NONCE'),
  };
}

/** Peers that have proven a key, each new, and then speak frames as they like. */
function nodeTarget(net: Net): Target {
  return {
    name: 'a node',
    reaches: ['lib/peers/inbound', 'lib/peers/peers', 'lib/link/tls'],
    seeds: [...FRAMES, Buffer.concat(FRAMES.slice(0, 4)), Buffer.concat(FRAMES), Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    concurrent: 4,
    run: async (input, chance) => {
      const peer = chance.below(8) === 0 ? await RawPeer.to(net) : await RawPeer.greeting(net);
      for (const chunk of chunksOf(input, chance)) peer.stream.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, chance.below(INPUT_MS)));
      peer.stream.destroy();
    },
    check: async () => {
      const honest = createNet({ ...LONE, bind: '127.0.0.1' });
      const connection = await firstValueFrom(honest.connect$(await firstValueFrom(net.unl$)));
      await firstValueFrom(connection.path$);
      await honest.close();
    },
    close: () => net.close(),
  };
}

/** Any datagrams at all, to the port of a node of the DHT. */
function dhtTarget(port: number, recorded: readonly Buffer[]): Target {
  const socket = createSocket('udp4').unref();
  socket.on('error', () => undefined);
  return {
    name: 'a node of the DHT',
    reaches: ['lib/dht', 'servers/dht'],
    seeds: recorded,
    run: (input) =>
      new Promise<void>((resolve) => {
        socket.send(input.subarray(0, 1_400), port, '127.0.0.1', () => {
          resolve();
        });
      }),
    close: () => {
      socket.close();
    },
  };
}

/** What a node says to the node by which it joins a DHT, recorded on its way. */
async function recordDatagrams(port: number): Promise<Buffer[]> {
  const seen: Buffer[] = [];
  const [inner, outer] = [createSocket('udp4'), createSocket('udp4')];
  inner.bind(0, '127.0.0.1');
  outer.bind(0, '127.0.0.1');
  await Promise.all([once(inner, 'listening'), once(outer, 'listening')]);
  let caller: { readonly address: string; readonly port: number } | undefined;
  outer.on('message', (datagram, from) => {
    caller = from;
    if (seen.length < RECORDED) seen.push(datagram);
    inner.send(datagram, port, '127.0.0.1');
  });
  inner.on('message', (datagram) => {
    if (caller !== undefined) outer.send(datagram, caller.port, caller.address);
  });
  const net = createNet({ ...LONE, bind: '127.0.0.1', dht: [`127.0.0.1:${outer.address().port}`] });
  await net.start();
  await hasRecorded(outer, seen);
  await net.close(0);
  inner.close();
  outer.close();
  return seen;
}

async function hasRecorded(socket: UdpSocket, seen: readonly Buffer[]): Promise<void> {
  while (seen.length < FEW_RECORDED) await once(socket, 'message');
}

/** Datagrams that are kept; by the first few a node has joined. */
const RECORDED = 64;
const FEW_RECORDED = 4;

const LONE = { mode: 'direct', portMapping: false, reachability: false } as const;

/** Real servers and a real node on loopback, and what is sent to their ports. */
export async function serverTargets(): Promise<readonly Target[]> {
  let running: Subscription | undefined;
  const serving = await new Promise<Serving>((resolve, reject) => {
    const much = { connectionsPerHost: MUCH, connections: MUCH };
    running = serve$({
      bind: '127.0.0.1',
      port: 0,
      httpPort: 0,
      dhtPort: 0,
      identity,
      limits: { ...much, linesPerSecond: MUCH, lineBurst: MUCH },
      httpLimits: much,
      mailboxLimits: { requestsPerSecond: MUCH, requestBurst: MUCH, linesPerSecond: MUCH, lineBurst: MUCH },
    }).subscribe({ next: resolve, error: reject });
  });
  const portOf = (name: string) => serving.endpoints.find((each) => each.name === name)?.local.port ?? 0;
  const net = createNet({ ...LONE, bind: '127.0.0.1', slots: { inbound: 10_000 } });
  await net.start();
  return [
    { ...rendezvousTarget(portOf('rendezvous')), close: () => running?.unsubscribe() },
    tlsTarget(portOf('rendezvous')),
    webSocketTarget(portOf('http')),
    httpTarget(portOf('http')),
    mailboxTarget(portOf('http')),
    nodeTarget(net),
    dhtTarget(portOf('dht'), await recordDatagrams(portOf('dht'))),
  ];
}
