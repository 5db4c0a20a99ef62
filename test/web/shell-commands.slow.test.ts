/** The commands that pages show work as pasted, whatever artifacts and files are named. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const folder = await makeDirectory()
let artifact: string
beforeAll(async () => {
  const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))
  await chmod(main, 0o755)
  await mkdir(join(folder, 'bin'))
  await symlink(main, join(folder, 'bin', 'trove'))
  const place = `1/${encodeURIComponent("-it's $(odd)")}?branch=main`
  const id = await server.put(place, {
    tar: [{ name: "a b/-it's `100%`.txt", content: 'the content\n' }],
  })
  artifact = `/octo/app/actions/runs/1/artifacts/${id}`
})

/** Runs each command of the page's first block in an empty directory; returns those. */
async function runCommands(path: string): Promise<string[]> {
  const html = await server.page(path)
  const shown = /<pre tabindex="0">(.*?)<\/pre>/s.exec(html)?.[1] ?? ''
  const text = shown
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
  const env = {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    HOME: folder,
    TROVE_URL: server.url,
    TROVE_TOKEN: await server.token({ scope: 'read' }),
  }
  const directories: string[] = []
  for (const command of text.split('\n')) {
    const cwd = await mkdtemp(join(folder, 'in-'))
    await promisify(execFile)('sh', ['-e', '-c', command], { cwd, env })
    directories.push(cwd)
  }
  expect(directories).toHaveLength(2)
  return directories
}

test('those of an artifact download it', async () => {
  const [tree, archive] = await runCommands(artifact)
  expect(await readFile(join(tree!, "-it's $(odd)", "a b/-it's `100%`.txt"), 'utf8')).toBe(
    'the content\n',
  )
  expect(await readdir(archive!)).toEqual(["-it's $(odd).tar.gz"])
  const { stdout } = await promisify(execFile)('tar', ['-xzOf', "./-it's $(odd).tar.gz"], {
    cwd: archive,
  })
  expect(stdout).toBe('the content\n')
})

test('those of a file download it', async () => {
  const path = encodeURI("a b/-it's `100%`.txt")
  for (const directory of await runCommands(`${artifact}/blob/${path}`)) {
    expect(await readdir(directory)).toEqual(["-it's `100%`.txt"])
    expect(await readFile(join(directory, "-it's `100%`.txt"), 'utf8')).toBe('the content\n')
  }
})
