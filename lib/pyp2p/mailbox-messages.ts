import { decode, encode } from '@msgpack/msgpack';
import { formatUnl, parseUnl } from '../unl.js';
import type { UnlV2 } from './wire/unl-version-2.js';

// The messages that PyP2P's nodes put into each other's mailboxes to ask the other side to dial. Each is a text, encoded as MessagePack
// and then as hex digits:
//
//   REVERSE_CONNECT:unl:nonce   dial me, and send this nonce first
//   REVERSE_QUERY:unl           I have dialled you: was it you who asked for it?
//   REVERSE_ORIGIN:unl          yes, it was
//
// The UNL is the sender's, of version 2; the nonce 64 hex digits.

/** A message of PyP2P's reverse connect. */
export type ReverseMessage =
  | { readonly verb: 'REVERSE_CONNECT'; readonly unl: UnlV2; readonly nonce: string }
  | { readonly verb: 'REVERSE_QUERY' | 'REVERSE_ORIGIN'; readonly unl: UnlV2 };

/** The longest text that is read, in characters; the longest of the messages has 133. */
export const TEXT_MAX_LENGTH = 1_024;

/** MessagePack puts at most three bytes before a text, and these texts are ASCII. */
const HEX_MAX_LENGTH = 2 * (TEXT_MAX_LENGTH + 3);

/** Allows only texts, and the bytes that Python 2 makes of a text. Anything else that could be large is refused before it is decoded. */
const ONLY_TEXTS = {
  maxStrLength: TEXT_MAX_LENGTH,
  maxBinLength: TEXT_MAX_LENGTH,
  maxArrayLength: 0,
  maxMapLength: 0,
  maxExtLength: 0,
} as const;

/** Encodes a text: MessagePack, then hex digits. */
export function encodeText(text: string): string {
  return Buffer.from(encode(text)).toString('hex');
}

/**
 * Decodes a text: `undefined` if it is not hex, not MessagePack, not a text, not printable ASCII, or longer than
 * {@link TEXT_MAX_LENGTH}.
 */
export function decodeText(hex: string): string | undefined {
  if (hex.length > HEX_MAX_LENGTH || !/^(?:[0-9a-f]{2})+$/i.test(hex)) return undefined;
  let value: unknown;
  try {
    value = decode(Buffer.from(hex, 'hex'), ONLY_TEXTS);
  } catch {
    return undefined;
  }
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  return typeof text === 'string' && /^[\x20-\x7e]*$/.test(text) ? text : undefined;
}

/** Writes a message as text. */
export function formatReverse(message: ReverseMessage): string {
  const { verb, unl } = message;
  const text = `${verb}:${formatUnl(unl)}`;
  return message.verb === 'REVERSE_CONNECT' ? `${text}:${message.nonce}` : text;
}

/** Parses a message: `undefined` for any other text, since PyP2P's applications use mailboxes, too. */
export function parseReverse(text: string): ReverseMessage | undefined {
  const [verb, unlText = '', nonce, ...rest] = text.split(':');
  const unl = unlOf(unlText);
  if (unl === undefined || rest.length > 0) return undefined;
  if (verb === 'REVERSE_CONNECT') {
    return nonce !== undefined && /^[0-9a-f]{64}$/i.test(nonce) ? { verb, unl, nonce } : undefined;
  }
  const isAnswer = verb === 'REVERSE_QUERY' || verb === 'REVERSE_ORIGIN';
  return isAnswer && nonce === undefined ? { verb, unl } : undefined;
}

function unlOf(text: string): UnlV2 | undefined {
  try {
    const unl = parseUnl(text);
    return unl.version === 2 ? unl : undefined;
  } catch {
    return undefined;
  }
}
