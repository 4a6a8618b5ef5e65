import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as rxjs from 'rxjs';
import ts from 'typescript';

// Examples say what they do, not where their names come from. A name comes from the first of these that has it: the file that the
// example stands in, what that file imports, the prelude, the public names, RxJS.

/** The specs run from dist/spec; what they look at here is the source. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const PRELUDE = 'spec/support/prelude.ts';

/** A piece of code in a comment or a document. */
export interface Example {
  /** Such as `lib/unl.ts:18`, or `README.md:17`. */
  readonly where: string;
  readonly text: string;
  /** The source file in whose comments it stands, by its path from the top. */
  readonly source?: string;
}

/** Where a name of an example comes from. */
interface Origin {
  /** The file by its path from the top, or the name of a package. */
  readonly from: string;
  /** What it is called there; `*` for all of it. */
  readonly name: string;
  readonly isType: boolean;
  /** Whether it is only declared, so that it cannot be used when the example runs. */
  readonly isDeclared: boolean;
}

type Scope = ReadonlyMap<string, Origin>;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const parse = (path: string, text: string): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);

const files = new Map<string, ts.SourceFile>();

/** A source file, parsed once. */
const fileAt = (path: string): ts.SourceFile => {
  const file = files.get(path) ?? parse(path, read(path));
  files.set(path, file);
  return file;
};

const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort();

/** Every `@example` in the comments of lib/ and servers/, and every block of TypeScript in the README and docs/. */
export function allExamples(): readonly Example[] {
  const sources = ['lib', 'servers'].flatMap((folder) => filesIn(folder, '.ts'));
  const documents = ['README.md', ...filesIn('docs', '.md').filter((path) => !path.startsWith('docs/api/'))];
  return [...sources.flatMap(examplesInComments), ...documents.flatMap(blocksIn)];
}

/** From `@example` to the next tag or the end of the comment. */
const COMMENTED = /@example[^\n]*\n(.*?)(?=\n[ \t]*\*[ \t]*@\w|\n?[ \t]*\*\/)/gs;

function examplesInComments(source: string): Example[] {
  const text = read(source);
  return Array.from(text.matchAll(COMMENTED), ([, code = ''], i) => ({
    where: `${source}:${lineOf(text, COMMENTED, i) + 1}`,
    text: code.replace(/^[ \t]*\* ?/gm, ''),
    source,
  }));
}

const BLOCK = /^```ts\n(.*?)^```/gms;

function blocksIn(document: string): Example[] {
  const text = read(document);
  return Array.from(text.matchAll(BLOCK), ([, code = ''], i) => ({
    where: `${document}:${lineOf(text, BLOCK, i) + 1}`,
    text: code,
  }));
}

/** The line of a match, from 1. */
function lineOf(text: string, pattern: RegExp, match: number): number {
  const { index = 0 } = Array.from(text.matchAll(pattern))[match] ?? {};
  return text.slice(0, index).split('\n').length;
}

/** What a file exports, and what it imports, by the names that they have in it. */
function namesOf(path: string): { readonly exported: Scope; readonly imported: Scope } {
  const exported = new Map<string, Origin>();
  const imported = new Map<string, Origin>();
  const from = (specifier: ts.Expression): string => {
    const text = ts.isStringLiteral(specifier) ? specifier.text : '';
    return text.startsWith('.') ? join(dirname(path), text.replace(/\.js$/, '.ts')) : text;
  };
  for (const statement of fileAt(path).statements) {
    if (ts.isImportDeclaration(statement)) {
      const { importClause: clause, moduleSpecifier } = statement;
      const isType = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      const origin = { from: from(moduleSpecifier), isType, isDeclared: false };
      if (clause?.name !== undefined) imported.set(clause.name.text, { ...origin, name: 'default' });
      const bindings = clause?.namedBindings;
      if (bindings === undefined) continue;
      if (ts.isNamespaceImport(bindings)) imported.set(bindings.name.text, { ...origin, name: '*' });
      else {
        for (const { name, propertyName, isTypeOnly } of bindings.elements) {
          const isOneType = isType || isTypeOnly;
          imported.set(name.text, { ...origin, name: (propertyName ?? name).text, isType: isOneType });
        }
      }
    } else if (ts.isExportDeclaration(statement)) {
      const { exportClause: clause, isTypeOnly: isType, moduleSpecifier } = statement;
      if (clause === undefined) continue;
      const origin = { from: moduleSpecifier === undefined ? path : from(moduleSpecifier), isDeclared: false };
      if (!ts.isNamedExports(clause)) exported.set(clause.name.text, { ...origin, name: '*', isType });
      else {
        for (const { name, propertyName, isTypeOnly } of clause.elements) {
          exported.set(name.text, { ...origin, name: (propertyName ?? name).text, isType: isType || isTypeOnly });
        }
      }
    } else if (ts.canHaveModifiers(statement)) {
      const modifiers = ts.getModifiers(statement) ?? [];
      if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
      const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
      const isDeclared = modifiers.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword);
      for (const name of declaredBy(statement)) exported.set(name, { from: path, name, isType, isDeclared });
    }
  }
  return { exported, imported };
}

/** The names that a statement declares. */
function declaredBy(statement: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundBy(name));
  }
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {};
    const named = namedBindings !== undefined && ts.isNamedImports(namedBindings) ? namedBindings.elements : [];
    return [...(name === undefined ? [] : [name.text]), ...named.map((element) => element.name.text)];
  }
  const { name } = ts.isDeclarationStatement(statement) ? statement : {};
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : [];
}

function boundBy(name: ts.BindingName): readonly string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? boundBy(element.name) : []));
}

/** Parameters and variables, on whichever level: no example uses a name for two things. */
const isBinding = (node: ts.Node): node is ts.ParameterDeclaration | ts.VariableDeclaration =>
  ts.isParameter(node) || ts.isVariableDeclaration(node);

/** Whether a name is that of a property, which comes from nowhere. */
function isLabel(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node;
}

/** An example as a module of its own. */
export interface ExampleModule extends Example {
  /** Its statements, parsed. */
  readonly parsed: ts.SourceFile;
  /** Its names that it does not declare, with where they come from. */
  readonly origins: Scope;
}

/** Finds out where the names of examples come from. */
export function examplesAsModules(examples: readonly Example[]): readonly ExampleModule[] {
  const scopes = new Map<string, ReturnType<typeof namesOf>>();
  const scopesOf = (path: string) => {
    const known = scopes.get(path) ?? namesOf(path);
    scopes.set(path, known);
    return known;
  };
  const common: readonly Scope[] = [
    ...[PRELUDE, 'lib/index.ts', 'servers/index.ts'].map((path) => scopesOf(path).exported),
    new Map(Object.keys(rxjs).map((name) => [name, { from: 'rxjs', name, isType: false, isDeclared: false }])),
  ];
  return examples.map((example) => {
    const parsed = parse('example.ts', example.text);
    const own = example.source === undefined ? undefined : scopesOf(example.source);
    const inOrder = own === undefined ? common : [own.exported, own.imported, ...common];
    const origins = new Map<string, Origin>();
    const declared = new Set(parsed.statements.flatMap(declaredBy));
    const visit = (node: ts.Node): void => {
      if (isBinding(node)) for (const name of boundBy(node.name)) declared.add(name);
      if (ts.isIdentifier(node) && !isLabel(node)) {
        const found = inOrder.flatMap((scope) => scope.get(node.text) ?? []);
        const origin = found.find(({ isType }) => !isType) ?? found[0];
        if (origin !== undefined) origins.set(node.text, origin);
      }
      ts.forEachChild(node, visit);
    };
    visit(parsed);
    for (const name of declared) origins.delete(name);
    return { ...example, parsed, origins };
  });
}

/** The imports of an example, in one line, so that its own lines keep their numbers but for one. */
function importsOf(origins: Scope, specifierOf: (from: string) => string): string {
  return Array.from(origins, ([name, origin]) => {
    const what = origin.name === '*' ? `* as ${name}` : `{ ${origin.name} as ${name} }`;
    return `import ${origin.isType ? 'type ' : ''}${what} from '${specifierOf(origin.from)}';`;
  }).join(' ');
}

/** The compiler, as a program: its new version is a native one, and has no API. */
const COMPILER = join(ROOT, 'node_modules/@typescript/native/bin/tsc');

/**
 * Compiles examples with the settings of this project, all at once, against the sources.
 *
 * @param folder an empty one in this project, so that packages are found from there.
 * @returns each fault as `lib/unl.ts:18: words`.
 */
export function compile(examples: readonly ExampleModule[], folder: string): readonly string[] {
  for (const [i, { origins, text }] of examples.entries()) {
    const specifierOf = (from: string) =>
      from.endsWith('.ts') ? relative(folder, join(ROOT, from)).replace(/\.ts$/, '.js') : from;
    writeFileSync(join(folder, `example-${i}.ts`), `${importsOf(origins, specifierOf)}\n${text}`);
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(configuration(folder)));
  const { stdout } = spawnSync(process.execPath, [COMPILER, '--pretty', 'false', '-p', folder], {
    encoding: 'utf8',
    maxBuffer: MOST_BYTES,
  });
  return Array.from(stdout.matchAll(/^\S*example-(\d+)\.ts\((\d+),\d+\): error \w+: (.*)$/gm), ([, i, line, words]) => {
    const [document, first] = examples[Number(i)]?.where.split(':') ?? [];
    // The first line of a module has the imports.
    return `${document}:${Number(first) + Number(line) - 2}: ${words}`;
  });
}

/** More faults than anybody reads. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The project's own, but for what has to do with output; and a name that an example declares for its reader need not be used. */
const configuration = (folder: string) => ({
  extends: relative(folder, join(ROOT, 'tsconfig.json')),
  compilerOptions: {
    noEmit: true,
    incremental: false,
    rootDir: relative(folder, ROOT),
    types: ['node'],
    noUnusedLocals: false,
    noUnusedParameters: false,
  },
  include: ['*.ts'],
  // Otherwise all of dist/ is left out.
  exclude: [],
});

/** The public functions that have no example in their comments. */
export function functionsWithoutExample(): readonly string[] {
  return ['lib/index.ts', 'servers/index.ts'].flatMap((index) =>
    Array.from(namesOf(index).exported, ([name, origin]) => [name, declarationOf(origin)] as const)
      .filter(([, declaration]) => declaration !== undefined && ts.isFunctionDeclaration(declaration))
      .filter(([, declaration]) => !declaration?.getFullText().includes('@example'))
      .map(([name]) => name),
  );
}

/** Where a name is declared, through all files that pass it on. */
function declarationOf({ from, name }: Origin): ts.Statement | undefined {
  const passedOn = namesOf(from).exported.get(name);
  if (passedOn !== undefined && passedOn.from !== from) return declarationOf(passedOn);
  return fileAt(from).statements.find((statement) => declaredBy(statement).includes(name));
}

/** Addresses and names that are none of this machine's. */
const ELSEWHERE = /\b(?!127\.)\d+\.\d+\.\d+\.\d+\b|example\.(?:org|com)/;

/**
 * Compiles an example to a JavaScript program that reports its results; `undefined` if it cannot be run. It can be run if every name
 * it uses has a value, and it either has comments with the results of its lines or uses the nodes of the prelude. It must not send
 * anything to another machine: an example that waits for something may name loopback addresses only. And it must not change this process.
 *
 * The program exports `results`, pairs of what a line gave and what its comment says, and `running`, its subscriptions.
 */
export function programOf({ text, parsed, origins }: ExampleModule): string | undefined {
  const values = new Map([...origins].filter(([, { isType }]) => !isType));
  if ([...values.values()].some(({ isDeclared }) => isDeclared)) return undefined;
  const isAsynchronous = /\bsubscribe\b|\bawait\b/.test(text);
  if ((isAsynchronous && ELSEWHERE.test(text)) || /\bprocess\./.test(text)) return undefined;
  let says = [...values.values()].some(({ from }) => from === PRELUDE);
  const statements = parsed.statements.map((statement) => {
    if (!ts.isExpressionStatement(statement)) return statement.getText(parsed);
    const { expression } = statement;
    const given = expression.getText(parsed);
    const said = saidBehind(text, statement);
    says ||= said !== undefined;
    const source = subscribedTo(expression)?.getText(parsed);
    if (source === undefined) return said === undefined ? `${given};` : `results.push([[${given}], ${said}]);`;
    if (said === undefined || !given.endsWith('.subscribe(console.log)')) return `running.add(${given});`;
    return `results.push([await allOf(${source}), ${said}]);`;
  });
  if (!says) return undefined;
  const specifierOf = (from: string) =>
    from.endsWith('.ts') ? new URL(`../../${from.replace(/\.ts$/, '.js')}`, import.meta.url).href : from;
  const module = [
    importsOf(values, specifierOf),
    "import { lastValueFrom as $lastValueFrom, Subscription as $Subscription, toArray as $toArray } from 'rxjs';",
    'const console = { log: () => undefined, error: () => undefined };',
    'export const results = [];',
    'export const running = new $Subscription();',
    'const allOf = (source$) => $lastValueFrom(source$.pipe($toArray()));',
    ...statements,
  ];
  const { outputText } = ts.transpileModule(module.join('\n'), {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  return outputText;
}

/** What is subscribed to, where an expression subscribes to something. */
function subscribedTo(expression: ts.Expression): ts.Expression | undefined {
  if (!ts.isCallExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) return undefined;
  return expression.expression.name.text === 'subscribe' ? expression.expression.expression : undefined;
}

/** The values in the comment behind a statement, as an array of them; `undefined` where there are none, or words. */
function saidBehind(text: string, statement: ts.Statement): string | undefined {
  const [comment] = ts.getTrailingCommentRanges(text, statement.end) ?? [];
  if (comment === undefined) return undefined;
  const said = `[${text.slice(comment.pos + 2, comment.end).trim()}]`;
  const [parsed] = parse('said.ts', said).statements;
  if (parsed?.end !== said.length || !ts.isExpressionStatement(parsed)) return undefined;
  return isLiteral(parsed.expression) ? said : undefined;
}

function isLiteral(node: ts.Expression): boolean {
  if (ts.isArrayLiteralExpression(node)) return node.elements.every(isLiteral);
  if (ts.isObjectLiteralExpression(node)) {
    return node.properties.every((property) => ts.isPropertyAssignment(property) && isLiteral(property.initializer));
  }
  if (ts.isPrefixUnaryExpression(node)) return isLiteral(node.operand);
  const { kind } = node;
  return (
    ts.isLiteralExpression(node) ||
    kind === ts.SyntaxKind.TrueKeyword ||
    kind === ts.SyntaxKind.FalseKeyword ||
    (ts.isIdentifier(node) && node.text === 'undefined')
  );
}
