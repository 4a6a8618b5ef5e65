import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadIdentity, type Identity } from '../../lib/identity.js';
import { parseJsonObject } from '../../lib/validate.js';

/** `docs/protocol/`, whose pages the vectors belong to. */
export const PROTOCOL_FOLDER = fileURLToPath(new URL('../../../docs/protocol/', import.meta.url));
const VECTORS_FOLDER = join(PROTOCOL_FOLDER, 'vectors');

/** One vector, as `docs/protocol/README.md` describes them. */
export type Vector = {
  readonly name: string;
} & (
  | { readonly codec: string; readonly wire: unknown; readonly value: unknown; readonly isOnlyRead: boolean }
  | { readonly codec: string; readonly wire: unknown; readonly refused: string }
  | { readonly compute: string; readonly given: Fields; readonly gives: unknown }
);

/** What a vector gives to something that is computed. */
export type Fields = Readonly<Record<string, unknown>>;

/** The names of all files of vectors. */
export function vectorFiles(): readonly string[] {
  return readdirSync(VECTORS_FOLDER);
}

/** Reads a file of vectors: the page that explains them, and the vectors. */
export function readVectors(file: string): { readonly page: string; readonly vectors: readonly Vector[] } {
  const { page, vectors } = fieldsOf(parseJsonObject(readFileSync(join(VECTORS_FOLDER, file), 'utf8')));
  return { page: textOf(page), vectors: listOf(vectors).map(vectorOf) };
}

function vectorOf(json: unknown): Vector {
  const { name, codec, wire, value, isOnlyRead = false, refused, compute, given, gives, ...others } = fieldsOf(json);
  if (Object.keys(others).length > 0) throw new Error(`Unknown fields in a vector: ${Object.keys(others).join(', ')}`);
  if (compute !== undefined) return { name: textOf(name), compute: textOf(compute), given: fieldsOf(given), gives };
  if (refused !== undefined) return { name: textOf(name), codec: textOf(codec), wire, refused: textOf(refused) };
  return { name: textOf(name), codec: textOf(codec), wire, value, isOnlyRead: isOnlyRead === true };
}

/** The identities of `keys.json`, by their names. */
export function identityNamed(name: unknown): Identity {
  const known = identities.get(textOf(name));
  if (known !== undefined) return known;
  const seed = readVectors('keys.json').vectors.find((vector) => vector.name === name && 'wire' in vector);
  if (seed === undefined || !('wire' in seed)) throw new Error(`No key is called ${String(name)}`);
  const identity = identityOfSeed(bytesOf(seed.wire));
  identities.set(textOf(name), identity);
  return identity;
}

const identities = new Map<string, Identity>();

/** The PKCS #8 of an Ed25519 key, but for its last 32 bytes (RFC 8410 §7). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The identity of an Ed25519 seed (RFC 8032 §5.1.5). */
export function identityOfSeed(seed: Buffer): Identity {
  const folder = mkdtempSync(join(tmpdir(), 'rxp2p-spec-'));
  try {
    const base64 = Buffer.concat([PKCS8, seed]).toString('base64');
    const path = join(folder, 'key');
    writeFileSync(path, `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
    return loadIdentity(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A value as JSON has it: bytes in hex digits, and nothing for what is undefined. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(known.map(([name, field]) => [name, toJson(field)]));
}

/** The object that a field of a vector is. */
export function fieldsOf(json: unknown): Fields {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error('Expected an object');
  return { ...json };
}

/** The list that a field of a vector is. */
export function listOf(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw new Error('Expected a list');
  return json.map((each: unknown) => each);
}

/** The text that a field of a vector is. */
export function textOf(json: unknown): string {
  if (typeof json !== 'string') throw new Error('Expected a text');
  return json;
}

/** The number that a field of a vector is. */
export function numberOf(json: unknown): number {
  if (typeof json !== 'number') throw new Error('Expected a number');
  return json;
}

/** The bytes that a field of a vector has in hex digits. */
export function bytesOf(json: unknown): Buffer {
  const text = textOf(json);
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new Error('Expected bytes in hex digits');
  return Buffer.from(text, 'hex');
}
