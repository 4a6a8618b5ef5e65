// What of nat-pmp 1.0.0 is used here; it has no types of its own.
declare module 'nat-pmp' {
  import type { Socket } from 'node:dgram';
  import type { EventEmitter } from 'node:events';

  namespace natPmp {
    /** An answer; which of its fields are there depends on the question. */
    interface Answer {
      /** Seconds since the gateway lost its mappings. */
      readonly epoch: number;
      /** The bytes of the external address. */
      readonly ip?: readonly number[];
      /** The internal port. */
      readonly private?: number;
      /** The external port. */
      readonly public?: number;
      /** The lifetime, in seconds. */
      readonly ttl?: number;
    }

    type Callback = (error: (Error & { readonly code?: unknown }) | null, answer?: Answer) => void;

    class Client extends EventEmitter {
      constructor(gateway: string);
      readonly socket: Socket;
      /** Whether the socket is bound. */
      listening: boolean;
      /** Whether a question is on its way; the next one waits. */
      _reqActive: boolean;
      /** Sends the first question that waits. */
      _next(): void;
      /** Binds the socket: by default to port 5350, of which a machine has only one. */
      connect(): void;
      onlistening(): void;
      onmessage(message: Buffer, remote: { readonly address: string; readonly port: number }): void;
      externalIp(callback: Callback): void;
      portMapping(
        options: { readonly type: 'tcp'; readonly private: number; readonly public: number; readonly ttl: number },
        callback: Callback,
      ): void;
      close(): void;
    }
  }

  export = natPmp;
}
