// What of nat-upnp 1.1.1 is used here; it has no types of its own.
declare module 'nat-upnp' {
  import type { Socket } from 'node:dgram';
  import type { EventEmitter } from 'node:events';

  namespace natUpnp {
    /** Discovery (SSDP): one socket on each address of this machine. */
    interface Ssdp {
      /** Where searches are sent. */
      multicast: string;
      readonly sockets: Socket[];
      /** Sends a search; the result emits `device` with the headers of each answer to it. */
      search(target: string): EventEmitter;
      createSocket(address: { readonly family: 'IPv4' | 'IPv6'; readonly address: string }): Socket;
      parseResponse(text: string, localAddress: string, remote: { readonly address: string }): void;
    }

    /** A device by its description. */
    interface Device {
      _getXml: (url: string, callback: (error: Error | null, description?: unknown) => void) => void;
      getService(
        types: readonly string[],
        callback: (error: Error | null, service?: { readonly service: unknown; readonly controlURL: unknown }) => void,
      ): void;
    }
  }

  const natUpnp: {
    readonly ssdp: { create(): natUpnp.Ssdp };
    readonly device: { create(descriptionUrl: string): natUpnp.Device };
  };
  export = natUpnp;
}
