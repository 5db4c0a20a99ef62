/** What programs see of the package: they can import `trove/client`, and nothing else of the client. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import type { TroveProcess } from '../clients/trove-process.ts'
import { startSharedServer } from './shared-server.ts'
import { makeDirectory, makeTree } from './tree.ts'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../..', import.meta.url))

let trove: TroveProcess
let token: string

beforeAll(async () => {
  const shared = await startSharedServer()
  ;({ trove, token } = shared)
  return shared.stop
})

/** Runs a module as one of a program whose package is this one. */
async function runModule(text: string): Promise<string> {
  const env = { ...process.env, TROVE_URL: trove.url, TROVE_TOKEN: token }
  const args = ['--input-type=module', '--eval', text]
  return (await run(process.execPath, args, { cwd: checkout, env })).stdout
}

async function programOfReadme(): Promise<string> {
  const readme = await readFile(join(checkout, 'README.md'), 'utf8')
  return /```js\n(import \{ createClient.*?)```/s.exec(readme)![1]!
}

test('the program of the README uploads and downloads, and tells a taken name apart', async () => {
  const root = await makeDirectory()
  await makeTree(root, { 'src/a': 'one' })
  const program = `process.chdir(${JSON.stringify(root)})\n${await programOfReadme()}`
  expect(await runModule(program)).toBe('')
  expect(await readFile(join(root, 'fetched/a'), 'utf8')).toBe('one')
  await makeTree(root, { 'src/b': 'two' })
  expect(await runModule(program)).toMatch(/^artifact \d+ has that name\n$/)
})

test('what else goes wrong is told apart by class', async () => {
  const told = await runModule(`
    import { createClient, FileError, NetworkError, StoreError } from 'trove/client'
    const { TROVE_URL: url, TROVE_TOKEN: token } = process.env
    const files = [{ absolutePath: '/nowhere', entryPath: 'a' }]
    const upload = { project: 'octo/demo', run: 3, name: 'a', source: { kind: 'files', files } }
    const failures = await Promise.all([
      createClient({ url, token }).upload(upload).catch((error) => error),
      createClient({ url, token }).retain(999_999, { pinned: true }).catch((error) => error),
      createClient({ url: 'http://127.0.0.1:1', token }).remove(1).catch((error) => error),
    ])
    const classes = [FileError, StoreError, NetworkError]
    console.log(failures.map((error, index) => error instanceof classes[index]).join())
  `)
  expect(told).toBe('true,true,true\n')
})
