import { bundledLanguages, createHighlighter, createJavaScriptRegexEngine } from 'shiki';
import { escape } from './html.js';

/** Colours code of a language, for both schemes at once; one that is not known stays plain. */
export type Highlight = (code: string, language: string) => string;

/** The languages of our documents' code. */
const LANGUAGES = ['ts', 'js', 'json', 'sh', 'http', 'yaml', 'html', 'ini', 'nginx', 'python'].filter(
  (language) => language in bundledLanguages,
);

export async function createHighlight(): Promise<Highlight> {
  const highlighter = await createHighlighter({
    themes: ['github-light-default', 'github-dark-default'],
    langs: LANGUAGES,
    engine: createJavaScriptRegexEngine(),
  });
  const known = new Set(highlighter.getLoadedLanguages());
  return (code, language) => {
    const text = code.replace(/\n$/, '');
    if (!known.has(language)) return `<pre><code>${escape(text)}</code></pre>`;
    return highlighter.codeToHtml(text, {
      lang: language,
      themes: { light: 'github-light-default', dark: 'github-dark-default' },
      defaultColor: 'light-dark()',
      // Comments of the light theme are too faint on the ground of a block.
      colorReplacements: { '#6e7781': '#54616d' },
    });
  };
}
