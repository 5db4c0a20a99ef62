/** actions/checkout: copies this repository into the workspace as it is on disk now, including
 *  uncommitted changes but not ignored files. A `ref` that names another commit is checked out as
 *  committed. Where git is available the workspace is a clone, so `git describe` and similar
 *  commands work in it. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants, copyFile, lstat, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import pLimit from 'p-limit'
import { bounds } from '../bounds.ts'
import { removeTree } from '../remove-tree.ts'
import { processEnvironment, StepFailure, type StepBody } from '../step/step-body.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { readBuiltInInputs } from './inputs.ts'

const runFile = promisify(execFile)

/** All inputs of v6. Inputs about the network and credentials are accepted and ignored. Submodules
 *  are copied if they are asked for and on this machine. */
const defaults = {
  repository: '',
  ref: '',
  token: '',
  'ssh-key': '',
  'ssh-known-hosts': '',
  'ssh-strict': 'true',
  'ssh-user': 'git',
  'persist-credentials': 'true',
  path: '',
  clean: 'true',
  filter: '',
  'sparse-checkout': '',
  'sparse-checkout-cone-mode': 'true',
  'fetch-depth': '1',
  'fetch-tags': 'false',
  'show-progress': 'true',
  lfs: 'false',
  submodules: 'false',
  'set-safe-directory': 'true',
  'github-server-url': '',
}

/** Errors: StepFailure. */
export async function runCheckout(body: StepBody, step: UsesStep): Promise<void> {
  const { job, log } = body
  const { repositoryDirectory, workDirectory, facts } = job.engine
  const inputs = await readBuiltInInputs(body, step, defaults)
  const repository = inputs.text('repository') || facts.repository
  if (repository.toLowerCase() !== facts.repository.toLowerCase()) {
    throw new StepFailure(
      `Cannot check out ${repository}: trove run checks out only this repository (${facts.repository})`,
    )
  }
  const { workspace } = job.directories
  const target = resolve(workspace, inputs.text('path'))
  if (!isBelow(target, workspace)) {
    throw new StepFailure(`Repository path '${target}' is not under '${workspace}'`)
  }
  const clean = inputs.boolean('clean')
  const ref = inputs.text('ref')
  const submodules = inputs.text('submodules').toLowerCase()
  const withSubmodules = submodules === 'true' || submodules === 'recursive'
  const git = createGit(body)
  const root = await git.rootOf(repositoryDirectory)
  if (root === undefined) {
    if (ref !== '')
      throw new StepFailure(
        `Cannot check out '${ref}': ${repositoryDirectory} is not a git repository`,
      )
    await prepareTarget(target, clean)
    const files = await listTree(asBytes(repositoryDirectory), asBytes(workDirectory))
    await copyFiles(asBytes(repositoryDirectory), asBytes(target), files)
    log.say(`copied ${repositoryDirectory} (not a git repository)`)
    return
  }
  const head = await git.commitOf(root, 'HEAD')
  const wanted = ref === '' ? head : await git.commitOf(root, ref)
  if (ref !== '' && wanted === undefined)
    throw new StepFailure(`Cannot check out '${ref}': no such ref in ${root}`)
  const cloned = await prepareTarget(target, clean)
  if (!cloned) {
    // Git does not pass `-c` options on to the process that reads the other repository.
    const reader = '--upload-pack=git -c safe.directory="*" upload-pack'
    await git.run(target, ['clone', '--quiet', '--shared', '--no-checkout', reader, root, '.'])
  }
  if (wanted !== undefined && wanted !== head) {
    await git.run(target, ['checkout', '--quiet', '--force', '--detach', wanted])
    log.say(`checked out ${wanted}`)
    if (withSubmodules && (await git.workingFiles(target)).includes('.gitmodules'))
      warnOf(body, `The submodules of ${wanted} are not checked out.`)
  } else {
    // Fill the index of the clone, so that `git status` in it reports the uncommitted changes.
    if (head !== undefined) await git.run(target, ['reset', '--quiet', '--mixed', head])
    const from = asBytes(root)
    const files = (await git.workingFiles(root)).filter(
      (path) => !isBelow(join(from, path), asBytes(workDirectory)),
    )
    await copyFiles(from, asBytes(target), files)
    if (withSubmodules)
      await copySubmodules(body, git, {
        from,
        to: asBytes(target),
        files,
        isRecursive: submodules === 'recursive',
      })
    log.say(`copied ${files.length} files from ${root}${head === undefined ? '' : `, at ${head}`}`)
  }
  Object.assign(body.outputs, { ref: ref || facts.ref, commit: wanted ?? '' })
}

function warnOf({ log }: StepBody, message: string): void {
  log.annotate({ level: 'warning', message })
}

/** Copies the files of the submodules among `files` as they are on disk now, like those of their
 *  repository, and without their history. Paths have one byte per character. */
async function copySubmodules(
  body: StepBody,
  git: Git,
  {
    from,
    to,
    files,
    isRecursive,
  }: { from: string; to: string; files: string[]; isRecursive: boolean },
): Promise<void> {
  for (const path of files) {
    const source = join(from, path)
    // An untracked repository ends in a slash.
    const stats = path.endsWith('/')
      ? undefined
      : await lstat(toPath(source)).catch(() => undefined)
    if (stats?.isDirectory() !== true) continue
    const shown = toPath(source).toString()
    if ((await git.rootOf(shown)) !== shown) {
      const advice = `git -C ${toPath(from).toString()} submodule update --init`
      warnOf(
        body,
        `The submodule ${toPath(path).toString()} is not on this machine; get it with ${advice}`,
      )
      continue
    }
    const inside = await git.workingFiles(shown)
    await copyFiles(source, join(to, path), inside)
    if (isRecursive) {
      const nested = { from: source, to: join(to, path), files: inside, isRecursive }
      await copySubmodules(body, git, nested)
    }
  }
}

/** Creates the directory. Empties it, unless it is a clone and `clean` is false. Returns true when
 *  an existing clone was kept. */
async function prepareTarget(target: string, clean: boolean): Promise<boolean> {
  if (!clean && existsSync(join(target, '.git'))) return true
  await removeTree(target)
  await mkdir(target, { recursive: true })
  return false
}

/** Returns `path` as a string with one byte per character (latin1). File names need not be UTF-8;
 *  joining and comparing paths works on these strings as on any other. */
function asBytes(path: string): string {
  return Buffer.from(path).toString('latin1')
}

/** Inverse of `asBytes`: the path as the file system takes it. */
function toPath(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}

function isBelow(path: string, directory: string): boolean {
  const rest = relative(directory, path)
  return rest !== '..' && !rest.startsWith(`..${sep}`)
}

interface Git {
  /** Root of the work tree that contains the directory; undefined when there is none, or no git. */
  rootOf: (directory: string) => Promise<string | undefined>
  commitOf: (directory: string, ref: string) => Promise<string | undefined>
  /** Existing files of the work tree that are tracked or not ignored, one byte per character. */
  workingFiles: (directory: string) => Promise<string[]>
  run: (directory: string, args: string[]) => Promise<string>
}

function createGit(body: StepBody): Git {
  const env = processEnvironment(body)
  const run = async (
    directory: string,
    args: string[],
    encoding: 'utf8' | 'latin1' = 'utf8',
  ): Promise<string> => {
    // The repository may belong to another user than this process; running it is the user's choice.
    const trusted = ['-c', 'safe.directory=*', '-c', 'advice.detachedHead=false', ...args]
    const maxBuffer = 1024 * 1024 * 1024
    const options = { cwd: directory, env, encoding, maxBuffer, signal: body.stop }
    return (await runFile('git', trusted, options)).stdout
  }
  const attempt = async (directory: string, args: string[]): Promise<string | undefined> =>
    await run(directory, args).catch((error: NodeJS.ErrnoException) => {
      // A numeric code is git's exit status; ENOENT means that git is not installed.
      if (typeof error.code === 'number' || error.code === 'ENOENT') return undefined
      throw error
    })
  return {
    run,
    rootOf: async (directory) =>
      (await attempt(directory, ['rev-parse', '--show-toplevel']))?.replace(/\n$/, ''),
    commitOf: async (directory, ref) => {
      for (const name of [ref, `refs/remotes/origin/${ref}`]) {
        const found = await attempt(directory, [
          'rev-parse',
          '--verify',
          '--quiet',
          '--end-of-options',
          `${name}^{commit}`,
        ])
        if (found !== undefined) return found.trim()
      }
      return undefined
    },
    workingFiles: async (directory) => {
      const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
      return (await run(directory, args, 'latin1')).split('\0').filter((path) => path !== '')
    },
  }
}

/** Lists every file below a directory that is not a repository, except below `except`, where the
 *  jobs of this run work. One byte per character. */
async function listTree(directory: string, except: string): Promise<string[]> {
  const found: string[] = []
  const walk = async (at: string): Promise<void> => {
    if (isBelow(at, except)) return
    const options = { withFileTypes: true, encoding: 'latin1' } as const
    for (const entry of await readdir(toPath(at), options)) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) await walk(path)
      else found.push(relative(directory, path))
    }
  }
  await walk(directory)
  return found
}

/** Copies files and symlinks with their modes. Skips files that no longer exist (deleted but still
 *  tracked). A directory in the list is a submodule and becomes an empty directory, as with git;
 *  `copySubmodules` fills it. Paths have one byte per character. */
async function copyFiles(from: string, to: string, paths: string[]): Promise<void> {
  const limit = pLimit(bounds.copiesMax)
  const directories = new Set(paths.map((path) => dirname(join(to, path))))
  for (const directory of directories) await mkdir(toPath(directory), { recursive: true })
  await Promise.all(
    paths.map((path) =>
      limit(async () => {
        const source = toPath(join(from, path))
        const target = toPath(join(to, path))
        const stats = await lstat(source).catch(() => undefined)
        if (stats === undefined) return
        if (stats.isDirectory()) {
          await mkdir(target, { recursive: true })
        } else if (stats.isSymbolicLink()) {
          await rm(target, { force: true })
          await symlink(await readlink(source, 'buffer'), target)
        } else if (stats.isFile()) {
          await copyFile(source, target, constants.COPYFILE_FICLONE)
        }
      }),
    ),
  )
}
