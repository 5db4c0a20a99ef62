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

const options = {
  outdir: output,
  outbase: here,
  absWorkingDir: here,
  bundle: true,
  // These are native, or CommonJS, or look for files beside themselves, or are loaded by few.
  external: ['better-sqlite3', 'tar-stream', '@actions/*', '@aws-sdk/*'],
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
