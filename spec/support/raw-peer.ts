import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createIdentity, type Identity, type Net } from '../../lib/index.js';
import { CHANNEL_FRAME, encodeChannelFrame, OWN_CHANNEL } from '../../lib/connection/channels/frames.js';
import { encodeAt, encodeFrame, FRAME, FrameDecoder, type Frame } from '../../lib/link/frames.js';
import { decodeEnd, encodeHello } from '../../lib/link/handshake.js';
import { secureContextOf } from '../../lib/link/tls.js';
import { filter, firstValueFrom } from 'rxjs';

/** Where a net listens. */
export async function endpointOf(net: Net): Promise<{ readonly address: string; readonly port: number }> {
  await net.start();
  const { local } = await firstValueFrom(net.status$.pipe(filter(({ state }) => state === 'running')));
  if (local === undefined) throw new Error('Expected the net to listen');
  return local;
}

/** A TCP connection to a net, with no manners. */
export async function rawSocket(net: Net): Promise<Socket> {
  const { address, port } = await endpointOf(net);
  const socket = connectTcp({ host: address, port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** A peer that can prove a key and speak frames, but keeps to no rule. */
export class RawPeer {
  readonly frames: Frame[] = [];
  readonly #decoder = new FrameDecoder();

  constructor(readonly stream: TLSSocket) {
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => this.frames.push(...this.#decoder.push(chunk)));
  }

  /** Connects to a net and proves a key. */
  static async to(net: Net, identity: Identity = createIdentity(), protocols = ['rxp2p/2']): Promise<RawPeer> {
    const socket = await rawSocket(net);
    const stream = connectTls({
      socket,
      secureContext: secureContextOf(identity)(),
      rejectUnauthorized: false,
      ALPNProtocols: protocols,
    });
    const peer = new RawPeer(stream);
    await once(stream, 'secureConnect');
    return peer;
  }

  /** The same, and says hello. */
  static async greeting(net: Net, identity?: Identity): Promise<RawPeer> {
    const peer = await RawPeer.to(net, identity);
    peer.write(FRAME.hello, encodeHello({ connection: randomBytes(16).toString('base64url') }));
    peer.write(FRAME.at, encodeAt({ choice: 0, offset: 0 }));
    return peer;
  }

  write(type: number, payload: Uint8Array | string): void {
    this.stream.write(encodeFrame(type, typeof payload === 'string' ? Buffer.from(payload) : payload));
  }

  /** Sends bytes on the connection's own channel. */
  say(bytes: Uint8Array | string): void {
    const payload = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.write(FRAME.data, encodeChannelFrame(CHANNEL_FRAME.data, OWN_CHANNEL, payload));
  }

  /** Waits until the net has closed the link; returns the code it gave, if any. */
  async closed(): Promise<string | undefined> {
    if (!this.stream.closed) await once(this.stream, 'close');
    const end = this.frames.find(({ type }) => type === FRAME.end);
    return end && decodeEnd(end.payload).code;
  }
}
