/** Puts the command, and each thread, together into few files, in place of what the compiler made of these modules: many
 *  small modules take longer to find and to open than a small command runs (decision 32 in README.md). All other modules
 *  stay as they were compiled, for programs that import the library, and for tests. */
import { chmodSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const output = join(here, '..', 'dist', 'src')
const command = join('cli', 'main')
/** Started by their place (`program-files.ts`). The modules that start them stay as they are: programs that import those must
 *  know their errors. */
const threads = [
  'client/files/file-worker.ts',
  'ingest/ingest-worker.ts',
  'lifecycle/background-worker.ts',
  'metadata/log-keeper-thread.ts',
  'metadata/sqlite-thread.ts',
  'web/render-worker.ts',
  'workflow/glob-worker.ts',
].map((path) => join(here, path))

/** Native, so not put together. By `require`: Node looks through CommonJS that is imported for its exports first, in each
 *  thread anew, which takes half as long as to load it. */
const native = 'better-sqlite3'
const requireNative = {
  name: 'require native',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^${native}$`) }, ({ path, namespace }) =>
      namespace === native ? { path, external: true } : { path, namespace: native },
    )
    onLoad({ filter: /./, namespace: native }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }))
  },
}

const options = {
  outdir: output,
  outbase: here,
  absWorkingDir: here,
  bundle: true,
  plugins: [requireNative],
  // These look for files beside themselves, or are loaded by few.
  external: ['@actions/*', '@aws-sdk/*'],
  // CommonJS asks for what is not here by it.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  charset: 'utf8',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
}

// Their names hold a hash of the content, so those of the build before would stay.
rmSync(join(output, 'chunks'), { recursive: true, force: true })
await Promise.all([
  // Commands that are loaded when they are asked for share modules with it, which are then files of their own.
  build({
    ...options,
    entryPoints: [join(here, `${command}.ts`)],
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  }),
  build({ ...options, entryPoints: threads }),
])
chmodSync(join(output, `${command}.js`), 0o755)
