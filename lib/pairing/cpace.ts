import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { UnavailableError } from '../errors.js';

// CPace of draft-irtf-cfrg-cpace-21, a balanced PAKE, in its suite CPACE-RISTR255-SHA512 and its initiator-responder setting: from a short
// code two nodes get a key that nobody else learns. Who does not know the code can try one code a run, and learns whether it was right.

/** What both sides have to know before. */
export interface CpaceInputs {
  /** The code (`PRS` of the draft). A secret. */
  readonly code: Uint8Array;
  /** What the run is about, and between whom, as far as both know (`CI`). */
  readonly channel: Uint8Array;
  /** An id of this run that both know, new each time (`sid`). */
  readonly session: Uint8Array;
}

/** The one message of each side. */
export interface CpaceMessage {
  /** A point, 32 bytes (`Ya` or `Yb`). */
  readonly share: Uint8Array;
  /** What the side says of itself: not secret, but the same at both or there is no key (`ADa` or `ADb`). */
  readonly data: Uint8Array;
}

/** What a run has led to, if the other side knows the code, too: see {@link CpaceResult.isConfirmedBy}. */
export interface CpaceResult {
  /** A key, 64 bytes (`ISK`). A secret: to be used through a key derivation. */
  readonly key: Buffer;
  /** Proves to the other side that this one has the key. */
  readonly confirmation: Buffer;
  /** Whether the other side has the key: it has sent its confirmation. */
  isConfirmedBy(confirmation: Uint8Array): boolean;
}

const DSI = Buffer.from('CPaceRistretto255');
const DSI_OF_KEY = Buffer.from('CPaceRistretto255_ISK');
const DSI_OF_MAC = Buffer.from('CPaceMac');

/** The input block of SHA-512, in bytes (`H.s_in_bytes`). */
const BLOCK_BYTES = 128;

/** The length of an encoded point, and of a scalar. */
const POINT_BYTES = 32;

type Point = InstanceType<typeof ristretto255.Point>;

/** One run of CPace, of one side. It can be finished once: its secret number must not be used again. */
export class Cpace {
  /** What to send to the other side. */
  readonly message: CpaceMessage;
  readonly #isInitiator: boolean;
  readonly #session: Uint8Array;
  #scalar: bigint | undefined;

  /**
   * @param role which side it is: both have to agree on that.
   * @param data what this side says of itself.
   * @param random gives so many random bytes.
   */
  constructor(
    role: 'initiator' | 'responder',
    inputs: CpaceInputs,
    data: Uint8Array,
    random: (bytes: number) => Uint8Array = randomBytes,
  ) {
    this.#isInitiator = role === 'initiator';
    this.#session = inputs.session;
    this.#scalar = sampleScalar(random);
    this.message = { share: generatorOf(inputs).multiply(this.#scalar).toBytes(), data };
  }

  /**
   * Takes the message of the other side.
   *
   * @returns the key; `undefined` when the message has no point of the group, or the neutral one: somebody cheats.
   * @throws UnavailableError at a second call.
   */
  finish(theirs: CpaceMessage): CpaceResult | undefined {
    const scalar = this.#scalar;
    if (scalar === undefined) throw new UnavailableError('Expected a run of CPace to be finished once only');
    this.#scalar = undefined;
    const shared = multiplied(scalar, theirs.share);
    if (shared === undefined) return undefined;
    const ours = this.message;
    const [first, second] = this.#isInitiator ? [ours, theirs] : [theirs, ours];
    const key = sha512(joined(DSI_OF_KEY, this.#session, shared), transcript(first), transcript(second));
    const macKey = sha512(DSI_OF_MAC, this.#session, key);
    const tagOf = (message: CpaceMessage) => createHmac('sha512', macKey).update(transcript(message)).digest();
    const expected = tagOf(theirs);
    return {
      key,
      confirmation: tagOf(ours),
      isConfirmedBy: (confirmation) =>
        confirmation.length === expected.length && timingSafeEqual(confirmation, expected),
    };
  }
}

/**
 * The text of which the generator is made (`generator_string` of the draft, section 7.1): the code fills the first block of the hash, so
 * that the time to hash it tells nothing.
 */
export function generatorString({ code, channel, session }: CpaceInputs): Buffer {
  const length = Math.max(0, BLOCK_BYTES - 1 - withLength(code).length - withLength(DSI).length);
  return joined(DSI, code, Buffer.alloc(length), channel, session);
}

/** The generator of a run (`calculate_generator`, section 8.3), by the element derivation of RFC 9496 §4.3.4. */
export function generatorOf(inputs: CpaceInputs): Point {
  const generator = ristretto255_hasher.deriveToCurve?.(sha512(generatorString(inputs)));
  if (generator === undefined) throw new UnavailableError('Expected @noble/curves to derive elements of ristretto255');
  return generator;
}

/** A point of the other side times a scalar (`scalar_mult_vfy`): `undefined` where the draft has the neutral element. */
export function multiplied(scalar: bigint, encoded: Uint8Array): Uint8Array | undefined {
  const point = decoded(encoded);
  return point === undefined || point.is0() ? undefined : point.multiply(scalar).toBytes();
}

function decoded(encoded: Uint8Array): Point | undefined {
  try {
    return ristretto255.Point.fromBytes(encoded);
  } catch {
    return undefined;
  }
}

/** As section 8.3 recommends: 252 random bits. That they are all 0 has a chance of 2⁻²⁵²; it would be no secret. */
function sampleScalar(random: (bytes: number) => Uint8Array): bigint {
  for (;;) {
    const bytes = Buffer.from(random(POINT_BYTES));
    bytes.writeUInt8(bytes.readUInt8(POINT_BYTES - 1) & 0x0f, POINT_BYTES - 1);
    const scalar = BigInt(`0x${bytes.reverse().toString('hex')}`);
    if (scalar > 0n) return scalar;
  }
}

/** What a side has sent (half of `transcript_ir`). */
function transcript({ share, data }: CpaceMessage): Buffer {
  return joined(share, data);
}

/** Texts, each with its length (`lv_cat`): no two lists of texts give the same. */
function joined(...texts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(texts.map(withLength));
}

/** A text behind its length in LEB128 (`prepend_len`). */
export function withLength(text: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = text.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Uint8Array.of(...length, rest), text]);
}

function sha512(...texts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha512');
  for (const text of texts) hash.update(text);
  return hash.digest();
}
