import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  catchError,
  EMPTY,
  finalize,
  mergeMap,
  Observable,
  switchMap,
  takeUntil,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { Gathered } from '../bounds/gathered.js';
import { ownBytes } from '../bounds/own-bytes.js';
import { sharedRate } from '../bounds/shared-rate.js';
import type { Endpoint } from '../endpoint.js';
import { ProtocolError } from '../errors.js';
import { SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from '../identity.js';
import { reading } from '../link/reading.js';
import { endpointsOf, type Listener } from '../link/tcp.js';
import { headStart } from '../operators/head-start.js';
import { PARCEL_MAX_BYTES } from '../parcel.js';
import type { Runtime } from '../runtime.js';
import { siteOfNeighbour } from './neighbourhood.js';

// A signal on the local network, by a TCP connection of its own:
//
//   sender -> receiver   length u16 · parcel
//   receiver -> sender   signature 64, once it has dealt with the parcel: of `rxp2p lan receipt 1 ` and the parcel's SHA-256

const LENGTH_BYTES = 2;

const RECEIPT = Buffer.from('rxp2p lan receipt 1 ');

/** Connections with signals that are open at the same time: of all hosts, and of one. A signal may wait a second for one before it. */
const OPEN = { most: 256, mostOfSite: 64 };

/** Connections that are taken: of all hosts, of one (as many as signals of one sender are opened), and what each is assured of: a punch or two. */
const TAKEN = {
  all: { perSecond: 200, burst: 2_000 },
  ofSite: { perSecond: 20, burst: 400 },
  assured: { perSecond: 1, burst: 20 },
  maxSites: 1_000,
};

/** A connection lasts for so long at most, in milliseconds: a signal is dealt with within a second or two. */
const OPEN_MS = 10_000;

/** Between the starts of dials to several addresses of a node, in milliseconds. On a local network one answers at once. */
const STAGGER_MS = 100;

/** A sealed signal that came by the local network. */
export interface LanParcel {
  readonly bytes: Buffer;
  /** The address that it came from. */
  readonly seenAt: string;
  /** This node's address, to which it came. */
  readonly seenBy: string;
  /** Signs for it. */
  readonly acknowledge: () => void;
}

/** How signals are taken. */
interface ParcelsConfig {
  readonly listener: Listener;
  readonly identity: Identity;
  /** Whether a host with an address is on this network. Nobody else is listened to. */
  readonly isHere: (address: string) => boolean;
  readonly scheduler: SchedulerLike;
}

/** What comes from nodes of the local network. Never fails. */
export function parcels$({ listener, identity, isHere, scheduler }: ParcelsConfig): Observable<LanParcel> {
  const now = () => scheduler.now();
  const room = new Admission<Socket>(OPEN);
  const mayTake = sharedRate({ now, ...TAKEN });
  return listener.socket$.pipe(
    mergeMap((socket) => {
      const { remote, local } = endpointsOf(socket);
      const { address } = remote;
      const site = siteOfNeighbour(address);
      if (!isHere(address) || !mayTake(site)) {
        socket.destroy();
        return EMPTY;
      }
      const { isIn, gaveWay } = room.admit(site, socket);
      gaveWay?.destroy();
      if (!isIn) {
        socket.destroy();
        return EMPTY;
      }
      return parcelOf$(socket, { seenAt: address, seenBy: local.address }, identity).pipe(
        catchError(() => EMPTY),
        takeUntil(timer(OPEN_MS, scheduler)),
        finalize(() => room.leave(site, socket)),
      );
    }),
  );
}

/** Reads the parcel of a connection, and answers. Completes when it was acknowledged; fails when the connection is of no use. */
function parcelOf$(
  socket: Socket,
  seen: Pick<LanParcel, 'seenAt' | 'seenBy'>,
  identity: Identity,
): Observable<LanParcel> {
  return new Observable((subscriber) => {
    const gathered = new Gathered();
    let isWhole = false;
    let isAnswered = false;
    const stop = reading(socket, subscriber, (chunk) => {
      gathered.push(chunk);
      if (gathered.length < LENGTH_BYTES) return;
      const length = gathered.bytes.readUInt16BE(0);
      const missing = LENGTH_BYTES + length - gathered.length;
      if (isWhole || length === 0 || length > PARCEL_MAX_BYTES || missing < 0) {
        throw new ProtocolError('Expected one parcel');
      }
      if (missing > 0) return;
      isWhole = true;
      const bytes = ownBytes(gathered.bytes.subarray(LENGTH_BYTES));
      subscriber.next({
        bytes,
        ...seen,
        acknowledge: () => {
          if (subscriber.closed) return;
          isAnswered = true;
          socket.end(identity.sign(receiptOf(bytes)), () => {
            socket.destroy();
          });
          subscriber.complete();
        },
      });
    });
    return () => {
      stop();
      if (!isAnswered) socket.destroy();
    };
  });
}

/** Where a parcel goes. */
interface Destination {
  readonly peerId: PeerId;
  /** Addresses of the peer, best first. */
  readonly endpoints: readonly Endpoint[];
}

/** What sending needs of the node. */
interface SendConfig {
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress: string | undefined;
  readonly runtime: Pick<Runtime, 'dial$' | 'scheduler'>;
}

/**
 * Sends a parcel. Emits once whether the peer has signed for it, and completes.
 *
 * @throws AggregateError when the peer is reached at none of its addresses; ClosedError when the connection broke.
 */
export function sendParcel$(
  { peerId, endpoints }: Destination,
  parcel: Buffer,
  { localAddress, runtime: { dial$, scheduler } }: SendConfig,
): Observable<boolean> {
  const dials = endpoints.map(({ address, port }) => dial$({ host: address, port, localAddress }));
  return headStart(dials, STAGGER_MS, scheduler).pipe(switchMap((socket) => signed$(socket, peerId, parcel)));
}

function signed$(socket: Socket, peerId: PeerId, parcel: Buffer): Observable<boolean> {
  return new Observable((subscriber) => {
    const gathered = new Gathered();
    const stop = reading(socket, subscriber, (chunk) => {
      gathered.push(chunk);
      if (gathered.length < SIGNATURE_LENGTH) return;
      const isOne = gathered.length === SIGNATURE_LENGTH;
      subscriber.next(isOne && verifySignature(peerId, receiptOf(parcel), gathered.bytes));
      subscriber.complete();
    });
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(parcel.length);
    socket.write(Buffer.concat([length, parcel]));
    return () => {
      stop();
      socket.destroy();
    };
  });
}

/** What a receiver signs. */
export function receiptOf(parcel: Buffer): Buffer {
  return Buffer.concat([RECEIPT, createHash('sha256').update(parcel).digest()]);
}
