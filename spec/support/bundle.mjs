// Bundles a program with all that it imports into one folder, as an ES module `app.js` for Node:
//
//   node spec/support/bundle.mjs esbuild|rollup|vite PROGRAM FOLDER
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';

const [bundler, app, folder] = process.argv.slice(2);

switch (bundler) {
  case 'esbuild':
    await esbuild.build({
      entryPoints: { app },
      bundle: true,
      platform: 'node',
      format: 'esm',
      splitting: true,
      outdir: folder,
    });
    break;
  case 'rollup': {
    const plugins = [nodeResolve({ preferBuiltins: true }), commonjs(), json()];
    const bundle = await rollup({ input: { app }, plugins });
    await bundle.write({ dir: folder, format: 'es' });
    await bundle.close();
    break;
  }
  case 'vite':
    await vite.build({
      configFile: false,
      envDir: false,
      ssr: { noExternal: true },
      build: { ssr: true, outDir: folder, emptyOutDir: false, rollupOptions: { input: { app } } },
    });
    break;
  default:
    throw new Error(`Expected esbuild, rollup or vite, got ${bundler}`);
}
