import DHT from 'dht-rpc';
import peer from 'dht-rpc/lib/peer.js';
import { Observable } from 'rxjs';
import { COMMAND, encodeAnswer, STATUS, VERSION } from '../../lib/dht/messages.js';
import type { Endpoint, ServerAddress } from '../../lib/endpoint.js';

/** Addresses that are tried to find some that are close to any target: of each 256 one begins with the same byte. */
const MINED = 20_000;

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
      const decoys = mine();
      Object.assign(dht.table, { closest: (target: Buffer) => wrongNodes(target, decoys, accomplices) });
    });
    began.catch((error: unknown) => {
      subscriber.error(error);
    });
    return () => {
      dht.destroy().catch(() => undefined);
    };
  });
}

interface Named {
  readonly host: string;
  readonly port: number;
  readonly id: Buffer;
}

/** Nodes that are not there, close to a target, and a few that are. */
function wrongNodes(
  target: Buffer,
  decoys: ReadonlyMap<number, readonly Named[]>,
  accomplices: readonly Endpoint[],
): Named[] {
  const known = accomplices.slice(-NAMED / 2).map(({ address, port }) => named(address, port));
  const close = decoys.get(target[0] ?? 0) ?? [];
  const from = Math.floor(Math.random() * Math.max(1, close.length - NAMED));
  return [...known, ...close.slice(from)].slice(0, NAMED);
}

/** Addresses at which there is nobody, by the first byte of the ids that they have. */
function mine(): ReadonlyMap<number, readonly Named[]> {
  const nodes = Array.from({ length: MINED }, (_, index) => {
    const host = `127.250.${(index >> 8) & 0xff}.${index & 0xff}`;
    return named(host, 1024 + Math.floor(Math.random() * 60_000));
  });
  return grouped(nodes);
}

function named(host: string, port: number): Named {
  return { host, port, id: Buffer.from(peer.id(host, port)) };
}

function grouped(nodes: readonly Named[]): ReadonlyMap<number, readonly Named[]> {
  const groups = new Map<number, Named[]>();
  for (const node of nodes) {
    const [first = 0] = node.id;
    const group = groups.get(first) ?? [];
    groups.set(first, group);
    group.push(node);
  }
  return groups;
}
