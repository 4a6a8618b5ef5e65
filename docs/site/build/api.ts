import { join } from 'node:path';
import {
  Application,
  JSX,
  PackageJsonReader,
  ReflectionKind,
  Renderer,
  TSConfigReader,
  TypeDocReader,
  type Reflection,
  type RendererEvent,
  type Router,
} from 'typedoc';
import type { SearchEntry } from './search-index.js';

/** Kinds of public names that a search finds. */
const FOUND: ReadonlyMap<ReflectionKind, string> = new Map([
  [ReflectionKind.Function, 'function'],
  [ReflectionKind.Interface, 'interface'],
  [ReflectionKind.Class, 'class'],
  [ReflectionKind.TypeAlias, 'type'],
  [ReflectionKind.Variable, 'constant'],
]);

/** Whether it is a member of something that has a page. */
function isMember({ kind, parent }: Reflection): boolean {
  const isIn = parent?.kind === ReflectionKind.Interface || parent?.kind === ReflectionKind.Class;
  return isIn && (kind === ReflectionKind.Method || kind === ReflectionKind.Property);
}

/**
 * Writes the API reference from the comments in the code, below `api/`.
 *
 * @returns what a search finds in it.
 * @throws Error when an exported name has no comment, or a comment has a wrong link: what TypeDoc warns of.
 */
export async function writeApi(root: string, out: string): Promise<readonly SearchEntry[]> {
  const application = await Application.bootstrapWithPlugins(
    { options: join(root, 'typedoc.json'), out: join(out, 'api'), customCss: join(root, 'docs/site/assets/api.css') },
    [new TypeDocReader(), new PackageJsonReader(), new TSConfigReader()],
  );
  // A way back from each page, as long as the page is deep.
  application.renderer.hooks.on('body.begin', ({ relativeURL }) => {
    const up = relativeURL('index.html').replace(/index\.html$/, '../');
    const link = (to: string, name: string) => JSX.createElement('a', { href: `${up}${to}` }, name);
    return JSX.createElement(
      'nav',
      { class: 'back', 'aria-label': 'Site' },
      link('index.html', 'rxp2p'),
      link('start.html', 'Guides'),
    );
  });
  const entries: SearchEntry[] = [];
  // Only while it writes does it know where what will be.
  application.renderer.on(Renderer.EVENT_END, ({ project }: RendererEvent) => {
    const { router } = application.renderer;
    if (router !== undefined)
      entries.push(...Object.values(project.reflections).flatMap((each) => entryOf(each, router)));
  });
  const project = await application.convert();
  if (project === undefined) throw new Error('The code of the API reference does not compile');
  application.validate(project);
  await application.generateDocs(project, join(out, 'api'));
  if (application.logger.hasErrors() || application.logger.hasWarnings()) {
    throw new Error('The API reference has warnings, see above');
  }
  return entries;
}

/** How a search finds something public, if it has a place of its own. */
function entryOf(reflection: Reflection, router: Router): readonly SearchEntry[] {
  const kind = FOUND.get(reflection.kind) ?? (isMember(reflection) ? 'member' : undefined);
  if (kind === undefined || !router.hasUrl(reflection)) return [];
  const comment = reflection.comment ?? (reflection.isDeclaration() ? reflection.signatures?.[0]?.comment : undefined);
  const text = (comment?.summary ?? []).map((part) => part.text).join('');
  const heading = kind === 'member' ? `${reflection.parent?.name ?? ''}.${reflection.name}` : reflection.name;
  const url = `api/${router.getFullUrl(reflection)}`;
  return [{ url, page: `API · ${kind}`, heading, text: text.replace(/\s+/g, ' ') }];
}
