/** Builds `dist/client.tgz`: an npm package of the commands that talk to a server. Servers serve
 *  it (`http/operation/client-package.ts`), so that a CI job needs only Node. The build is
 *  deterministic: the same source gives the same bytes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buffer } from 'node:stream/consumers'
import { build } from 'esbuild'
import { pack } from 'tar-stream'
import { sharedChunk } from '../shared-chunk.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const source = join(root, 'src')
const command = 'dist/src/cli/client-main.js'
const atStart = ['client-commands.ts', 'program.ts'].map((name) => join(source, 'cli', name))

const { outputFiles } = await build({
  entryPoints: [
    join(source, 'cli', 'client-main.ts'),
    // The worker thread, which the command starts by file path (`program-files.ts`).
    join(here, 'files', 'file-worker.ts'),
  ],
  plugins: [sharedChunk(atStart)],
  outdir: join(root, 'dist', 'src'),
  outbase: source,
  absWorkingDir: source,
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  charset: 'utf8',
  legalComments: 'inline',
  logLevel: 'warning',
  write: false,
})

const { name, version, description, license, engines } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
)
const about = {
  name,
  version,
  description,
  license,
  type: 'module',
  engines,
  bin: { trove: command },
}
const files = [
  { path: 'package.json', content: Buffer.from(`${JSON.stringify(about, null, 2)}\n`) },
  ...outputFiles
    .map(({ path, contents }) => ({
      path: relative(root, path).split(sep).join('/'),
      content: Buffer.from(contents),
    }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
]

const archive = pack()
const mtime = new Date('2000-01-01T00:00:00Z')
for (const { path, content } of files) {
  const mode = path === command ? 0o755 : 0o644
  archive.entry({ name: `package/${path}`, mode, mtime }, content)
}
archive.finalize()
writeFileSync(join(root, 'dist', 'client.tgz'), gzipSync(await buffer(archive), { level: 9 }))
