import type { IncomingHttpHeaders } from 'node:http';
import { readUrl } from '../../lib/validate.js';

/**
 * Whether a page of another site has its reader's browser ask (RFC 6454 §7). A browser tells by itself where the page is from, and lets no page
 * change that; programs do not send it. Pure.
 */
export function isOfAnotherOrigin({ host = '', origin }: IncomingHttpHeaders): boolean {
  return origin !== undefined && readUrl(origin)?.host !== host.toLowerCase();
}
