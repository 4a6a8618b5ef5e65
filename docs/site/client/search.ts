import MiniSearch from 'minisearch';

interface Entry {
  readonly id: number;
  readonly url: string;
  readonly page: string;
  readonly heading: string;
  readonly text: string;
}

/** How many results are shown: what does not come up among these is looked for with other words. */
const SHOWN = 12;

/** Characters of a passage around the words that were found. */
const EXCERPT = 150;

const root = document.querySelector<HTMLScriptElement>('script[data-root]')?.dataset['root'] ?? '';

/** Opens the search by its button, by `/` and by Ctrl-K. */
export function watchSearch(): void {
  const button = document.querySelector<HTMLButtonElement>('[data-search]');
  if (button === null) return;
  let search: Search | undefined;
  const open = () => {
    search ??= new Search();
    search.open();
  };
  button.hidden = false;
  button.addEventListener('click', open);
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null;
    const isAsked = (event.key === '/' && !isTyping) || (event.key === 'k' && (event.ctrlKey || event.metaKey));
    if (!isAsked) return;
    event.preventDefault();
    open();
  });
}

/** The index, made when the search is opened first. */
async function loadIndex(): Promise<MiniSearch<Entry>> {
  await new Promise<void>((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `${root}assets/search-index.js`;
    script.addEventListener('load', () => {
      resolve();
    });
    script.addEventListener('error', () => {
      reject(new Error('The index of the search cannot be loaded'));
    });
    document.head.append(script);
  });
  const index = new MiniSearch<Entry>({
    fields: ['heading', 'page', 'text'],
    storeFields: ['url', 'page', 'heading', 'text'],
    searchOptions: { boost: { heading: 4, page: 2 }, prefix: true, fuzzy: 0.15, combineWith: 'AND' },
  });
  const loaded: unknown = Reflect.get(globalThis, 'rxp2pSearch');
  index.addAll(rowsOf(loaded));
  return index;
}

function rowsOf(loaded: unknown): Entry[] {
  if (!Array.isArray(loaded)) return [];
  return loaded.map((row: unknown, id) => {
    const [url = '', page = '', heading = '', text = ''] = Array.isArray(row) ? row.map(String) : [];
    return { id, url, page, heading, text };
  });
}

class Search {
  readonly #dialog = document.createElement('dialog');
  readonly #input = document.createElement('input');
  readonly #results = document.createElement('ol');
  readonly #index = loadIndex();

  constructor() {
    this.#dialog.className = 'search';
    this.#dialog.setAttribute('aria-label', 'Search');
    this.#input.type = 'search';
    this.#input.placeholder = 'Search guides, protocol and API';
    this.#input.setAttribute('aria-label', 'Search guides, protocol and API');
    this.#results.setAttribute('aria-live', 'polite');
    this.#dialog.append(this.#input, this.#results);
    document.body.append(this.#dialog);
    this.#input.addEventListener('input', () => void this.#show());
    this.#dialog.addEventListener('keydown', (event) => {
      this.#move(event);
    });
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#results.addEventListener('click', () => {
      this.#dialog.close();
    });
  }

  open(): void {
    this.#dialog.showModal();
    this.#input.select();
  }

  async #show(): Promise<void> {
    const words = this.#input.value.trim();
    const index = await this.#index.catch(() => undefined);
    // Somebody has typed on while the index was loaded.
    if (words !== this.#input.value.trim()) return;
    if (words === '') this.#results.replaceChildren();
    else if (index === undefined) this.#results.replaceChildren(said('The index of the search cannot be loaded.'));
    else {
      const found = index.search(words).slice(0, SHOWN);
      this.#results.replaceChildren(...found.map((each) => resultOf(each, words)));
      if (found.length === 0) this.#results.replaceChildren(said('Nothing was found.'));
    }
  }

  /** By the arrow keys from one result to the next, and by Enter to the first. */
  #move(event: KeyboardEvent): void {
    const links = [...this.#results.querySelectorAll('a')];
    const at = links.findIndex((link) => link === document.activeElement);
    if (event.key === 'Enter' && at < 0) links[0]?.click();
    else if (event.key === 'ArrowDown') links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === 'ArrowUp') (at <= 0 ? this.#input : links[at - 1])?.focus();
    else return;
    event.preventDefault();
  }
}

function said(words: string): HTMLElement {
  const item = document.createElement('li');
  item.className = 'said';
  item.textContent = words;
  return item;
}

function resultOf(found: Record<string, unknown>, words: string): HTMLElement {
  const textOf = (key: string): string => (typeof found[key] === 'string' ? found[key] : '');
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = `${root}${textOf('url')}`;
  const heading = document.createElement('strong');
  heading.textContent = textOf('heading');
  const page = document.createElement('span');
  page.textContent = textOf('page');
  const excerpt = document.createElement('small');
  excerpt.textContent = excerptOf(textOf('text'), words);
  link.append(heading, page, excerpt);
  item.append(link);
  return item;
}

/** The part of a text where the first of the words is. */
function excerptOf(text: string, words: string): string {
  const lower = text.toLowerCase();
  const places = words
    .toLowerCase()
    .split(/\s+/)
    .map((word) => lower.indexOf(word))
    .filter((place) => place >= 0);
  const from = Math.max(0, Math.min(...(places.length === 0 ? [0] : places)) - EXCERPT / 3);
  return `${from > 0 ? '…' : ''}${text.slice(from, from + EXCERPT)}${from + EXCERPT < text.length ? '…' : ''}`;
}
