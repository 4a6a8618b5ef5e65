/** How long a gateway said it has been up, in seconds, and when it said so, in milliseconds of our own clock. */
export interface Epoch {
  readonly seconds: number;
  readonly at: number;
}

/** The tolerance for whole seconds and for the time that answers take. */
const TOLERANCE_SECONDS = 2;

/** A gateway's clock may be this much slower or faster than ours (RFC 6887 §8.5); NAT-PMP allows twice as much. */
const PCP_DRIFT = 1 / 16;
const NAT_PMP_DRIFT = 1 / 8;

/**
 * Whether a NAT-PMP gateway has lost its mappings between two answers: its seconds since the start of epoch are less than
 * they should be by now (RFC 6886 §3.6).
 */
export function hasRestarted(before: Epoch, now: Epoch): boolean {
  const { ours, theirs } = passed(before, now);
  return theirs < ours * (1 - NAT_PMP_DRIFT) - TOLERANCE_SECONDS;
}

/**
 * Whether a PCP server has lost its mappings between two answers: its epoch time went backwards, or its clock and ours do
 * not agree on how much time has passed (RFC 6887 §8.5).
 */
export function hasLostState(before: Epoch, now: Epoch): boolean {
  const { ours, theirs } = passed(before, now);
  if (theirs < -1) return true;
  const isSlow = theirs + TOLERANCE_SECONDS < ours * (1 - PCP_DRIFT);
  const isFast = ours + TOLERANCE_SECONDS < theirs * (1 - PCP_DRIFT);
  return isSlow || isFast;
}

function passed(before: Epoch, now: Epoch): { readonly ours: number; readonly theirs: number } {
  return { ours: (now.at - before.at) / 1000, theirs: now.seconds - before.seconds };
}
