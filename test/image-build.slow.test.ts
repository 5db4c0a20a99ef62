/** A build of what the image is built from: the files that `.dockerignore` lets through, of a
 *  checkout that only its owner can read. The image runs as another user. */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileDirectory } from './temporary-directory.ts'

const root = new URL('..', import.meta.url).pathname

function copyContext(): { context: string; sh: (script: string) => string } {
  const context = fileDirectory()
  const [first, ...included] = readFileSync(join(root, '.dockerignore'), 'utf8').trim().split('\n')
  expect(first).toBe('*')
  for (const name of included.map((line) => line.replace(/^!/, '')))
    cpSync(join(root, name), join(context, name), { recursive: true })
  const sh = (script: string): string =>
    execFileSync('sh', ['-c', script], { cwd: context, encoding: 'utf8', stdio: 'pipe' })
  return { context, sh }
}

test('a checkout of a strict umask builds into files that everybody can read', () => {
  const { context, sh } = copyContext()
  sh('chmod -R go-rwx .')
  symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'))
  const [, prepare = ''] =
    /^RUN (chmod .+) && npm run --silent build /m.exec(
      readFileSync(join(root, 'Dockerfile'), 'utf8'),
    ) ?? []
  sh(`umask 022 && ${prepare} && npm run --silent build`)
  expect(sh('find dist/src/cli/main.js -size +0')).toBe('dist/src/cli/main.js\n')
  expect(sh('find package.json dist ! -perm -o=r')).toBe('')
  expect(sh('find dist -type d ! -perm -o=x')).toBe('')
})

// A program of an earlier version and new migrations, or the reverse, start without an error.
test('a build that fails leaves nothing of an earlier one', () => {
  const { sh } = copyContext()
  sh('mkdir -p dist/src/cli node_modules/.bin && touch dist/src/cli/main.js')
  sh("echo 'echo out of memory; exit 1' > node_modules/.bin/tsc && chmod +x node_modules/.bin/tsc")
  expect(() => sh('npm run --silent build')).toThrow(
    expect.objectContaining({ stdout: 'out of memory\n' }),
  )
  expect(sh('find dist -name main.js')).toBe('')
})
