/** The client package that a server provides: `npx` starts it directly from the server, without any
 *  other package. */
import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'

const run = promisify(execFile)

const server = await openSharedServer()
const folder = await makeDirectory()
beforeAll(async () => {
  await writeFile(join(folder, 'hello.txt'), 'hello\n')
})

async function npx(args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { PATH = '' } = process.env
  const token = await server.token({ run: 7, job: 'build', scope: 'job' })
  return await run('npx', ['--yes', `${server.url}/trove.tgz`, ...args], {
    cwd: folder,
    env: {
      PATH,
      HOME: folder,
      TROVE_URL: server.url,
      TROVE_TOKEN: token,
      // Anything that is not on this machine would have to come from here.
      npm_config_registry: 'http://127.0.0.1:9/',
    },
  })
}

test('npx runs it: upload, list, download, verify, attest', async () => {
  const { stderr } = await npx(['upload', 'greeting', 'hello.txt'])
  expect(stderr).toContain('/octo/app/actions/runs/7/artifacts/')
  expect((await npx(['ls', '7/greeting'])).stdout).toBe('hello.txt\n')
  await npx(['download', '7/greeting', 'back'])
  expect(await readFile(join(folder, 'back', 'hello.txt'), 'utf8')).toBe('hello\n')
  expect((await npx(['verify', '7/greeting', 'back'])).stderr).toContain('identical')
  const attestation = ['--attestation', 'greeting.json', '--key', 'trove.pub']
  await npx(['attest', '7/greeting', '-o', 'greeting.json'])
  await npx(['attest', '--public-key', '-o', 'trove.pub'])
  expect((await npx(['verify', 'back', ...attestation])).stderr).toContain('identical')
  expect((await npx(['shasum', '7/greeting'])).stdout).toMatch(/^[0-9a-f]{64} {2}hello\.txt\n$/)
})

test('in a checkout npx starts the existing build and builds nothing', async () => {
  const checkout = fileURLToPath(new URL('../../', import.meta.url))
  const built = async (): Promise<number> =>
    (await stat(join(checkout, 'dist/src/cli/main.js'))).mtimeMs
  const before = await built()
  const { PATH = '' } = process.env
  const env = { PATH, HOME: folder, npm_config_registry: 'http://127.0.0.1:9/' }
  const { stdout } = await run('npx', ['trove', '--version'], { cwd: checkout, env })
  expect(stdout).toMatch(/^trove \d/)
  expect(await built()).toBe(before)
})

test('it has the commands that need a server, and rejects others by name', async () => {
  const { stdout } = await npx(['--help'])
  expect(stdout).toContain('upload ')
  expect(stdout).not.toContain('serve ')
  await expect(npx(['serve'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('serve is in the full package'),
  })
})

test('it logs in, tells who that is, and completes the commands that it has', async () => {
  const token = await server.token({ scope: 'read' })
  await writeFile(join(folder, 'token'), token)
  const { PATH = '' } = process.env
  const env = { PATH, HOME: folder, npm_config_registry: 'http://127.0.0.1:9/' }
  const program = `npx --yes ${server.url}/trove.tgz`
  const login = `${program} login ${server.url} < token && ${program} whoami --json`
  const { stdout } = await run('sh', ['-c', login], { cwd: folder, env })
  expect(JSON.parse(stdout)).toMatchObject({ urlFrom: 'login', scope: 'read' })
  const completion = (await npx(['completion', 'bash'])).stdout
  expect(completion).toContain('upload')
  expect(completion).not.toContain('serve')
})

test('it needs no token, and is not sent again to a client that has it', async () => {
  const answer = await server.send('/trove.tgz', { token: null })
  expect(answer.status).toBe(200)
  const etag = answer.headers.get('etag')!
  const bytes = new Uint8Array(await answer.arrayBuffer())
  expect(Number(answer.headers.get('content-length'))).toBe(bytes.length)
  const again = await server.send('/trove.tgz', { token: null, headers: { 'if-none-match': etag } })
  expect(again.status).toBe(304)
})
