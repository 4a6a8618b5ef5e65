import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fs from 'node:fs/promises';
import * as rxjs from 'rxjs';
import ts from 'typescript';

/** What a reader needs to run a piece of code by itself. */
export interface Needs {
  /** The imports, line by line. */
  readonly imports: readonly string[];
  /** Names of things that the text before has made: a node, a connection, a locator. */
  readonly things: readonly string[];
}

/** What the guides speak of all the time. */
const THINGS: ReadonlySet<string> = new Set(['net', 'connection', 'unl', 'room']);

/** Modules whose names the guides use without saying where they come from, the first that has a name counts. */
type Sources = readonly (readonly [module: string, names: ReadonlyMap<string, { readonly isType: boolean }>])[];

/**
 * Tells what pieces of code need, so that a reader can copy one: in a guide they do not repeat their imports.
 *
 * @param root the top of the repository.
 */
export function createNeeds(root: string): (code: string) => Needs {
  const sources: Sources = [
    ['rxp2p', exportsOf(join(root, 'lib/index.ts'))],
    ['rxp2p/servers', exportsOf(join(root, 'servers/index.ts'))],
    ['rxjs', valuesOf(rxjs)],
    ['node:fs/promises', valuesOf(fs)],
  ];
  return (code) => {
    const names = freeNames(code);
    const modules = new Map<string, string[]>();
    for (const name of names) {
      const [module, known] = sources.find(([, each]) => each.has(name)) ?? [];
      if (module === undefined || known === undefined || THINGS.has(name)) continue;
      const found = modules.get(module) ?? [];
      modules.set(module, found);
      found.push(known.get(name)?.isType === true ? `type ${name}` : name);
    }
    return {
      imports: Array.from(modules, ([module, found]) => `import { ${found.sort().join(', ')} } from '${module}';`),
      things: names.filter((name) => THINGS.has(name)),
    };
  };
}

const valuesOf = (module: object) => new Map(Object.keys(module).map((name) => [name, { isType: false }]));

/** The names that an index exports. */
function exportsOf(path: string): ReadonlyMap<string, { readonly isType: boolean }> {
  const names = new Map<string, { readonly isType: boolean }>();
  for (const statement of parse(readFileSync(path, 'utf8')).statements) {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) continue;
    if (!ts.isNamedExports(statement.exportClause)) continue;
    for (const { name, isTypeOnly } of statement.exportClause.elements)
      names.set(name.text, { isType: isTypeOnly || statement.isTypeOnly });
  }
  return names;
}

const parse = (text: string) => ts.createSourceFile('code.ts', text, ts.ScriptTarget.Latest, true);

/** The names that a piece of code uses and does not declare, in order. */
function freeNames(code: string): readonly string[] {
  const used = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      if (declares(node)) declared.add(node.text);
      else if (!isLabel(node)) used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(code));
  return [...used].filter((name) => !declared.has(name));
}

/** Whether this is where a name is made. */
function declares(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isImportSpecifier(parent) || ts.isImportClause(parent) || ts.isNamespaceImport(parent)) return true;
  if (ts.isBindingElement(parent) || ts.isVariableDeclaration(parent) || ts.isParameter(parent))
    return parent.name === node;
  return (ts.isInterfaceDeclaration(parent) || ts.isFunctionDeclaration(parent)) && parent.name === node;
}

/** Whether a name is that of a member, which comes from nowhere. */
function isLabel(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  if (ts.isPropertySignature(parent) || ts.isMethodSignature(parent)) return parent.name === node;
  return (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node;
}
