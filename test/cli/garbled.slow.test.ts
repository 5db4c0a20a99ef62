/** What commands make of responses that no Trove server sends. */
import { createServer } from 'node:http'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { listen } from '../client/listen.ts'
import { makeDirectory, makeTree, pseudoRandom } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()
const large = pseudoRandom(700_000, 'large')
let root: string

beforeAll(async () => {
  const tar = [
    { name: 'bin/tool', content: large },
    { name: 'VERSION', content: '1.2.3\n' },
  ]
  await server.put('42/build?branch=main', { tar })
  await server.put('43/build?branch=main', { tar: [{ name: 'VERSION', content: '1.2.4\n' }] })
})

/** Passes requests on. Replaces the body of the `garbled`-th successful response, but leaves its
 *  status and type as they are. */
async function startGarblingProxy(
  garbled: number,
  garbage: Buffer,
): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = []
  const proxy = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const {
        host: _,
        'transfer-encoding': __,
        ...headers
      } = incoming.headers as Record<string, string>
      const { method = 'GET', url = '' } = incoming
      const body = method === 'GET' ? undefined : Buffer.concat(chunks)
      void fetch(`${server.url}${url}`, {
        method,
        headers,
        redirect: 'manual',
        ...(body !== undefined && { body }),
      }).then(async (answer) => {
        const real = Buffer.from(await answer.arrayBuffer())
        requests.push(`${method} ${url}`)
        const sent = requests.length >= garbled && answer.status < 300 ? garbage : real
        const { 'transfer-encoding': _, ...told } = Object.fromEntries(answer.headers)
        const { 'content-type': type = '' } = told
        const own = sent === real ? told : { 'content-type': type }
        outgoing.writeHead(answer.status, { ...own, 'content-length': sent.length })
        outgoing.end(sent)
      })
    })
  })
  return { url: await listen(proxy), requests }
}

/** Long enough that no reader of binary records asks for more, which would be retried. */
const garbage: Record<string, Buffer> = {
  'another object': Buffer.from(`{"error":"no"}${' '.repeat(200)}\n`),
  'no items': Buffer.from(`{"items":null,"nextCursor":null,"total":0}${' '.repeat(200)}\n`),
  'large numbers': Buffer.alloc(5000, 0xff),
}

let runs = 100
const commands: [string, () => string[]][] = [
  ['list', () => ['list']],
  ['ls', () => ['ls', '42/build']],
  ['cat', () => ['cat', '42/build:VERSION']],
  ['download', () => ['download', '42/build', `dest-${++runs}`]],
  ['download over', () => ['download', '43/build', `over-${++runs}`]],
  ['archive', () => ['download', '42/build', '-o', `${++runs}.zip`]],
  ['pattern', () => ['download', '--run', '42', '--pattern', '*', `dest-${++runs}`]],
  ['upload', () => ['upload', 'build', 'source', '--run', String(++runs)]],
  ['verify', () => ['verify', '42/build', 'source']],
  ['find', () => ['find', 'source/a']],
  ['search', () => ['search', '**']],
  ['history', () => ['history', '43/build:VERSION']],
  ['diff', () => ['diff', '42/build', '43/build']],
  ['why', () => ['why', '43/build']],
  ['why run', () => ['why', '@43']],
  ['secrets', () => ['secrets', '42/build']],
  ['shasum', () => ['shasum', '42/build']],
  ['url', () => ['url', '42/build:VERSION']],
  ['whoami', () => ['whoami']],
  ['projects', () => ['projects']],
  ['settings', () => ['settings']],
  ['stats', () => ['stats']],
  ['audit', () => ['audit']],
  ['token', () => ['token', '--scope', 'read', '--project', 'octo/app']],
  ['token list', () => ['token', 'list']],
  ['attest', () => ['attest', '42/build']],
  ['attest to a file', () => ['attest', '42/build', '-o', `${++runs}.json`]],
  ['keep', () => ['keep', '42/build']],
  ['expire', () => ['expire', '42/build', '--in', '1h', '-n']],
  ['rm', () => ['rm', '-n', '42/build']],
  ['rm run', () => ['rm', '-n', '--include-kept', '@42']],
]

async function run(url: string, args: string[]): Promise<Outcome> {
  return await runTroveInside(
    args,
    { TROVE_URL: url, TROVE_TOKEN: await server.token(), TROVE_CACHE_DIR: join(root, '.cache') },
    root,
  )
}

test.each(commands)(
  '%s reports a response that cannot be read, and its server',
  async (_, args) => {
    root = await makeDirectory()
    await makeTree(root, { 'source/a': 'a', 'source/large': large })
    const passing = await startGarblingProxy(Infinity, Buffer.alloc(0))
    expect((await run(passing.url, args())).status).toBeLessThan(2)
    for (let count = 1; count <= passing.requests.length; count++) {
      for (const [what, body] of Object.entries(garbage)) {
        const { url } = await startGarblingProxy(count, body)
        await makeTree(root, { 'source/a': `${++runs}` })
        const { status, stderr } = await run(url, args())
        const told = `${passing.requests[count - 1]} with ${what}: ${status} ${stderr}`
        expect(told).toMatch(/: (?:10|8) /)
        expect(told).not.toMatch(/^ {4}at /m)
        if (status === 10) expect(stderr).toContain(url)
      }
    }
  },
)
