import { createHash } from 'node:crypto';
import { readPort } from '../endpoint.js';
import { nodeIdOf, peerIdToKey, SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from '../identity.js';
import { parseUnl, UNL_MAX_LENGTH } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import { decodeBase64Url, readTime } from '../validate.js';

// What a node says of itself in the TXT record of its service (RFC 6763 §6), and signs:
//
//   v=1
//   t=<when it was said, in milliseconds since the epoch: of two statements of a node the later one counts>
//   s=<the TCP port at which it takes signals>
//   u=<its locator; what does not fit goes on in u2 and u3>
//   r=<the topics under which it wants to be found: of each a mark of 16 bytes, in base64url one behind the other>
//   h=<its signature for these, base64url>
//   g=<its signature, base64url>
//
// A mark is the first half of the SHA-256 of `rxp2p lan topic 1 <t> ` and the topic: who knows the topic knows the mark, and nobody can tell by it
// what is the same as before. Signed is `rxp2p lan topics 1 <t> <r>`. Nodes that are older than topics ignore both.
//
// Signed otherwise is the text `rxp2p lan 1 <t> <s> <locator>`. The locator has the key that the signature is checked by.

/** The service of all nodes (RFC 6763 §4.1). */
export const SERVICE = '_rxp2p._tcp.local';

const VERSION = '1';

/** A string of a TXT record has 255 bytes at most (RFC 1035 §3.3.14), of which a few are the key. */
const PIECE_LENGTH = 250;

/** Marks of one to eight topics. */
const MARKS = /^(?:[A-Za-z0-9_-]{22}){1,8}$/;

const LOCATOR_KEYS = ['u', 'u2', 'u3'];

/** Topics of one statement: they fit into one string. */
export const MAX_LAN_TOPICS = 8;

const MARK_BYTES = 16;

/** The length of a mark in base64url. */
const MARK_LENGTH = 22;

/** The strings of a statement, and others that a later version may add. */
const MAX_TEXTS = 16;

/** The longest statement is half as long. */
const MAX_BYTES = 1_600;

/** What a node says of itself. */
export interface Statement {
  /** When it was said, by the node's clock, in milliseconds since the epoch. */
  readonly time: number;
  /** The TCP port at which the node takes signals. */
  readonly port: number;
  /** Its locator, as text. */
  readonly unl: string;
  /** The topics under which it wants to be found, each 32 bytes; of more than eight the last are said. Default: none. */
  readonly topics?: readonly Buffer[];
}

/** A statement as it was read, its signature not checked yet. */
export interface Claim extends Omit<Statement, 'topics'> {
  /** The marks of its topics, one behind the other; empty where there are none. */
  readonly marks: string;
  /** The signature for these. */
  readonly marksSignature: Buffer | undefined;
  readonly peerId: PeerId;
  /** The name of its service. */
  readonly instance: string;
  readonly locator: UnlV3;
  readonly signature: Buffer;
}

/** The name of a node's service (RFC 6763 §4.1): it follows from the key, so that no two have one. `undefined` for what is no peer id. */
export function instanceOf(peerId: PeerId): string | undefined {
  const key = peerIdToKey(peerId);
  return key === undefined ? undefined : `${nodeIdOf(key)}.${SERVICE}`;
}

/** The name of the host of a node: one for each node, which tells nothing of the machine. */
export function hostOf(instance: string): string {
  return `${instance.slice(0, instance.indexOf('.'))}.local`;
}

/** Writes a statement as the strings of a TXT record. */
export function signStatement(identity: Identity, statement: Statement): Buffer[] {
  const { time, port, unl } = statement;
  const pieces = LOCATOR_KEYS.map((key, index) => {
    const piece = unl.slice(index * PIECE_LENGTH, (index + 1) * PIECE_LENGTH);
    return piece === '' ? [] : [`${key}=${piece}`];
  });
  const signature = identity.sign(signedOf(statement)).toString('base64url');
  const marks = (statement.topics ?? [])
    .slice(-MAX_LAN_TOPICS)
    .map((topic) => markOf(time, topic))
    .join('');
  const topics =
    marks === '' ? [] : [`r=${marks}`, `h=${identity.sign(signedMarks(time, marks)).toString('base64url')}`];
  const texts = [`v=${VERSION}`, `t=${time}`, `s=${port}`, ...pieces.flat(), ...topics, `g=${signature}`];
  return texts.map((text) => Buffer.from(text));
}

/** Reads a statement: `undefined` for anything else. */
export function readStatement(texts: readonly Buffer[]): Claim | undefined {
  if (texts.length > MAX_TEXTS || texts.reduce((sum, { length }) => sum + length, 0) > MAX_BYTES) return undefined;
  const fields = fieldsIn(texts);
  const time = readTime(fields.get('t') ?? '');
  const port = readPort(fields.get('s') ?? '');
  const unl = LOCATOR_KEYS.map((key) => fields.get(key) ?? '').join('');
  const locator = locatorIn(unl);
  const signature = decodeBase64Url(fields.get('g') ?? '');
  if (fields.get('v') !== VERSION || time === undefined || port === undefined) return undefined;
  if (locator === undefined || signature?.length !== SIGNATURE_LENGTH) return undefined;
  const { peerId } = locator;
  const instance = instanceOf(peerId) ?? '';
  const marks = fields.get('r') ?? '';
  const marksSignature = decodeBase64Url(fields.get('h') ?? '');
  const areMarks = marks === '' || (MARKS.test(marks) && marksSignature?.length === SIGNATURE_LENGTH);
  if (!areMarks) return undefined;
  return { time, port, unl, peerId, instance, locator, signature, marks, marksSignature };
}

/** The mark of a topic in a statement of that time. */
export function markOf(time: number, topic: Buffer): string {
  const digest = createHash('sha256').update(`rxp2p lan topic 1 ${time} `).update(topic).digest();
  return digest.subarray(0, MARK_BYTES).toString('base64url');
}

/** Whether a node wants to be found under a topic. */
export function isUnder({ time, marks }: Pick<Claim, 'time' | 'marks'>, topic: Buffer): boolean {
  const mark = markOf(time, topic);
  for (let at = 0; at < marks.length; at += MARK_LENGTH) if (marks.startsWith(mark, at)) return true;
  return false;
}

/** Whether the node that a statement is of has signed it. */
export function isSigned(claim: Claim): boolean {
  const { peerId, time, marks, marksSignature, signature } = claim;
  if (!verifySignature(peerId, signedOf(claim), signature)) return false;
  if (marks === '') return true;
  return marksSignature !== undefined && verifySignature(peerId, signedMarks(time, marks), marksSignature);
}

function signedMarks(time: number, marks: string): Buffer {
  return Buffer.from(`rxp2p lan topics ${VERSION} ${time} ${marks}`);
}

function signedOf({ time, port, unl }: Omit<Statement, 'topics'>): Buffer {
  return Buffer.from(`rxp2p lan ${VERSION} ${time} ${port} ${unl}`);
}

/** Of a key that is there more than once the first counts (RFC 6763 §6.4). */
function fieldsIn(texts: readonly Buffer[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const text of texts.map((bytes) => bytes.toString('latin1'))) {
    const end = text.indexOf('=');
    const key = text.slice(0, end);
    if (end > 0 && !fields.has(key)) fields.set(key, text.slice(end + 1));
  }
  return fields;
}

function locatorIn(text: string): UnlV3 | undefined {
  if (text === '' || text.length > UNL_MAX_LENGTH) return undefined;
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? unl : undefined;
  } catch {
    return undefined;
  }
}
