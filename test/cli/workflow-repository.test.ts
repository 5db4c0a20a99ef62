import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readRepository } from '../../src/cli/run/workflow-repository.ts'
import { makeDirectory } from '../client/tree.ts'

const runFile = promisify(execFile)

async function createRepository(): Promise<{
  workflow: string
  git: (...args: string[]) => Promise<string>
}> {
  const root = await makeDirectory()
  const git = async (...args: string[]): Promise<string> =>
    (
      await runFile('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], { cwd: root })
    ).stdout.trim()
  await git('init', '-q', '-b', 'topic')
  await git('remote', 'add', 'origin', 'https://git.example/octo/demo.git')
  const workflow = join(root, 'ci.yml')
  await writeFile(workflow, 'on: push')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'first')
  return { workflow, git }
}

/** Git refuses to read a repository that another user owns. Without it a run would belong to
 *  another project, on `main`. */
test('a repository that belongs to another user is read like any other', async () => {
  const { workflow, git } = await createRepository()
  const sha = await git('rev-parse', 'HEAD')
  // A variable from git's own tests.
  vi.stubEnv('GIT_TEST_ASSUME_DIFFERENT_OWNER', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  await expect(git('status')).rejects.toThrow('dubious ownership')
  const found = await readRepository(workflow, null)
  expect(found).toMatchObject({ project: 'octo/demo', ref: 'refs/heads/topic', sha })
  expect(basename(found.directory)).toBe(basename(dirname(workflow)))
})

test.each([
  ['https://git.example/acme/platform/api.git', 'acme/platform/api'],
  ['ssh://git@git.example:2222/acme/platform/api/', 'acme/platform/api'],
  ['git@git.example:acme/platform/api.git', 'acme/platform/api'],
  ['git@git.example:octo/demo', 'octo/demo'],
  ['https://git.example/octo/my%20demo', 'octo/my-20demo'],
  ['git@git.example:/srv/git/octo/demo.git', 'octo/demo'],
  ['file:///srv/git/octo/demo.git', 'octo/demo'],
  ['/srv/git/octo/demo', 'octo/demo'],
])('%s names project %s', async (remote, project) => {
  const { workflow, git } = await createRepository()
  await git('remote', 'set-url', 'origin', remote)
  expect(await readRepository(workflow, null)).toMatchObject({ project })
})

test('a user without a name, as in containers, has a number', async () => {
  for (const name of ['GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM']) vi.stubEnv(name, '/dev/null')
  const userInfo = (): never => {
    throw new Error('uv_os_get_passwd returned ENOENT')
  }
  vi.doMock('node:os', async (original) => ({ ...(await original<object>()), userInfo }))
  vi.resetModules()
  onTestFinished(() => {
    vi.unstubAllEnvs()
    vi.doUnmock('node:os')
    vi.resetModules()
  })
  const { readRepository: read } = await import('../../src/cli/run/workflow-repository.ts')
  const { workflow } = await createRepository()
  expect(await read(workflow, null)).toMatchObject({ actor: `${process.getuid?.()}` })
})

test('the default branch is that of the remote, if git knows it', async () => {
  const { workflow, git } = await createRepository()
  expect(await readRepository(workflow, null)).toMatchObject({ defaultBranch: undefined })
  await git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/release/next')
  expect(await readRepository(workflow, null)).toMatchObject({ defaultBranch: 'release/next' })
})

test('a detached commit, as in CI jobs, gets the branch that the job names, and never main by default', async () => {
  const { workflow, git } = await createRepository()
  const refOf = async (told: string | null): Promise<string> =>
    (await readRepository(workflow, told)).ref
  expect(await refOf('told')).toBe('refs/heads/topic')
  await git('checkout', '-q', '--detach')
  expect([await refOf('told'), await refOf(null)]).toEqual(['refs/heads/told', 'refs/heads/HEAD'])
  await git('tag', 'v1')
  expect([await refOf('told'), await refOf(null)]).toEqual(['refs/heads/told', 'refs/tags/v1'])
  expect(await refOf('refs/tags/v2')).toBe('refs/tags/v2')
})
