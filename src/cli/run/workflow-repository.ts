/** Facts that git knows about the repository that a workflow runs on; all of them can be
 *  missing. */
import { execFile } from 'node:child_process'
import { userInfo } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import { inheritedEnvironment } from '../../config/config.ts'
import { branchOfTag, isTagRef } from '../../core/run/run.ts'

const runFile = promisify(execFile)

/** Used as the commit where there is none. */
export const noCommit = '0'.repeat(40)

export interface Repository {
  /** Absolute path of the work tree, or of the workflow's project directory when there is none. */
  directory: string
  /** Name of the remote `origin`, such as `owner/repo`; else `local/` and the directory's name. */
  project: string
  /** Such as `refs/heads/main` or `refs/tags/v1`. */
  ref: string
  /** 40 hex digits, or `noCommit`. */
  sha: string
  /** Branch of the remote `origin` that new clones check out; undefined if git does not know. */
  defaultBranch: string | undefined
  actor: string
}

/** Reads what git knows of the directory that contains `workflowFile`. A CI job checks out its
 *  commit without a branch and names the branch or tag itself (`jobBranch`, as in `RunFacts`).
 *  Without that name it is a tag of the commit, or else `HEAD`, as git calls it: an arbitrary
 *  commit must not pass for one of `main`. */
export async function readRepository(
  workflowFile: string,
  jobBranch: string | null,
): Promise<Repository> {
  const at = dirname(resolve(workflowFile))
  const env = inheritedEnvironment()
  const git = async (...args: string[]): Promise<string | undefined> =>
    // The repository may belong to another user, as in containers; the user chose to run it.
    await runFile('git', ['-c', 'safe.directory=*', ...args], { cwd: at, env }).then(
      ({ stdout }) => stdout.trim() || undefined,
      // A missing repository, commit, remote or git is no failure.
      () => undefined,
    )
  const directory = (await git('rev-parse', '--show-toplevel')) ?? surroundingsOf(at)
  const branch = await git('symbolic-ref', '--short', '-q', 'HEAD')
  const sha = await git('rev-parse', '-q', '--verify', 'HEAD^{commit}')
  const tag =
    branch === undefined && jobBranch === null
      ? await git('describe', '--tags', '--exact-match')
      : undefined
  return {
    directory,
    project:
      projectOf(await git('remote', 'get-url', 'origin')) ??
      `local/${plainName(basename(directory))}`,
    ref: refOf(
      branch ?? jobBranch ?? (tag && branchOfTag(tag)) ?? (sha === undefined ? 'main' : 'HEAD'),
    ),
    sha: sha ?? noCommit,
    defaultBranch: (
      await git('symbolic-ref', '--short', '-q', 'refs/remotes/origin/HEAD')
    )?.replace(/^origin\//, ''),
    actor: (await git('config', 'user.name')) ?? userName(),
  }
}

function refOf(branch: string): string {
  return isTagRef(branch) ? branch : `refs/heads/${branch}`
}

/** The number of a user without a name, as in containers. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `${process.getuid?.()}`
  }
}

/** The project directory of `.github/workflows/ci.yml` is the one that contains `.github`. */
function surroundingsOf(directory: string): string {
  return /^(.*)\/\.github\/workflows$/.exec(directory)?.[1] ?? directory
}

/** Parses `git@host:owner/repo.git` or `https://host/owner/repo`, where the owner may be several
 *  groups; else takes the last two names of a path. */
function projectOf(remote: string | undefined): string | undefined {
  const onHost = /^(?:[^/:]+:\/\/[^/]+\/|[^/:]+:)([^/].*)\/([^/]+?)(?:\.git)?\/?$/
  const anywhere = /[/:]([^/:]+)\/([^/]+?)(?:\.git)?\/?$/
  const [, owner, repo] = onHost.exec(remote ?? '') ?? anywhere.exec(remote ?? '') ?? []
  return owner === undefined || repo === undefined
    ? undefined
    : [...owner.split(/\/+/), repo].map(plainName).join('/')
}

/** Replaces characters that a project's name may not contain. */
function plainName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]+/g, '-') || 'repository'
}
