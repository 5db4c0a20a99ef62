/** The client package in Node for Windows: its paths, its names, its lack of modes. Wine shows the
 *  file system of this machine as Windows would: case-insensitive. */
import { execFile, execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { makeDirectory } from '../client/tree.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import {
  type Ended,
  hasWine,
  openWindowsNode,
  reportMissingWine,
  type WindowsNode,
} from './windows-node.ts'

if (!hasWine) reportMissingWine('trove on Windows')

const folder = await makeDirectory()

describe.runIf(hasWine)('trove on Windows', () => {
  let server: TestServer
  let node: WindowsNode
  let program: string
  let token: string
  let made = 0
  beforeAll(async () => {
    server = await openServer()
    token = await server.token({ run: 7, job: 'build', scope: 'job' })
    const archive = Buffer.from(await (await fetch(`${server.url}/trove.tgz`)).arrayBuffer())
    execFileSync('tar', ['-xzC', folder], { input: archive })
    program = join(folder, 'package/dist/src/cli/client-main.js')
    node = await openWindowsNode()
  })
  afterAll(async () => {
    await node.close()
    await server.close()
  })

  const environment = (): Record<string, string> => ({ TROVE_URL: server.url, TROVE_TOKEN: token })

  async function trove(args: string[], cwd = folder): Promise<Ended> {
    return await node.run([program, ...args], { cwd, env: environment() })
  }

  async function makeTree(files: Record<string, string>): Promise<string> {
    made += 1
    const root = join(folder, `tree-${made}`)
    await mkdir(root)
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    }
    return root
  }

  /** Uploads an artifact from this machine. */
  async function uploadHere(name: string, directory: string): Promise<void> {
    const client = createClient({ url: server.url, token })
    const source = { kind: 'patterns', patterns: ['.'], directory } as const
    await client.upload({ project: 'octo/app', run: 7, name, source })
  }

  /** Lists on this machine, which takes a tenth of the time. */
  async function list(name: string): Promise<string[]> {
    const env = { ...process.env, ...environment() }
    const args = [program, 'ls', '-R', `7/${name}`]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env })
    return stdout.split('\n').filter(Boolean)
  }

  test('an upload has paths with slashes, default modes, and directories only where they are empty', async () => {
    const root = await makeTree({ 'a.txt': 'a', 'sub/deep/b.js': 'b', 'sub/c.log': 'c' })
    await chmod(join(root, 'a.txt'), 0o755)
    await mkdir(join(root, 'empty'))
    expect(await trove(['upload', 'plain', '.'], root)).toMatchObject({ status: 0 })
    const { stdout } = await trove(['ls', '-R', '-l', '7/plain'])
    expect(
      stdout
        .split(/\r?\n/)
        .map((line) => line.replace(/ .* /, ' '))
        .filter(Boolean),
    ).toEqual([
      '-rw-r--r-- a.txt',
      'drwxr-xr-x empty/',
      '-rw-r--r-- sub/c.log',
      '-rw-r--r-- sub/deep/b.js',
    ])
  })

  test('patterns can have backslashes or slashes, and be relative or start at a drive', async () => {
    const root = await makeTree({ 'out/a.JS': 'a', 'out/lib/b.js': 'b', 'out/lib/c.map': 'c' })
    const windowsRoot = `Z:${root.replaceAll('/', '\\')}`
    for (const [index, patterns] of [
      ['out\\**\\*.js'],
      ['out/**/*.js'],
      [`${windowsRoot}\\out\\**\\*.js`],
      [`${root}/out/**/*.js`],
      ['out\\', '!out\\lib\\*.map'],
      ['out', '--exclude', 'lib\\*.map'],
      // Relative to the current directory of a drive; and one directory in several spellings.
      ['Z:out\\a.*', `${windowsRoot.replace('Z:', 'z:')}\\Out\\**\\b.js`, 'OUT\\lib\\*.js'],
    ].entries()) {
      const { status, stderr } = await trove(['upload', `p${index}`, ...patterns], root)
      expect(status, stderr).toBe(0)
      expect(await list(`p${index}`), patterns.join(' ')).toEqual(['a.JS', 'lib/b.js'])
    }
  })

  test('unchanged files are not sent again', async () => {
    const root = await makeTree({ 'a.txt': 'a'.repeat(100_000) })
    await trove(['upload', 'again', '.'], root)
    const { stderr } = await trove(['upload', 'again', '.', '--overwrite'], root)
    expect(stderr).toContain('sent 0 B')
  })

  test('a download restores everything except modes, which verify ignores, and fetches nothing twice', async () => {
    const root = await makeTree({ tool: 'x', 'sub/data': 'd', 'sub/fixed': 'f' })
    await chmod(join(root, 'tool'), 0o755)
    await chmod(join(root, 'sub/fixed'), 0o444)
    await chmod(join(root, 'sub'), 0o700)
    await uploadHere('modes', root)
    expect(await trove(['download', '7/modes', 'back'])).toMatchObject({ status: 0 })
    expect(await readFile(join(folder, 'back/sub/data'), 'utf8')).toBe('d')
    // A read-only file could not be replaced.
    expect((await stat(join(folder, 'back/sub/fixed'))).mode & 0o200).toBe(0o200)
    expect((await trove(['verify', '7/modes', 'back'])).stderr).toContain('identical')
    expect((await trove(['download', '7/modes', 'back'])).stderr).toContain('0 of 3 files written')
    await writeFile(join(folder, 'back/sub/data'), 'changed')
    await writeFile(join(folder, 'back/strange'), 'changed')
    const repaired = await trove(['download', '7/modes', 'back', '--delete'])
    expect(repaired.stderr).toContain('1 of 3 files written')
    execFileSync('diff', ['-r', root, join(folder, 'back')])
  })

  test('a file whose name differs only in case is replaced, and does not count as extra', async () => {
    await uploadHere(
      'letters',
      await makeTree({ 'readme.md': 'new', 'docs/a': 'a', 'docs/b': 'b' }),
    )
    const back = await makeTree({ 'README.md': 'old', 'Docs/B': 'b', 'Docs/own': 'own' })
    const { status, stderr } = await trove(['download', '7/letters', back])
    expect(status, stderr).toBe(0)
    expect(stderr).toContain('2 of 3 files written')
    // On Wine the file keeps its name.
    expect(await readFile(join(back, 'README.md'), 'utf8')).toBe('new')
    expect((await readdir(join(back, 'Docs'))).toSorted()).toEqual(['B', 'a', 'own'])
    const { stderr: told } = await trove(['download', '7/letters', back, '--delete'])
    expect(told).toContain('0 of 3 files written, 1 deleted')
    expect((await readdir(back)).toSorted()).toEqual(['Docs', 'README.md'])
    expect((await readdir(join(back, 'Docs'))).toSorted()).toEqual(['B', 'a'])
  })

  test('files that are read-only, or open for a while, are replaced', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `file-${index}`)
    const contents = (word: string): Record<string, string> =>
      Object.fromEntries(names.map((name) => [name, `${word} ${name}`]))
    await uploadHere('replaced', await makeTree(contents('new')))
    const back = await makeTree(contents('old'))
    await chmod(join(back, 'file-3'), 0o444)
    // Holds a file open as a virus scanner would, until a second after the new files are staged.
    const scanner = join(folder, 'scanner.mjs')
    await writeFile(
      scanner,
      `import { closeSync, existsSync, openSync, readdirSync } from 'node:fs'
      const file = openSync(${JSON.stringify(join(back, 'file-5'))}, 'r')
      const looking = setInterval(() => {
        const partial = ${JSON.stringify(join(back, '.trove-partial'))}
        const isBegun = (name) => existsSync(\`\${partial}/\${name}/files\`)
        if (!existsSync(partial) || !readdirSync(partial).some(isBegun)) return
        clearInterval(looking)
        setTimeout(() => closeSync(file), 1000)
      }, 20)`,
    )
    const args = ['--import', `file:///Z:${scanner}`, program, 'download', '7/replaced', back]
    const { status, stderr } = await node.run(args, { cwd: folder, env: environment() })
    expect(status, stderr).toBe(0)
    for (const name of names) expect(await readFile(join(back, name), 'utf8')).toBe(`new ${name}`)
  })

  test.each([
    ['sub\\evil', String.raw`Windows does not allow "\\" in names`],
    ['file:evil', 'Windows does not allow ":" in names'],
    ['sub/aux.txt', 'it is the name of a Windows device'],
    ['end.', 'Windows does not allow names that end in a dot or a space'],
  ])(
    'a name that is invalid on Windows is rejected before anything is written: %s',
    async (path, reason) => {
      const name = `odd-${made}`
      await uploadHere(name, await makeTree({ fine: 'f', [path]: 'evil' }))
      const { status, stderr } = await trove(['download', `7/${name}`, name])
      expect(status).not.toBe(0)
      expect(stderr).toContain(`invalid path ${JSON.stringify(path)}: ${reason}`)
      await expect(stat(join(folder, name))).rejects.toMatchObject({ code: 'ENOENT' })
    },
  )

  test('two names that differ only in case are rejected, and both are reported', async () => {
    await uploadHere('alike', await makeTree({ Makefile: '1', makefile: '2' }))
    const { status, stderr } = await trove(['download', '7/alike', 'alike'])
    expect(status).not.toBe(0)
    expect(stderr).toContain(
      '"makefile": the file system of DEST cannot distinguish it from "Makefile"',
    )
    expect(execFileSync('ls', ['-A', join(folder, 'alike')]).toString()).toBe('')
  })
})
