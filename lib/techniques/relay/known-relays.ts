import { formatServer, serverOf } from '../../endpoint.js';
import type { UnlV3 } from '../../unl/types.js';
import { MAX_RELAYS, MAX_URL_LENGTH } from './messages.js';
import { readUrl } from '../../validate.js';

/** A relay that this node knows. */
export interface Relay {
  /** Its URL, by which this node goes there. */
  readonly url: URL;
  /** Where this node is connected to the same server, with the relay's port: `address:port`. */
  readonly at: readonly string[];
  /** What the server calls itself, where it has told. */
  readonly id: string | undefined;
  /** The rendezvous servers on the same host, as locators name them: `host:port`. */
  readonly meetings: readonly string[];
  /** To the server and back, in milliseconds, where that is known. */
  readonly roundTripMs: number | undefined;
}

/** The relays that are known by now. */
export interface KnownRelays {
  readonly relays: readonly Relay[];
  /** Whether the list is probably complete: every server has answered, is down, or has had enough time. */
  readonly isWhole: boolean;
}

/** The relays to name, best first: those named in the peer's locator before others; among each, the nearest first. */
export function bestFor(peer: UnlV3, relays: readonly Relay[]): readonly Relay[] {
  const distance = ({ roundTripMs }: Relay) => roundTripMs ?? Infinity;
  return relays
    .filter(({ url }) => url.href.length <= MAX_URL_LENGTH)
    .map((known) => ({ known, isNamed: isNamedBy(peer, known) }))
    .toSorted((a, b) => {
      if (a.isNamed !== b.isNamed) return a.isNamed ? -1 : 1;
      return distance(a.known) === distance(b.known) ? 0 : distance(a.known) - distance(b.known);
    })
    .slice(0, MAX_RELAYS)
    .map(({ known }) => known);
}

/** Whether a locator names the server of a relay, so that the peer knows it, too. */
export function isNamedBy({ rendezvous, mailboxes, dht }: UnlV3, { url, at, meetings }: Relay): boolean {
  const named = new Set([
    ...[...rendezvous, ...dht].map((server) => formatServer(server).toLowerCase()),
    ...mailboxes.flatMap((text) => readUrl(text) ?? []).map((each) => formatServer(serverOf(each))),
  ]);
  return [formatServer(serverOf(url)), ...at, ...meetings].some((name) => named.has(name.toLowerCase()));
}
