import { Socket } from 'node:net';

/** How much is read at once, in bytes: as much as Node reads by itself. */
export const READ_BYTES = 64 * 1024;

/** Under which of its keys a socket keeps what it was told by `onread`. */
interface OnreadKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
}

/**
 * A buffer that all sockets read into. By itself Node reads each time into a new buffer of 64 KiB, which has to be made, collected, and
 * brought into the processor's cache: that costs a relay much of its throughput. A socket of `net.connect` can be told to read into one
 * buffer again and again, by its option `onread`; for one that a server has accepted there is no such option. So this does to it what Node
 * does to its own: where `onread` is kept is looked up in a socket that is never connected. On another platform, or a Node that does it in
 * another way, sockets read as they always do.
 *
 * Sockets can share the buffer because Node fills it only just before it hands over what is in it; otherwise they would get each other's
 * bytes. Of other platforms, of which Deno has `onread`, too, that is not known: it is not used there.
 */
export class ReusedBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #keys: OnreadKeys | undefined;

  /** @param versions those of the platform; specs give their own. */
  constructor(versions: Readonly<Record<string, string | undefined>> = process.versions) {
    const isNode = versions['deno'] === undefined && versions['bun'] === undefined;
    this.#keys = isNode ? keysOfOnread() : undefined;
  }

  /**
   * Has a socket read into the buffer from now on. What it has read before still comes as `data`; `pause`, `resume` and all other events
   * are as ever.
   *
   * @param read is called with the buffer, and how many bytes have come. They are there only until it returns.
   * @returns whether the socket does. If not, all that it reads comes as `data`.
   */
  readFrom(socket: Socket, read: (buffer: Buffer, length: number) => void): boolean {
    const keys = this.#keys;
    const handle: unknown = Reflect.get(socket, '_handle');
    // A TLS socket has a prototype of its own.
    const isPlain = Object.getPrototypeOf(socket) === Socket.prototype;
    if (keys === undefined || !isPlain || !(keys.buffer in socket) || !canUseBuffer(handle)) return false;
    try {
      handle.useUserBuffer(this.#buffer);
    } catch {
      return false;
    }
    Reflect.set(socket, keys.buffer, this.#buffer);
    // `false`: nothing more is read until the socket is resumed.
    Reflect.set(socket, keys.callback, (length: number) => {
      read(this.#buffer, length);
      return !socket.isPaused();
    });
    return true;
  }
}

function keysOfOnread(): OnreadKeys | undefined {
  const onread = { buffer: Buffer.alloc(1), callback: () => true };
  const options = { allowHalfOpen: true, onread };
  const socket = new Socket(options);
  const keyOf = (value: unknown) =>
    Object.getOwnPropertySymbols(socket).find((key) => Reflect.get(socket, key) === value);
  const [buffer, callback] = [keyOf(onread.buffer), keyOf(onread.callback)];
  return buffer && callback && { buffer, callback };
}

function canUseBuffer(handle: unknown): handle is { useUserBuffer(buffer: Buffer): void } {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'useUserBuffer' in handle &&
    typeof handle.useUserBuffer === 'function'
  );
}
