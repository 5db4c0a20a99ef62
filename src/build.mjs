/** Builds `dist`: compiles all modules, then bundles some of them. With `--if-changed` does nothing
 *  when `dist` was built from exactly what is here now. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const output = join(root, 'dist')
/** Written last, so that a build which failed or was killed is not taken for one of its inputs. */
const builtFrom = join(output, 'built-from')

/** Names all that a build reads; the first file describes the installed packages. */
function digestOfInputs() {
  const hash = createHash('sha256')
  const single = ['node_modules/.package-lock.json', 'package.json', 'tsconfig.json']
  const below = ['schema', 'src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name).slice(root.length)),
  )
  for (const path of [...single, ...below.toSorted((a, b) => (a < b ? -1 : 1))]) {
    const content = existsSync(join(root, path)) ? readFileSync(join(root, path)) : ''
    hash.update(`${path} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

const inputs = digestOfInputs()
const isCurrent =
  process.argv.includes('--if-changed') &&
  existsSync(builtFrom) &&
  readFileSync(builtFrom, 'utf8') === inputs
if (!isCurrent) {
  rmSync(output, { recursive: true, force: true })
  cpSync(join(root, 'schema', 'migrations'), join(output, 'schema', 'migrations'), {
    recursive: true,
  })
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  const { status, error } = spawnSync(compiler, ['-p', 'src'], { cwd: root, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status === 0) {
    await Promise.all([
      import('./bundle.mjs'),
      import('./client/bundle.mjs'),
      import('./web/bundle.mjs'),
    ])
    writeFileSync(builtFrom, inputs)
  } else {
    process.exitCode = 1
  }
}
