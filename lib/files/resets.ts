import type { FilesFailure } from '../errors.js';

// By which codes a side resets the channel of a transfer that it gives up. Pure.

const CODES: Readonly<Record<FilesFailure, number>> = {
  refused: 1,
  'unsafe-name': 2,
  exists: 3,
  'disk-full': 4,
  unreadable: 5,
  interrupted: 6,
  protocol: 7,
};

/** The code of a failure. */
export const resetCodeOf = (failure: FilesFailure): number => CODES[failure];

/** The failure of a code; `undefined` for a code that says nothing. */
export function failureOfReset(code: number | undefined): FilesFailure | undefined {
  const failures = Object.entries(CODES).find(([, each]) => each === code);
  return failures === undefined ? undefined : isFailure(failures[0]) ? failures[0] : undefined;
}

function isFailure(name: string): name is FilesFailure {
  return Object.hasOwn(CODES, name);
}
