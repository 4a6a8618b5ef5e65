import js from '@eslint/js';
import regexp from 'eslint-plugin-regexp';
import rxjsX from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked, rxjsX.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A source that ends without a value is a failure here, and EmptyError says so.
      'rxjs-x/no-ignored-default-value': 'off',
      // typescript-eslint's own `unbound-method` knows types, and arrow functions.
      'rxjs-x/no-unbound-methods': 'off',
      // Numbers in a text need no ceremony.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    // Where nobody handles an error the program shall end with it, for everybody to see.
    files: ['examples/**/*.ts', 'spec/**/*.ts'],
    rules: { 'rxjs-x/no-ignored-error': 'off' },
  },
  {
    // The library never writes to the console: it has `trace$`.
    files: ['lib/**/*.ts', 'servers/**/*.ts'],
    ignores: ['lib/cli/**'],
    rules: { 'no-console': 'error' },
  },
  {
    // What a stranger sends costs linear time at most. The rules know a regular expression that takes more, a queue that moves all of
    // it up at each step, and bytes that are all copied again at each piece.
    files: ['lib/**/*.ts', 'servers/**/*.ts'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential', ignoreSticky: false, ignorePartial: false }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name="shift"]',
          message: 'Use `Queue`: `shift` moves all others up.',
        },
        {
          selector:
            'AssignmentExpression > CallExpression.right[callee.object.name="Buffer"][callee.property.name="concat"]',
          message: 'Use `Gathered`: this copies all that came before at each piece.',
        },
        {
          selector: 'CallExpression[callee.property.name=/^(push|unshift|splice)$/] > SpreadElement',
          message: 'Add them one by one, or make a new array: a call with some hundred thousand arguments throws.',
        },
        {
          selector: 'MemberExpression[object.name="URL"][property.name="canParse"]',
          message: 'Use `readUrl`: Node 20 says of some texts that it can parse them, and then cannot.',
        },
        {
          selector: 'ImportSpecifier[imported.name=/^generateKeyPair/]',
          message: 'Use `newPrivateKey`: Node may stand still for ever when it collects what this leaves behind.',
        },
        {
          selector: 'Property[key.name="type"][value.value="spki"]',
          message:
            'Use `publicBytesOf` and `publicKeyOf`: OpenSSL takes 0.2 ms for a key in DER, as long as for a signature.',
        },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
);
