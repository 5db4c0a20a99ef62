/** Bundles browser modules and the style sheet into `dist/src/web/assets`. Each file name
 *  contains a hash of the content, so browsers may cache it forever; `manifest.json` maps
 *  source names to file names. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const output = join(root, 'dist', 'src', 'web', 'assets')
/** Modules that a page or a worker loads; the other modules are imported by these. */
const entries = readdirSync(join(here, 'browser'))
  .filter((name) => /-(page|worker)\.ts$/.test(name))
  .map((name) => join(here, 'browser', name))

/** Browsers need only a few values of `core/limits.ts`, but a bundler cannot drop unused
 *  properties of an object. So each limit becomes a constant of its own. The compiled module
 *  exists, because the build compiles before it bundles. */
const { limits } = await import(join(root, 'dist', 'src', 'core', 'limits.js'))
const onlyUsedLimits = {
  name: 'only-used-limits',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^limit-values$/ }, () => ({ path: 'limit-values', namespace: 'limits' }))
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const imported = /^import \{ limits \} from '[^']*\/limits\.ts'$/m
      return {
        contents: source.replace(imported, "import * as limits from 'limit-values'"),
        loader: 'ts',
      }
    })
    onLoad({ filter: /.*/, namespace: 'limits' }, () => ({
      contents: Object.entries(limits)
        .map(([name, value]) => `export const ${name} = ${JSON.stringify(value)}`)
        .join('\n'),
    }))
  },
}

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
  plugins: [onlyUsedLimits],
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
