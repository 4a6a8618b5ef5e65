import MarkdownIt from 'markdown-it';
import type { Highlight } from './highlight.js';
import { drawSequence, inWords } from './diagram.js';
import { escape } from './html.js';
import type { Needs } from './imports.js';
import { wayTo, type Links } from './links.js';
import type { Page } from './pages.js';
import { parseSequence } from './sequence.js';

export interface Heading {
  readonly level: number;
  readonly id: string;
  readonly text: string;
}

/** A document as HTML. */
export interface Rendered {
  readonly html: string;
  readonly headings: readonly Heading[];
  /** What a search looks through: the words below each heading. */
  readonly passages: readonly { readonly id: string; readonly heading: string; readonly text: string }[];
}

/** What of a page's words is looked through, per heading: more would make the index large, and a table of figures is not searched. */
const PASSAGE_CHARACTERS = 4_000;

/** The anchor that GitHub gives to a heading, so that a link to one leads there on both. */
export function anchorOf(heading: string, taken: ReadonlySet<string>): string {
  const slug = heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
  let anchor = slug;
  for (let again = 1; taken.has(anchor); again++) anchor = `${slug}-${again}`;
  return anchor;
}

/**
 * Renders documents: Markdown as GitHub has it, with nothing added, so that they can be read there as well.
 *
 * @param needs tells what a piece of TypeScript needs to be run by itself, which then stands below it.
 */
export function markdownRenderer(
  links: Links,
  highlight: Highlight,
  needs?: (code: string) => Needs,
): (page: Page) => Rendered {
  return (page) => {
    const markdown = new MarkdownIt({ html: true, linkify: false, typographer: false });
    let diagrams = 0;
    markdown.renderer.rules['fence'] = (tokens, index) => {
      const { content = '', info = '' } = tokens[index] ?? {};
      const sequence = info === 'mermaid' ? parseSequence(content) : undefined;
      if (sequence === undefined)
        return codeBlock(highlight(content, info)) + (info === 'ts' ? needed(needs?.(content), page, highlight) : '');
      diagrams += 1;
      const name = `Sequence diagram ${diagrams}, described below`;
      return `<figure><div class="scroll">${drawSequence(sequence, name)}</div>${inWords(sequence)}</figure>`;
    };
    markdown.renderer.rules['code_block'] = (tokens, index) => codeBlock(highlight(tokens[index]?.content ?? '', ''));
    markdown.renderer.rules['table_open'] = () => '<div class="scroll table"><table>';
    markdown.renderer.rules['table_close'] = () => '</table></div>';
    const tokens = markdown.parse(page.text, {});
    const headings: Heading[] = [];
    const passages: { id: string; heading: string; words: string[] }[] = [];
    const taken = new Set<string>();
    for (const [i, token] of tokens.entries()) {
      const inline = tokens[i + 1];
      if (token.type === 'heading_open' && inline !== undefined) {
        const text = (inline.children ?? []).map(({ content }) => content).join('');
        const id = anchorOf(text, taken);
        taken.add(id);
        token.attrSet('id', id);
        headings.push({ level: Number(token.tag.slice(1)), id, text });
        passages.push({ id, heading: text, words: [] });
      }
      if (token.type === 'inline' && tokens[i - 1]?.type !== 'heading_open') {
        passages.at(-1)?.words.push((token.children ?? []).map(({ content }) => content).join(' '));
      }
      if (token.type === 'fence' && token.info !== 'mermaid') passages.at(-1)?.words.push(token.content);
      for (const child of token.children ?? []) {
        const attribute = child.type === 'link_open' ? 'href' : child.type === 'image' ? 'src' : undefined;
        if (attribute !== undefined)
          child.attrSet(attribute, links.hrefOf(page, String(child.attrGet(attribute) ?? '')));
        if (child.type === 'image') child.attrSet('loading', 'lazy');
      }
    }
    return {
      html: withAnchors(markdown.renderer.render(tokens, markdown.options, {})),
      headings,
      passages: passages.map(({ id, heading, words }) => ({
        id,
        heading,
        text: words.join(' ').replace(/\s+/g, ' ').slice(0, PASSAGE_CHARACTERS),
      })),
    };
  };
}

function codeBlock(html: string): string {
  return `<div class="code">${html}</div>`;
}

/** What a piece of code needs, folded away. */
function needed(needs: Needs | undefined, page: Page, highlight: Highlight): string {
  const { imports = [], things = [] } = needs ?? {};
  if (imports.length + things.length === 0) return '';
  const made = things.map((name) => `<code>${name}</code>`).join(', ');
  const start = `<a href="${wayTo(page.url, 'start.html')}">Start here</a>`;
  const words = things.length === 0 ? '' : `<p>${made}: made before, as in ${start}.</p>`;
  const lines = imports.length === 0 ? '' : codeBlock(highlight(imports.join('\n'), 'ts'));
  return `<details class="needs"><summary>To run this by itself</summary>${lines}${words}</details>`;
}

/** Gives each heading but the first a link to itself. */
function withAnchors(html: string): string {
  return html.replace(
    /<h([2-4]) id="([^"]+)">(.*?)<\/h\1>/g,
    (_, level: string, id: string, words: string) =>
      `<h${level} id="${id}">${words} <a class="anchor" href="#${id}" aria-label="Link to ${escape(
        words.replace(/<[^>]+>/g, ''),
      ).replaceAll('&amp;', '&')}">#</a></h${level}>`,
  );
}
