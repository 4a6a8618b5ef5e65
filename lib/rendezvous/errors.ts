import { formatServer, type ServerAddress } from '../endpoint.js';
import { RendezvousError } from '../errors.js';

/** What a server did, as an error. */
export function errorOf(server: ServerAddress, words: string, refusal?: string): RendezvousError {
  return new RendezvousError(nameOf(server) + words, refusal);
}

/** How each sentence about a server begins. */
export function nameOf(server: ServerAddress): string {
  return `The rendezvous server ${formatServer(server)} `;
}
