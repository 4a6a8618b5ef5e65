/** Loads what speaks UPnP: with its XML it is a large part of the library, and many nodes have no use for it. */
export function loadUpnp() {
  return import('./upnp.js');
}
