/** Bundles browser modules and the style sheet into `dist/src/web/assets`, each under a name that holds a hash of its
 *  content, so that a browser may keep it for ever; `manifest.json` maps source names to those. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const output = join(root, 'dist', 'src', 'web', 'assets')
/** Modules that a page or a worker loads; the others are parts of these. */
const entries = readdirSync(join(here, 'browser'))
  .filter((name) => /-(page|worker)\.ts$/.test(name))
  .map((name) => join(here, 'browser', name))

const { metafile, outputFiles } = await build({
  entryPoints: [...entries, join(here, 'style.css')],
  entryNames: '[name]-[hash]',
  outdir: output,
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome111', 'firefox114', 'safari16.4'],
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'warning',
})
const names = Object.entries(metafile.outputs)
  .filter(([, { entryPoint }]) => entryPoint !== undefined)
  .map(([path, { entryPoint }]) => [basename(entryPoint).replace(/\.ts$/, ''), basename(path)])

rmSync(output, { recursive: true, force: true })
mkdirSync(output, { recursive: true })
for (const { path, contents } of outputFiles) writeFileSync(path, contents)
writeFileSync(
  join(output, 'manifest.json'),
  `${JSON.stringify(Object.fromEntries(names.toSorted(([a], [b]) => (a < b ? -1 : 1))))}\n`,
)
