import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The page, and the headers that it goes with. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** From dist/servers/admin: the page lies beside the source, which is part of the package. */
const TOP = new URL('../../../', import.meta.url);

/**
 * Reads the status page. Its Content-Security-Policy allows its own style and script alone, by their hashes, and nothing from elsewhere.
 */
export function readPage(): Page {
  const html = readFileSync(new URL('servers/admin/status.html', TOP), 'utf8');
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(html, 'style')}`,
    `script-src ${hashOf(html, 'script')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return { html, headers: { 'content-security-policy': policy } };
}

/** The source expression of the page's only element of a name (CSP level 3, §2.3.1). */
function hashOf(html: string, element: string): string {
  const begin = html.indexOf(`<${element}>`) + element.length + 2;
  const content = html.slice(begin, html.indexOf(`</${element}>`, begin));
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}
