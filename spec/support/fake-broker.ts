import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { generate, parser, type Packet } from 'mqtt-packet';
import type { Lab } from './nodes.js';

/** A client of a broker that a spec plays. */
export interface FakeClient {
  readonly socket: Socket;
  readonly send: (packet: Packet) => void;
}

/** A broker that does whatever a spec wants, by MQTT 5. */
export interface FakeBroker {
  readonly url: string;
  /** What clients have sent, in order. */
  readonly packets: Packet[];
  /** How many connections there have been. */
  readonly connections: () => number;
}

/** What a broker does with a packet. What it returns nothing for is answered as brokers do. */
export type Behaviour = (packet: Packet, client: FakeClient) => 'done' | undefined;

/** Starts a broker that behaves like others but for what a spec has it do. It ends with the spec. */
export async function startFakeBroker(lab: Lab, behave: Behaviour = () => undefined): Promise<FakeBroker> {
  const packets: Packet[] = [];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    const client: FakeClient = {
      socket,
      send: (packet) => {
        if (socket.writable) socket.write(generate(packet, { protocolVersion: 5 }));
      },
    };
    const reader = parser({ protocolVersion: 5 });
    reader.on('packet', (packet) => {
      packets.push(packet);
      if (behave(packet, client) !== 'done') answer(packet, client);
    });
    reader.on('error', () => socket.destroy());
    socket.on('data', (chunk) => reader.parse(chunk));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onClose(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Expected a port');
  return { url: `mqtt://127.0.0.1:${address.port}`, packets, connections: () => connections };
}

function answer(packet: Packet, { send, socket }: FakeClient): void {
  switch (packet.cmd) {
    case 'connect':
      send({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
      return;
    case 'subscribe':
      send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: packet.subscriptions.map(() => 1) });
      return;
    case 'publish':
      if (packet.qos > 0) send({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: 0 });
      return;
    case 'pingreq':
      send({ cmd: 'pingresp' });
      return;
    case 'disconnect':
      socket.end();
      return;
    default:
      return;
  }
}
