/** Something that a search finds. */
export interface SearchEntry {
  /** Its path in the site, with its anchor. */
  readonly url: string;
  /** The page, or the kind of thing. */
  readonly page: string;
  readonly heading: string;
  readonly text: string;
}

/**
 * The index as a script: a page opened from a disk may load scripts, and nothing else. The browser makes an index of it when somebody
 * searches first.
 */
export function searchScript(entries: readonly SearchEntry[]): string {
  const rows = entries.map(({ url, page, heading, text }) => [url, page, heading, text]);
  return `globalThis.rxp2pSearch=${JSON.stringify(rows).replaceAll('<', '\\u003c')};\n`;
}
