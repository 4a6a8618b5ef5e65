import { tokenBucket } from '../bounds/rate-limit.js';

/** Tells what happens, on stderr: as words, or as one JSON object a line. */
export type Report = (event: string, fields: Readonly<Record<string, unknown>>, words: string | undefined) => void;

/** Makes a report; with `json` it writes objects, else words, and nothing where there are none. */
export function reporter(json: boolean | undefined): Report {
  return (event, fields, words) => {
    if (json === true) console.error(JSON.stringify({ event, ...fields }));
    else if (words !== undefined) console.error(words);
  };
}

/** Whether one more failure is told: whoever opens streams at a service or at a local port chooses how many there are. */
export const fewFailures = (): (() => boolean) => tokenBucket({ perSecond: 5, burst: 50, now: Date.now });
