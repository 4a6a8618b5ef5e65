// What of nat-upnp 1.1.1 is used here; it has no types of its own.
declare module 'nat-upnp' {
  import type { Socket } from 'node:dgram';
  import type { EventEmitter } from 'node:events';

  namespace natUpnp {
    /** Discovery (SSDP): one socket on each address of this machine. Emits `_device` with the headers of each answer. */
    interface Ssdp extends EventEmitter {
      /** Where searches are sent. */
      multicast: string;
      readonly sockets: Socket[];
      /** Whether searches are sent at once, rather than when all sockets are bound. */
      _bound: boolean;
      /** Sends a search, and listens for answers to it until the result emits `end`. */
      search(target: string): EventEmitter;
      createSocket(address: { readonly family: 'IPv4' | 'IPv6'; readonly address: string }): Socket;
      parseResponse(text: string, localAddress: string, remote: { readonly address: string }): void;
    }

    /** A device by its description. */
    interface Device {
      /** The services in a description, of whichever of its devices, in their order. */
      parseDescription(root: unknown): { readonly services: readonly unknown[] };
    }
  }

  const natUpnp: {
    readonly ssdp: { create(): natUpnp.Ssdp };
    readonly device: { create(descriptionUrl: string): natUpnp.Device };
  };
  export = natUpnp;
}
