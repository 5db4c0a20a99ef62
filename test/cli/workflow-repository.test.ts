import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readRepository } from '../../src/cli/workflow-repository.ts'

const runFile = promisify(execFile)

/** Git refuses to look into what another user owns. Unseen, a run would be one of another project, on `main`. */
test('a repository that belongs to another user is read as any other', async () => {
  const root = await mkdtemp(join(tmpdir(), 'trove-repository-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const git = async (...args: string[]): Promise<string> =>
    (await runFile('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], { cwd: root }))
      .stdout
  await git('init', '-q', '-b', 'topic')
  await git('remote', 'add', 'origin', 'https://git.example/octo/demo.git')
  await writeFile(join(root, 'ci.yml'), 'on: push')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'first')
  const sha = (await git('rev-parse', 'HEAD')).trim()
  // A variable of git's own tests.
  vi.stubEnv('GIT_TEST_ASSUME_DIFFERENT_OWNER', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  await expect(git('status')).rejects.toThrow('dubious ownership')
  const found = await readRepository(join(root, 'ci.yml'))
  expect(found).toMatchObject({ project: 'octo/demo', ref: 'refs/heads/topic', sha })
  expect(basename(found.directory)).toBe(basename(root))
})
