import { oneLine } from '../../words.js';
import { hide } from './hide.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text from anywhere as text in HTML, shortened as {@link hide} does. Pure. */
export function escaped(text: string): string {
  return hide(oneLine(text)).replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}
