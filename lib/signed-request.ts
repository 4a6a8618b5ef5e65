// How a client proves its key in a request to a server's HTTP service: it signs a label, the host and port of the URL as in the Host
// header, and the exact text of the request, and sends `authorization: rxp2p-ed25519 SIGNATURE` (RFC 9110 §11.6.2). The label names the
// request's purpose, so that the signature is not valid for another purpose. The host makes it invalid at other servers, if they
// know their own names. The text contains the time by the client's clock, which must be within two minutes of the server's. A refusal
// tells the server's time, so that a client with a wrong clock can try again with that.
import { SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from './identity.js';
import { decodeBase64Url, isTime, parseJsonObject } from './validate.js';
import { oneLine } from './words.js';

/**
 * The clocks of two machines may differ by this much, in milliseconds. A request or a signal whose time is further off is refused, since
 * it may be a replay.
 */
export const CLOCK_TOLERANCE_MS = 120_000;

/** A server's refusal. */
export interface Refusal<Code extends string> {
  readonly refused: Code;
  readonly words: string;
  /** The server's time, or the earliest time that it would have accepted. */
  readonly now: number;
}

const SCHEME = 'rxp2p-ed25519 ';

/**
 * The Authorization header of a request.
 *
 * @param label what is asked for, such as `mailbox 1 put`.
 * @param host the Host header.
 * @param text what is signed of the request, such as its body.
 */
export function authorizationOf(identity: Identity, label: string, host: string, text: string): string {
  return SCHEME + identity.sign(signed(label, host, Buffer.from(text))).toString('base64url');
}

/** Whether the caller signed a request. Never throws. */
export function isSigned(
  caller: PeerId,
  label: string,
  host: string,
  bytes: Uint8Array,
  authorization: string | undefined,
): boolean {
  if (authorization?.startsWith(SCHEME) !== true) return false;
  const signature = decodeBase64Url(authorization.slice(SCHEME.length));
  return signature?.length === SIGNATURE_LENGTH && verifySignature(caller, signed(label, host, bytes), signature);
}

function signed(label: string, host: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`rxp2p ${label} ${host.toLowerCase()}\n`), bytes]);
}

/**
 * Reads a refusal: `undefined` for anything that is none.
 *
 * @param codes the codes that there are, whatever stands beside each.
 */
export function decodeRefusal<Code extends string>(
  text: string,
  codes: Readonly<Record<Code, unknown>>,
): Refusal<Code> | undefined {
  const { refused, words, now } = parseJsonObject(text) ?? {};
  const isCode = (value: unknown): value is Code => typeof value === 'string' && Object.hasOwn(codes, value);
  if (typeof words !== 'string' || !isTime(now) || !isCode(refused)) return undefined;
  return { refused, words: oneLine(words), now };
}

/**
 * What is below a server's URL, whether that ends in a slash or not; the URL's query and fragment are of no meaning.
 *
 * @example
 * urlBelow(new URL('https://example.org/p2p'), 'relay').href; // 'https://example.org/p2p/relay'
 */
export function urlBelow(server: URL, path: string): URL {
  const base = new URL(server);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return new URL(path, base);
}
