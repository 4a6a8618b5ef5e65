import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawSequence, inWords } from '../../docs/site/build/diagram.js';
import { createNeeds } from '../../docs/site/build/imports.js';
import { linksBetween, wayTo } from '../../docs/site/build/links.js';
import { anchorOf, markdownRenderer } from '../../docs/site/build/markdown.js';
import { urlOf, type Page } from '../../docs/site/build/pages.js';
import { parseSequence } from '../../docs/site/build/sequence.js';
import { checkLinks } from '../../docs/site/check/links.js';
import { temporaryFolder } from '../support/folder.js';

const page = (source: string, text: string): Page => ({
  source,
  url: urlOf(source),
  title: source,
  name: source,
  text,
});

describe('A document as a page of the site', () => {
  const path = temporaryFolder();

  /** A repository with these documents and files. */
  function repository(files: Readonly<Record<string, string>>) {
    const root = path('repository');
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(join(root, file, '..'), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    const pages = Object.entries(files)
      .filter(([file]) => file.endsWith('.md'))
      .map(([file, text]) => page(file, text));
    const links = linksBetween(root, pages);
    const render = markdownRenderer(links, (code) => `<pre>${code}</pre>`);
    const rendered = (file: string) => render(pages.find(({ source }) => source === file) ?? page(file, ''));
    return { links, rendered };
  }

  it('has an address of its own', () => {
    expect(urlOf('docs/lines.md')).toBe('lines.html');
    expect(urlOf('docs/protocol/README.md')).toBe('protocol/index.html');
    expect(urlOf('docs/security.md')).not.toBe(urlOf('SECURITY.md'));
    expect(urlOf('CHANGELOG.md')).toBe('changelog.html');
    expect(wayTo('protocol/link.html', 'index.html')).toBe('../index.html');
  });

  it('tells what a piece of code needs that it does not say itself', () => {
    const needs = createNeeds(fileURLToPath(new URL('../../..', import.meta.url)));
    expect(
      needs(
        'const { take } = x;\nnet.connect$(unl).pipe(map((of: Channel) => of.of)).subscribe(serve$, { of: appendFile });',
      ),
    ).toEqual({
      imports: [
        "import { map } from 'rxjs';",
        "import { type Channel } from 'rxp2p';",
        "import { serve$ } from 'rxp2p/servers';",
        "import { appendFile } from 'node:fs/promises';",
      ],
      things: ['net', 'unl'],
    });
    expect(
      needs("import { createNet } from 'rxp2p';\nconst net = createNet({ mode: 'direct' });\nnet.close();"),
    ).toEqual({
      imports: [],
      things: [],
    });
  });

  it('links to other pages, to files beside it, and to the rest of the repository', () => {
    const { links, rendered } = repository({
      'README.md': '# Top\n',
      'docs/a.md':
        '# A\n\n[b](deep/b.md#x) [top](../README.md) [code](../lib/x.ts) [out](https://example.org/) [here](#a) ![p](p.svg)\n',
      'docs/deep/b.md': '# B\n\n## x\n\n[a](../a.md) [folder](../deep/)\n',
      'docs/p.svg': '<svg/>',
      'lib/x.ts': '',
    });
    const { html } = rendered('docs/a.md');
    const targets = Array.from(html.matchAll(/(?:href|src)="([^"]*)"/g), ([, to]) => to);
    expect(targets).toEqual([
      'deep/b.html#x',
      'overview.html',
      'https://github.com/rxp2p/rxp2p/blob/main/lib/x.ts',
      'https://example.org/',
      '#a',
      'p.svg',
    ]);
    expect([...links.files]).toEqual(['docs/p.svg']);
    expect(rendered('docs/deep/b.md').html).toContain('href="../a.html"');
  });

  it('must not link to what is not there', () => {
    const { rendered } = repository({ 'docs/a.md': '[b](b.md)' });
    expect(() => rendered('docs/a.md')).toThrowError(/docs\/a\.md: b\.md leads nowhere/);
  });

  it('has the anchors that the repository has, and passages that a search finds', () => {
    expect(anchorOf('What `connect$` does, and why', new Set())).toBe('what-connect-does-and-why');
    expect(anchorOf('Twice', new Set(['twice', 'twice-1']))).toBe('twice-2');
    const { rendered } = repository({
      'docs/a.md': '# A\n\nfirst words\n\n## `b$`\n\nother words\n\n```ts\ncode();\n```\n',
    });
    const { headings, passages, html } = rendered('docs/a.md');
    expect(headings).toEqual([
      { level: 1, id: 'a', text: 'A' },
      { level: 2, id: 'b', text: 'b$' },
    ]);
    expect(passages.map(({ id, text }) => [id, text.trim()])).toEqual([
      ['a', 'first words'],
      ['b', 'other words code();'],
    ]);
    expect(html).toContain('<a class="anchor" href="#b"');
  });
});

describe('A sequence diagram', () => {
  const text = `sequenceDiagram
  participant A as Alice
  participant B as Bob <x>
  A->>B: one
  B-->>A: two<br/>lines
  A-xB: lost
  Note over A,B: both
  par at once
    A->>A: itself
  and
    B->>A: the other
  end
`;

  it('is read as Mermaid has it', () => {
    const sequence = parseSequence(text);
    expect(sequence?.participants.map(({ label }) => label)).toEqual(['Alice', 'Bob <x>']);
    expect(sequence?.steps.map(({ type }) => type)).toEqual([
      'message',
      'message',
      'message',
      'note',
      'open',
      'message',
      'part',
      'message',
      'close',
    ]);
    expect(sequence?.steps[1]).toEqual({
      type: 'message',
      from: 1,
      to: 0,
      isDashed: true,
      isLost: false,
      lines: ['two', 'lines'],
    });
  });

  it('is drawn, and told in words to those who do not see it', () => {
    const sequence = parseSequence(text);
    if (sequence === undefined) throw new Error('Expected a sequence');
    const drawing = drawSequence(sequence, 'Alice & Bob');
    expect(drawing).toContain('aria-label="Alice &amp; Bob"');
    expect(drawing).toContain('Bob &lt;x&gt;');
    expect(drawing).not.toContain('NaN');
    expect(inWords(sequence)).toContain('<li>Alice to Bob &lt;x&gt; (lost): lost</li>');
  });

  it('of another kind is left to be shown as it is, and a line that is not understood is a fault', () => {
    expect(parseSequence('flowchart LR\n a --> b\n')).toBeUndefined();
    expect(() => parseSequence('sequenceDiagram\n activate A\n')).toThrowError(/activate A/);
  });
});

describe('The check of the built site', () => {
  const path = temporaryFolder();

  it('finds links that lead nowhere, that work in one place only, and what is loaded from elsewhere', () => {
    const site = path('site');
    mkdirSync(join(site, 'assets'), { recursive: true });
    mkdirSync(join(site, 'deep'));
    writeFileSync(join(site, 'assets/search-index.js'), 'globalThis.rxp2pSearch=[["deep/b.html#there"],["c.html"]];\n');
    writeFileSync(
      join(site, 'index.html'),
      '<a href="deep/b.html#there">1</a><a href="deep/b.html#gone">2</a><a href="/deep/b.html">3</a><a href="https://example.org/">4</a>' +
        '<img src="https://example.org/p.png"><script>"<a href=nowhere>"</script>',
    );
    writeFileSync(
      join(site, 'deep/b.html'),
      '<h2 id="there">There</h2><a href="../index.html">up</a><a href="../../beyond.html">beyond</a>',
    );
    expect(checkLinks(site)).toEqual({
      count: 9,
      faults: [
        'index.html: deep/b.html#gone: deep/b.html has no #gone',
        'index.html: /deep/b.html works at the root of a server only',
        'index.html: https://example.org/p.png is loaded from elsewhere',
        'deep/b.html: ../../beyond.html leads nowhere',
        'search: c.html leads nowhere',
      ],
    });
  });
});
