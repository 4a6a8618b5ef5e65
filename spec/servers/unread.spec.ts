import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { VirtualTimeScheduler } from 'rxjs';
import { DEFAULT_UNREAD_LIMITS, Unread, type Unreading, type UnreadLimits } from '../../servers/unread.js';
import { addressOf, Lab } from '../support/nodes.js';

const MIB = 1024 * 1024;

/** More than the kernel has room for, in bytes. */
const MORE_THAN_FITS = 16 * MIB;

describe('What waits for clients that do not read', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  /** A client that does not read, and the server's end of its connection. */
  async function connection(): Promise<{ readonly client: Socket; readonly socket: Socket }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const arriving = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect({ port: addressOf(server).port, host: '127.0.0.1' });
    const socket = await arriving;
    sockets.push(
      client.on('error', () => undefined),
      socket.on('error', () => undefined),
    );
    return { client, socket };
  }

  function unreadOf(limits: Partial<UnreadLimits> = {}): {
    readonly unread: Unread;
    readonly pass: (ms: number) => void;
  } {
    const scheduler = new VirtualTimeScheduler();
    const unread = new Unread(
      { ...DEFAULT_UNREAD_LIMITS, unreadBytes: 2 * MORE_THAN_FITS, unreadBytesPerHost: 4 * MORE_THAN_FITS, ...limits },
      scheduler,
    );
    lab.onClose(() => {
      unread.close();
    });
    const pass = (ms: number) => {
      scheduler.maxFrames = scheduler.now() + ms;
      scheduler.flush();
      scheduler.frame = scheduler.maxFrames;
    };
    return { unread, pass };
  }

  /** Has what waits for a client looked at, until its socket is closed. */
  function looking(unread: Unread, socket: Socket, site = 'a', waiting = () => socket.writableLength): () => void {
    const client: Unreading = {
      socket,
      site,
      get waiting() {
        return waiting();
      },
      drop: () => socket.destroy(),
    };
    socket.once('close', () => {
      unread.forget(client);
    });
    return () => {
      unread.look(client);
    };
  }

  it('is dropped with the client that takes none of it for too long', async () => {
    const { socket } = await connection();
    const { unread, pass } = unreadOf();
    const look = looking(unread, socket);
    // Less than the system takes in one piece once its buffers are full.
    while (socket.write(Buffer.alloc(64 * 1024))) look();
    look();
    pass(DEFAULT_UNREAD_LIMITS.unreadMs - 1);
    expect(socket.destroyed).toBeFalse();
    pass(DEFAULT_UNREAD_LIMITS.unreadMs);
    expect(socket.destroyed).toBeTrue();
  });

  it('has time in proportion to what the system was handed in one piece', async () => {
    const { socket } = await connection();
    const { unread, pass } = unreadOf();
    const look = looking(unread, socket);
    socket.write(Buffer.alloc(MORE_THAN_FITS));
    look();
    const pieces = MORE_THAN_FITS / (64 * 1024);
    pass((pieces - 1) * DEFAULT_UNREAD_LIMITS.unreadMs);
    expect(socket.destroyed).toBeFalse();
    pass(2 * DEFAULT_UNREAD_LIMITS.unreadMs);
    expect(socket.destroyed).toBeTrue();
  });

  it('stays for a client that reads, and is forgotten when all has been read', async () => {
    const { client, socket } = await connection();
    const { unread, pass } = unreadOf();
    const look = looking(unread, socket);
    socket.write(Buffer.alloc(MORE_THAN_FITS));
    look();
    client.resume();
    await once(socket, 'drain');
    pass(1_000 * DEFAULT_UNREAD_LIMITS.unreadMs);
    expect(socket.destroyed).toBeFalse();
  });

  it('is dropped with the client for which too much waits, of one, of a site, and of all', async () => {
    const [one, other, third] = [await connection(), await connection(), await connection()];
    const { unread } = unreadOf({ unreadBytes: 100 * MIB, unreadBytesPerHost: 100 * MIB, unreadBytesInAll: 200 * MIB });
    const waits = ({ socket }: { readonly socket: Socket }, site: string) => {
      let bytes = 0;
      const look = looking(unread, socket, site, () => bytes);
      return (next: number) => {
        bytes = next * MIB;
        look();
      };
    };
    const [setOne, setOther, setThird] = [waits(one, 'a'), waits(other, 'a'), waits(third, 'b')];
    const dropped = () => [one, other, third].map(({ socket }) => socket.destroyed);
    setThird(90);
    setOne(60);
    expect(dropped()).toEqual([false, false, false]);
    setOther(50);
    expect(dropped()).withContext('the largest of the site').toEqual([true, false, false]);
    setThird(101);
    expect(dropped()).withContext('one with too much').toEqual([true, false, true]);
  });
});
