/** Bundles the command and each worker thread into a few files, which replace the compiled modules:
 *  finding and opening many small modules takes longer than a small command runs (decision 32 in
 *  README.md). All other modules stay as compiled, for programs that import the library and for
 *  tests. */
import { chmodSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { sharedChunk } from './shared-chunk.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const output = join(here, '..', 'dist', 'src')
const command = join('cli', 'main')
const atStart = ['cli/command-list.ts', 'cli/program.ts'].map((path) => join(here, path))
/** Worker threads, started by file path (`program-files.ts`). The modules that start them stay
 *  unbundled, because programs that import those must recognize their errors. */
const threads = [
  'client/files/file-worker.ts',
  'ingest/pool/ingest-worker.ts',
  'lifecycle/background/background-worker.ts',
  'metadata/sqlite/log/log-keeper-thread.ts',
  'metadata/sqlite/thread/sqlite-thread.ts',
  'web/render-worker.ts',
  'workflow/glob/glob-worker.ts',
].map((path) => join(here, path))

/** The package `bindings` looks for the native part of `better-sqlite3` in a dozen places. That and
 *  loading the other modules of both takes each thread 6 ms. */
const sqliteAddon = {
  name: 'sqlite addon',
  setup({ onResolve, onLoad }) {
    const namespace = 'addon'
    onResolve({ filter: /^bindings$/ }, ({ path }) => ({ path, namespace }))
    onLoad({ filter: /./, namespace }, () => ({
      contents: `module.exports = (name) => require('better-sqlite3/build/Release/' + name)`,
    }))
  },
}

const options = {
  outdir: output,
  outbase: here,
  absWorkingDir: here,
  bundle: true,
  plugins: [sqliteAddon],
  // These read files next to themselves, or are rarely loaded.
  external: ['@actions/*', '@aws-sdk/*'],
  // CommonJS modules in the bundle load what is not bundled through `require`.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
}

// Chunk names contain a content hash, so chunks of earlier builds would accumulate.
rmSync(join(output, 'chunks'), { recursive: true, force: true })
await Promise.all([
  // Commands that are loaded on demand share modules with the entry point; shared modules become
  // chunks.
  build({
    ...options,
    plugins: [...options.plugins, sharedChunk(atStart)],
    entryPoints: [join(here, `${command}.ts`)],
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  }),
  build({ ...options, entryPoints: threads }),
])
chmodSync(join(output, `${command}.js`), 0o755)
