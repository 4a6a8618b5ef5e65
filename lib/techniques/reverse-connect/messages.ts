import type { ReceivedSignal, Signal } from '../../signalling/signalling.js';
import { formatUnl, parseUnl } from '../../unl.js';
import type { UnlV3 } from '../../unl/types.js';
import { isId } from '../../validate.js';
import { oneLine } from '../../words.js';

// What two nodes say to each other, as signals:
//
//   dial-back          { attempt, unl }       dial me: this is where I am
//   dial-back-refusal  { attempt, reason }    no, or not possible
//   attempt-over       { attempt }            no more: see asks.ts
//
// The answer to the first is the link itself, whose hello names the attempt.

/** Writes the question. */
export function dialBackSignal(attempt: string, own: UnlV3): Signal {
  return { kind: 'dial-back', body: { attempt, unl: formatUnl(own) } };
}

/** What a peer asks for. */
export interface DialBack {
  readonly attempt: string;
  readonly unl: UnlV3;
}

/** Reads the question: `undefined` for any other signal, for one that is malformed, and for the locator of somebody else. */
export function readDialBack({ kind, body, from }: ReceivedSignal): DialBack | undefined {
  const { attempt, unl: text } = body;
  if (kind !== 'dial-back' || !isId(attempt) || typeof text !== 'string') return undefined;
  try {
    const unl = parseUnl(text);
    return unl.version === 3 && unl.peerId === from ? { attempt, unl } : undefined;
  } catch {
    return undefined;
  }
}

export function refusalSignal(attempt: string, reason: string): Signal {
  return { kind: 'dial-back-refusal', body: { attempt, reason } };
}

export function readRefusal({ kind, body }: Signal): { readonly attempt: string; readonly reason: string } | undefined {
  const { attempt, reason } = body;
  if (kind !== 'dial-back-refusal' || !isId(attempt) || typeof reason !== 'string') return undefined;
  return { attempt, reason: oneLine(reason) };
}
