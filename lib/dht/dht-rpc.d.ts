// What of dht-rpc 6 is used here; it has no types of its own.
declare module 'dht-rpc' {
  import type { EventEmitter } from 'node:events';

  namespace DHT {
    /** An IPv4 address with a UDP port. */
    interface Address {
      readonly host: string;
      readonly port: number;
    }

    /** A node of which the address fits its id; `id` is null for one that is no part of the DHT. */
    interface From extends Address {
      readonly id: Buffer | null;
    }

    /** A UDP socket. */
    interface Socket {
      address(): Address;
    }

    interface Options {
      readonly bootstrap: readonly Address[];
      /** The address to bind to. */
      readonly host: string;
      readonly port: number;
      /** Whether to take another port when the port is taken. */
      readonly anyPort: boolean;
      /** `false`: others can reach this node, there is no need to find out. */
      readonly firewalled?: boolean;
      /** `false`: is part of the DHT at once. `true`: never. Left out: once it has been found reachable and stable. */
      readonly ephemeral?: boolean;
      /** Tells which addresses may be nodes. */
      readonly filterNode: (node: Address) => boolean;
    }

    interface Reply {
      readonly from: From;
      /** Where the other side sees this node. */
      readonly to: Address;
      readonly token: Buffer | null;
      readonly closerNodes: readonly Address[] | null;
      readonly error: number;
      readonly value: Buffer | null;
    }

    /** A request that came in. */
    interface Request {
      readonly from: From;
      readonly to: Address;
      /** Null, or one that was checked: whoever sent it gets what is sent to its host. */
      readonly token: Buffer | null;
      readonly command: number;
      readonly target: Buffer | null;
      readonly value: Buffer | null;
      readonly socket: Socket;
      reply(value: Buffer, options: { readonly token: boolean; readonly closerNodes: boolean }): void;
      error(code: number, options: { readonly token: boolean; readonly closerNodes: boolean }): void;
    }

    /** Requests that can be taken back together. */
    interface Session {
      destroy(): void;
    }

    interface Question {
      readonly command: number;
      readonly token?: Buffer | null;
      readonly target?: Buffer | null;
      readonly value: Buffer;
    }

    interface RequestOptions {
      readonly session: Session;
      readonly retry: boolean;
      /** The socket to send from; otherwise it chooses. */
      readonly socket?: Socket;
    }
  }

  class DHT extends EventEmitter {
    constructor(options: DHT.Options);
    readonly id: Buffer | null;
    readonly ephemeral: boolean;
    /** Where others see this node: null and 0 where they do not agree. */
    readonly host: string | null;
    readonly port: number;
    readonly table: { closest(target: Buffer, count: number): readonly (DHT.Address & { readonly id: Buffer })[] };
    /** What {@link DHT.bootstrapper} tells its own address to. */
    readonly _nat: { add(host: string, port: number): void };
    /** Has this node find out whether it may be part of the DHT, and be it. Never fails. */
    _updateNetworkState(): Promise<boolean>;
    readonly io: { readonly serverSocket: DHT.Socket };
    bind(): Promise<void>;
    fullyBootstrapped(): Promise<void>;
    request(question: DHT.Question, to: DHT.Address, options: DHT.RequestOptions): Promise<DHT.Reply>;
    session(): DHT.Session;
    destroy(): Promise<void>;
  }

  export = DHT;
}

declare module 'dht-rpc/lib/peer.js' {
  const peer: {
    /** The id of the node at an address: its BLAKE2b-256. */
    id(host: string, port: number): Buffer;
  };
  export = peer;
}
