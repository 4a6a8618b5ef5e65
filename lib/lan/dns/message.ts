// Messages of the DNS (RFC 1035 §4), as far as multicast DNS needs them here (RFC 6762 §18): questions, and records of five types. Records of
// other types are skipped. Pure.

/** A message of multicast DNS is no longer, in bytes (RFC 6762 §17). */
export const MESSAGE_MAX_BYTES = 9_000;

/** The longest label of a name, in bytes (RFC 1035 §2.3.4). */
export const LABEL_MAX_BYTES = 63;

/** The top bits of a pointer: a name goes on at the rest of it (RFC 1035 §4.1.4). */
export const POINTER = 0xc000;

/** The class of everything (RFC 1035 §3.2.4). */
export const IN = 1;

/** The types of records (RFC 1035 §3.2.2, RFC 2782, RFC 3596). */
export const TYPE = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

/** What is asked for. */
export interface Question {
  /** In small letters. */
  readonly name: string;
  /** One of {@link TYPE}, or another. */
  readonly type: number;
}

/** A record: what it is of, and for how many seconds it holds. */
export type DnsRecord = {
  /** In small letters. */
  readonly name: string;
  readonly ttl: number;
} & (
  | { readonly type: 'PTR'; readonly target: string }
  | { readonly type: 'SRV'; readonly port: number; readonly target: string }
  | { readonly type: 'TXT'; readonly texts: readonly Buffer[] }
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
);

/** A message. */
export interface DnsMessage {
  /** Zero, but in questions of ordinary resolvers and the answers to them (RFC 6762 §6.7). */
  readonly id: number;
  readonly isResponse: boolean;
  readonly questions: readonly Question[];
  /** The answers; in a question those that are known already (RFC 6762 §7.1). */
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}
