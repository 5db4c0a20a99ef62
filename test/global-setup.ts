/** Rebuilds `dist` when a source is newer. Worker threads load compiled code from there
 *  (src/program-files.ts), so a stale `dist` would test old workers. A build with type errors
 *  still emits, and prints the errors. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

export function setup(): void {
  if (newestChange('src') < newestChange('dist') && newestChange('schema') < newestChange('dist')) {
    return
  }
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, encoding: 'utf8' })
  if (build.status !== 0) process.stderr.write(`build failed: ${build.stdout}${build.stderr}\n`)
}

/** Epoch milliseconds of the last change to a file below `folder`; 0 when there are no files. */
function newestChange(folder: string): number {
  const path = join(root, folder)
  if (!existsSync(path)) return 0
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((f) =>
    f.isFile(),
  )
  return Math.max(0, ...files.map((f) => statSync(join(f.parentPath, f.name)).mtimeMs))
}
