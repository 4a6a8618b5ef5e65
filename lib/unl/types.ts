import type { Endpoint, ServerAddress } from '../endpoint.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { PeerId } from '../identity.js';
import type { UnlV2 } from '../pyp2p/wire/unl-version-2.js';

/**
 * What others can do to reach a node, in PyP2P's words. `passive`: dial it. `simultaneous`: open TCP simultaneously with
 * it, since its NAT's mappings can be predicted. `active`: neither; it has to dial out.
 */
export type NodeType = 'passive' | 'simultaneous' | 'active';

/**
 * How a node's NAT maps ports, in PyP2P's words; RFC 4787 §4.1 and RFC 5382 §4 have the terms in brackets.
 * `open`: there is none. `preserving`: the external port is the internal one (port preservation). `reuse`: one external
 * port for all destinations (endpoint-independent mapping). `delta`: each mapping's port is `delta` above the last
 * (address and port-dependent, sequential). `random`: no rule can be seen (address and port-dependent, random).
 */
export type NatType =
  | {
      /** Which of them. */
      readonly type: 'unknown' | 'open' | 'preserving' | 'reuse' | 'random';
    }
  | {
      /** Sequential. */
      readonly type: 'delta';
      /** −32768 to 32767 and not 0. */
      readonly delta: number;
    };

/**
 * An endpoint of a node. `lan`: one of its own interfaces. `wan`: its public address, as servers saw it. `mapped`: a port
 * that its router forwards to it.
 */
export interface UnlEndpoint extends Endpoint {
  /** Where it leads. */
  readonly kind: 'lan' | 'wan' | 'mapped';
}

/** A field of a newer version that this program keeps but does not understand. */
export interface UnlExtension {
  /** 128 to 255. */
  readonly tag: number;
  /** At most 255 bytes in base64url. */
  readonly value: string;
}

/** A locator of version 3. */
export interface UnlV3 {
  /** Tells the two kinds of locators apart. */
  readonly version: 3;
  /** The node's key, which it proves to whoever connects. */
  readonly peerId: PeerId;
  /** What others can do to reach it. */
  readonly nodeType: NodeType;
  /** How its NAT maps ports. */
  readonly natType: NatType;
  /** In the order in which the node prefers them. */
  readonly endpoints: readonly UnlEndpoint[];
  /** The rendezvous servers where the node can be sent messages while it is there. */
  readonly rendezvous: readonly RendezvousAddress[];
  /** The mailbox servers that keep messages for it: URLs. */
  readonly mailboxes: readonly string[];
  /** Nodes by which one joins the distributed hash table where it can be sent messages. */
  readonly dht: readonly ServerAddress[];
  /** The MQTT brokers where it can be sent messages: URLs without names and passwords. Its topic follows from its key. */
  readonly mqtt: readonly string[];
  /** Fields of newer versions, which are kept as they are. */
  readonly extensions: readonly UnlExtension[];
}

/** A Universal Node Locator: all that is needed to reach a node. */
export type Unl = UnlV2 | UnlV3;
