import type { OwnPunchSide, PunchSide } from './plan.js';
import { MAX_PREDICTIONS } from '../../nat/predict.js';
import { isPort } from '../../endpoint.js';
import type { Signal } from '../../signalling/signalling.js';
import type { NatType } from '../../unl/types.js';
import { isId } from '../../validate.js';
import { oneLine } from '../../words.js';

// What two nodes say to each other before they open TCP simultaneously, as signals:
//
//   punch-ask     { attempt, round, side, roundTripMs, mayGuess }     let us punch: this is me
//   punch-answer  { attempt, round, side }                  agreed, and this is me; I send when you get this
//   punch-answer  { attempt, round, refusal }               no

/** One node asks another to punch. */
export interface PunchAsk {
  /** Names the attempt, for the answers to it. */
  readonly attempt: string;
  /** 0 for the first. */
  readonly round: number;
  readonly side: PunchSide;
  /** Between the asking node and the server that carries its signals, in milliseconds. */
  readonly roundTripMs: number;
  /** Whether the other node may guess its ports from its last observation; not after a wrong guess. */
  readonly mayGuess: boolean;
}

/** The other agrees, or says why not. */
export type PunchAnswer = {
  readonly attempt: string;
  readonly round: number;
} & ({ readonly side: PunchSide } | { readonly refusal: string });

/** Longer round trips are reduced to this, so that a peer cannot make this node wait. */
const MAX_ROUND_TRIP_MS = 2_000;

const MAX_ROUND = 99;

/** Writes an ask. */
export function askSignal({ attempt, round, side, roundTripMs, mayGuess }: PunchAsk): Signal {
  return { kind: 'punch-ask', body: { attempt, round, side: sideBody(side), roundTripMs, mayGuess } };
}

/** Writes an answer. */
export function answerSignal(answer: PunchAnswer): Signal {
  const { attempt, round } = answer;
  const rest = 'side' in answer ? { side: sideBody(answer.side) } : { refusal: answer.refusal };
  return { kind: 'punch-answer', body: { attempt, round, ...rest } };
}

/** Reads an ask: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readAsk({ kind, body }: Signal): PunchAsk | undefined {
  const { attempt, round, roundTripMs, mayGuess } = body;
  const side = readSide(body['side']);
  if (kind !== 'punch-ask' || !isId(attempt) || !isRound(round) || side === undefined) return undefined;
  if (typeof roundTripMs !== 'number' || !(roundTripMs >= 0)) return undefined;
  return { attempt, round, side, roundTripMs: Math.min(roundTripMs, MAX_ROUND_TRIP_MS), mayGuess: mayGuess === true };
}

/** Reads an answer: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readAnswer({ kind, body }: Signal): PunchAnswer | undefined {
  const { attempt, round, refusal } = body;
  if (kind !== 'punch-answer' || !isId(attempt) || !isRound(round)) return undefined;
  if (typeof refusal === 'string') return { attempt, round, refusal: oneLine(refusal) };
  const side = readSide(body['side']);
  return side && { attempt, round, side };
}

/** The part of a side that is sent to the peer. */
function sideBody({ natType, address, ports }: PunchSide | OwnPunchSide): Readonly<Record<string, unknown>> {
  return { natType, address, ports };
}

/** `planPunch` checks whether the address may be sent to. */
function readSide(value: unknown): PunchSide | undefined {
  if (!isRecord(value)) return undefined;
  const { address, ports } = value;
  const natType = readNatType(value['natType']);
  if (natType === undefined || typeof address !== 'string' || !Array.isArray(ports)) return undefined;
  const isPorts = ports.every((port): port is number => typeof port === 'number' && isPort(port));
  return isPorts && ports.length <= MAX_PREDICTIONS ? { natType, address, ports: [...ports] } : undefined;
}

function readNatType(value: unknown): NatType | undefined {
  if (!isRecord(value)) return undefined;
  const { type, delta } = value;
  switch (type) {
    case 'unknown':
    case 'open':
    case 'preserving':
    case 'reuse':
    case 'random':
      return { type };
    case 'delta': {
      const isDelta = typeof delta === 'number' && Number.isInteger(delta) && delta !== 0 && Math.abs(delta) < 32_768;
      return isDelta || delta === -32_768 ? { type, delta } : undefined;
    }
    default:
      return undefined;
  }
}

function isRound(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ROUND;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
