import { formatRendezvous, type RendezvousAddress } from '../rendezvous-name.js';
import { RendezvousError } from '../errors.js';

/** What a server did, as an error. */
export function errorOf(server: RendezvousAddress, words: string, refusal?: string): RendezvousError {
  return new RendezvousError(nameOf(server) + words, refusal);
}

/** A proxy before a server does not tell it from which port it is asked. */
export function unseenError(): RendezvousError {
  return new RendezvousError('A proxy before the server does not tell it the port of this node');
}

/** How each sentence about a server begins. */
export function nameOf(server: RendezvousAddress): string {
  return `The rendezvous server ${formatRendezvous(server)} `;
}
