/** Builds `dist` if it was not built from the sources as they are. Worker threads load compiled
 *  code from there (src/program-files.ts), so a stale `dist` would test old workers. A build with
 *  type errors still emits, and prints the errors. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export function setup(): void {
  const program = fileURLToPath(new URL('../src/build.mjs', import.meta.url))
  const build = spawnSync(process.execPath, [program, '--if-changed'], { encoding: 'utf8' })
  if (build.status !== 0) process.stderr.write(`build failed: ${build.stdout}${build.stderr}\n`)
}
