/** A message of one process on its way to others. */
export interface Envelope {
  /** The process that has sent it. */
  readonly from: string;
  /** By which it recognises the confirmations; `undefined` when it wants none. */
  readonly id: string | undefined;
  readonly message: string;
}

/** How many listeners have been handed the message with an id. */
export interface Confirmation {
  readonly id: string;
  readonly listeners: number;
}

/** The longest message, in UTF-16 units: more than any line from a client. */
export const MESSAGE_MAX_LENGTH = 65_536;

/** So many confirmations travel together at most. */
export const CONFIRMATIONS_AT_ONCE = 1_000;

/** Writes what is published on a channel. Pure. */
export function formatEnvelope({ from, id, message }: Envelope): string {
  return `${from} ${id ?? '-'} ${message}`;
}

/** Reads what has come on a channel; `undefined` for what no process of ours has sent. Pure. */
export function parseEnvelope(text: string): Envelope | undefined {
  if (text.length > MESSAGE_MAX_LENGTH + 64) return undefined;
  const [, from, id, at] = /^([\w-]{22}) (-|[0-9a-z]{1,11}) ()/.exec(text) ?? [];
  if (from === undefined || id === undefined || at === undefined) return undefined;
  return { from, id: id === '-' ? undefined : id, message: text.slice(from.length + id.length + 2) };
}

/** Writes confirmations to the process that has sent the messages. Pure. */
export function formatConfirmations(confirmations: readonly Confirmation[]): string {
  return confirmations.map(({ id, listeners }) => `${id}:${listeners}`).join(' ');
}

/** Reads confirmations; those that are none are left out. Pure. */
export function parseConfirmations(text: string): readonly Confirmation[] {
  return text.split(' ', CONFIRMATIONS_AT_ONCE).flatMap((word) => {
    const [, id, listeners] = /^([0-9a-z]{1,11}):(\d{1,5})$/.exec(word) ?? [];
    return id === undefined ? [] : [{ id, listeners: Number(listeners) }];
  });
}
