import type { KeyObject } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureSettings } from '../../lib/link/tls.js';
import { firstValueFrom, type Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import {
  type CloseReason,
  type Connection,
  createNet,
  type DialConfig,
  type Gateway,
  type Identity,
  type Link,
  type MulticastLink,
  type Net,
  type Room,
  type Outgoing,
  type PeerId,
  type Runtime,
  type ServerAddress,
  type UnlV3,
} from '../../lib/index.js';
import type { Lan } from '../../lib/lan/lan.js';
import type { Frame } from '../../lib/link/frames.js';
import type { NetworkLook } from '../../lib/link/network-looks.js';
import type { Occupant } from '../../lib/peers/slots.js';
import type { PunchPlan } from '../../lib/techniques/punch/plan.js';
import type { PortRequest } from '../../lib/port-mapping/mapper.js';
import type { Service } from '../../lib/port-mapping/upnp/igd.js';
import type { XmlElement } from '../../lib/port-mapping/upnp/xml.js';
import type { LookConfig } from '../../lib/reachability.js';
import type { Observation } from '../../lib/rendezvous/observe.js';
import type { SessionConfig } from '../../lib/rendezvous/session.js';
import type { CarriedParcel, KnownPeers } from '../../lib/signalling/opening.js';
import type { Trace } from '../../lib/trace.js';
import type { Neighbour } from '../../servers/mailbox/pyp2p/neighbours.js';
import { newAddress } from './nodes.js';

// The names that examples in comments and documents use without saying where they come from. Those with a value are there when an
// example runs; an example with one that is only declared is compiled and does not run.

// ─── Functions and types of other files ──────────────────────────────────────────────────────────────────────────────
export { appendFile, readFile } from 'node:fs/promises';
export type { Socket } from 'node:net';
export { networkInterfaces } from 'node:os';
export * as tls from 'node:tls';
export { Admission } from '../../lib/bounds/admission.js';
export { siteOf } from '../../lib/bounds/site.js';
export { resolveConfig } from '../../lib/config/resolve.js';
export { formatServer } from '../../lib/endpoint.js';
export { fetch$ } from '../../lib/http.js';
export type { Frame } from '../../lib/link/frames.js';
export { dial$ } from '../../lib/link/tcp.js';
export { secure$ } from '../../lib/link/tls.js';
export { classify } from '../../lib/nat/classify.js';
export { parsePcp } from '../../lib/port-mapping/pcp-messages.js';
export { systemRuntime } from '../../lib/runtime.js';

// ─── Two nodes on this machine ───────────────────────────────────────────────────────────────────────────────────────
const other = createNet({ mode: 'direct', bind: newAddress() });

/** A node. */
export const net: Net = createNet({ mode: 'direct', bind: newAddress() });

/** The locator of the other. */
export const unl: string = await firstValueFrom(other.unl$);

/** The connection between them. */
export const connection: Connection = await firstValueFrom(net.connect$(unl));

/** A room in which the node is. */
export const room: Room = await new Promise((resolve, reject) => {
  net.join$('prelude').subscribe({ next: resolve, error: reject });
});

/** Ends both nodes. */
export async function closePrelude(): Promise<void> {
  await Promise.all([net.close(200), other.close(200)]);
}

// ─── A peer, and what leads to it ────────────────────────────────────────────────────────────────────────────────────
export declare const address: string;
export declare const context: SecureSettings;
export declare const host: string;
export declare const identity: Identity;
export declare const inbound: readonly (Occupant & { readonly end: (reason: CloseReason) => void })[];
export declare const ipv4: DialConfig;
export declare const ipv6: DialConfig;
export declare const lan: Lan;
export declare const link$: Observable<Link>;
export declare const links$: Observable<readonly MulticastLink[]>;
export declare const network$: Observable<NetworkLook>;
export declare const nodeId: string;
export declare const openingKey: KeyObject;
export declare const outgoing$: Observable<Outgoing>;
export declare const own$: Observable<UnlV3>;
export declare const peerId: PeerId;
export declare const plan: PunchPlan;
export declare const punches: readonly Observable<Socket>[];
export declare const role: 'client' | 'server';
export declare const sealingKey: Uint8Array;
export declare const socket: Socket;
export declare const to: PeerId;
export declare const token: string;

// ─── Servers and gateways ────────────────────────────────────────────────────────────────────────────────────────────
export declare const config: SessionConfig;
export declare const gateway: Gateway;
export declare const localAddresses: readonly string[];
export declare const node: Neighbour;
export declare const observations: readonly Observable<
  { readonly order: number; readonly observation: Observation } | undefined
>[];
export declare const request: PortRequest;
export declare const rest: Omit<LookConfig, 'server' | 'port'>;
export declare const root: XmlElement;
export declare const server: ServerAddress;
export declare const servers: readonly ServerAddress[];
export declare const service: Service;
export declare const services: readonly unknown[];
export declare const types: readonly string[];
export declare const url: URL;

// ─── Bytes, messages, and what is done with them ─────────────────────────────────────────────────────────────────────
export declare const bytes: Buffer;
export declare const datagram: Buffer;
export declare const frame: Frame;
export declare const handle: (what: unknown) => void;
export declare const handshake$: (socket: Socket) => Observable<Socket>;
export declare const info: Uint8Array;
export declare const kept: Uint8Array[];
export declare const known: KnownPeers;
export declare const onGiveWay: (brought: CarriedParcel) => void;
export declare const open$: (brought: CarriedParcel) => Observable<unknown>;
export declare const parcels: readonly Observable<CarriedParcel>[];
export declare const refuse: () => void;
export declare const use: (what: unknown) => void;

// ─── Time and streams ────────────────────────────────────────────────────────────────────────────────────────────────
export declare const runtime: Runtime;
export declare const scheduler: SchedulerLike;
export declare const source$: Observable<number>;
export declare const stop$: Observable<unknown>;
export declare const subscriber: Subscriber<unknown>;
export declare const trace: Trace;
