import { formatRendezvous, type RendezvousAddress } from '../rendezvous-name.js';
import { RendezvousError } from '../errors.js';
import { formatStun } from '../stun/name.js';

/** A rendezvous server, or one that is asked by STUN. */
export interface NamedServer extends RendezvousAddress {
  readonly isStun?: boolean | undefined;
  readonly isSecure?: boolean | undefined;
}

/** What a server did, as an error. */
export function errorOf(server: NamedServer, words: string, refusal?: string): RendezvousError {
  return new RendezvousError(nameOf(server) + words, refusal);
}

/** A proxy before a server does not tell it from which port it is asked. */
export function unseenError(): RendezvousError {
  return new RendezvousError('A proxy before the server does not tell it the port of this node');
}

/** How each sentence about a server begins. */
export function nameOf(server: NamedServer): string {
  if (server.isStun === true) return `The STUN server ${formatStun(server)} `;
  return `The rendezvous server ${formatRendezvous(server)} `;
}

/** The refusal of a session that was replaced. */
export const REPLACED = 'replaced';

/** A newer session with the same key took over. */
export class ReplacedError extends RendezvousError {
  /** @param by the challenge by which that session began, where the server tells it. */
  constructor(
    message: string,
    readonly by: string | undefined,
  ) {
    super(message, REPLACED);
  }
}
