/** The repository that a workflow runs on, as git tells it; all of it can be missing. */
import { execFile } from 'node:child_process'
import { userInfo } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import { inheritedEnvironment } from '../config.ts'

const runFile = promisify(execFile)

/** What a workflow is told in place of a commit where there is none. */
export const noCommit = '0'.repeat(40)

export interface Repository {
  /** The work tree, or the workflow's own surroundings where there is none. Absolute. */
  directory: string
  /** Name of the remote `origin`, such as `owner/repo`, else `local/` and the directory's name. */
  project: string
  /** `refs/heads/main`, `refs/tags/v1`. */
  ref: string
  /** 40 hex digits, or `noCommit`. */
  sha: string
  actor: string
}

/** Reads what git knows of the directory that holds `workflowFile`. A CI job has its commit checked out without a branch and
 *  tells the branch itself (`toldBranch`); where nobody does, it is `HEAD`, as git calls it: a commit of anything must not
 *  pass for one of `main`. */
export async function readRepository(
  workflowFile: string,
  toldBranch: string | null,
): Promise<Repository> {
  const at = dirname(resolve(workflowFile))
  const env = inheritedEnvironment()
  const git = async (...args: string[]): Promise<string | undefined> =>
    // The repository may belong to another user, as in containers; it is the user's own choice to run it.
    await runFile('git', ['-c', 'safe.directory=*', ...args], { cwd: at, env }).then(
      ({ stdout }) => stdout.trim() || undefined,
      // No repository, no commit, no remote, no git: each is an answer, not a failure.
      () => undefined,
    )
  const directory = (await git('rev-parse', '--show-toplevel')) ?? surroundingsOf(at)
  const branch = await git('symbolic-ref', '--short', '-q', 'HEAD')
  const sha = await git('rev-parse', '-q', '--verify', 'HEAD^{commit}')
  const tag = branch === undefined ? await git('describe', '--tags', '--exact-match') : undefined
  return {
    directory,
    project:
      projectOf(await git('remote', 'get-url', 'origin')) ??
      `local/${plainName(basename(directory))}`,
    ref:
      tag === undefined
        ? `refs/heads/${branch ?? toldBranch ?? (sha === undefined ? 'main' : 'HEAD')}`
        : `refs/tags/${tag}`,
    sha: sha ?? noCommit,
    actor: (await git('config', 'user.name')) ?? userInfo().username,
  }
}

/** `.github/workflows/ci.yml` belongs to the directory that holds `.github`. */
function surroundingsOf(directory: string): string {
  return /^(.*)\/\.github\/workflows$/.exec(directory)?.[1] ?? directory
}

/** From `git@host:owner/repo.git` or `https://host/owner/repo`, where the owner may be several groups; else from the last two
 *  names of a directory. */
function projectOf(remote: string | undefined): string | undefined {
  const onHost = /^(?:[^/:]+:\/\/[^/]+\/|[^/:]+:)([^/].*)\/([^/]+?)(?:\.git)?\/?$/
  const anywhere = /[/:]([^/:]+)\/([^/]+?)(?:\.git)?\/?$/
  const [, owner, repo] = onHost.exec(remote ?? '') ?? anywhere.exec(remote ?? '') ?? []
  return owner === undefined || repo === undefined
    ? undefined
    : [...owner.split(/\/+/), repo].map(plainName).join('/')
}

/** Only what a project's name may hold. */
function plainName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]+/g, '-') || 'repository'
}
