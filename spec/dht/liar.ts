import DHT from 'dht-rpc';
import peer from 'dht-rpc/lib/peer.js';
import { Observable } from 'rxjs';
import { COMMAND, encodeAnswer, STATUS, VERSION } from '../../lib/dht/messages.js';
import type { Endpoint, ServerAddress } from '../../lib/endpoint.js';

/** Addresses that are tried to find some that are close to a target. */
const MINED = 100;

/** Nodes that are named in an answer. */
const NAMED = 20;

/**
 * A node that works against the others, for as long as it is subscribed to: to whoever looks for nodes it names some that are not there and seem closer
 * than any, and its accomplices; it agrees to whatever it is asked for, or even claims that the receiver has it, and drops it. Emits where it is.
 */
export function liar$(
  bind: string,
  bootstrap: readonly ServerAddress[],
  accomplices: readonly Endpoint[] = [],
): Observable<Endpoint> {
  return new Observable((subscriber) => {
    const dht = new DHT({
      bootstrap,
      host: bind,
      port: 0,
      anyPort: false,
      ephemeral: false,
      firewalled: false,
      filterNode: () => true,
    });
    const addressOf = () => dht.io.serverSocket.address();
    dht.on('request', (request: DHT.Request) => {
      const say = (value: Buffer) => {
        request.reply(value, { token: true, closerNodes: true });
      };
      if (request.command === COMMAND.find) say(VERSION);
      else if (request.command === COMMAND.announce) say(encodeAnswer({ status: STATUS.ok, receipt: undefined }));
      else if (request.command === COMMAND.store) {
        const claims = Math.random() < 0.5;
        say(
          encodeAnswer(
            claims
              ? { status: STATUS.delivered, receipt: Buffer.alloc(64, 1) }
              : { status: STATUS.ok, receipt: undefined },
          ),
        );
      }
    });
    const began = dht.bind().then(async () => {
      dht._nat.add(bind, addressOf().port);
      await dht._updateNetworkState();
      subscriber.next({ address: bind, port: addressOf().port });
      // First the others have to know it.
      await dht.fullyBootstrapped();
      Object.assign(dht.table, { closest: (target: Buffer) => wrongNodes(target, accomplices) });
    });
    began.catch((error: unknown) => {
      subscriber.error(error);
    });
    return () => {
      dht.destroy().catch(() => undefined);
    };
  });
}

/** Nodes that are not there, close to a target, and a few that are. */
function wrongNodes(target: Buffer, accomplices: readonly Endpoint[]): { host: string; port: number; id: Buffer }[] {
  const mined = Array.from({ length: MINED }, (_, index) => {
    const [host, port] = [
      `127.250.${index}.${1 + Math.floor(Math.random() * 250)}`,
      1024 + Math.floor(Math.random() * 60_000),
    ];
    return { host, port, id: Buffer.from(peer.id(host, port)) };
  });
  const known = accomplices.map(({ address: host, port }) => ({ host, port, id: Buffer.from(peer.id(host, port)) }));
  const distance = (id: Buffer) => Buffer.from(id.map((byte, index) => byte ^ (target[index] ?? 0)));
  const closest = mined.sort((a, b) => Buffer.compare(distance(a.id), distance(b.id)));
  return [...known.slice(0, NAMED / 2), ...closest].slice(0, NAMED);
}
