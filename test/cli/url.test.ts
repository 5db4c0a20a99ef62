/** `trove url`: the printed URLs lead to what was meant. */
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const odd = 'back\\slash/50% ?#é'

const server = await openSharedServer()
let id: number
beforeAll(async () => {
  id = await server.put('42/build?branch=feature%2Fx', {
    tar: [
      { name: odd, content: 'odd' },
      { name: 'bin/app', content: 'app' },
      { name: 'link', type: 'symlink', linkname: 'bin/app' },
    ],
  })
  await server.put('42/raw?filename=notes.txt', { body: 'raw' })
})

async function url(...args: string[]): Promise<Outcome> {
  return await runTroveInside(['url', ...args], await server.access())
}

/** Status of the URL, and where it redirects to. */
async function follow({ text }: Outcome): Promise<[number, string | null]> {
  const response = await server.send(text.trim())
  return [response.status, response.headers.get('location')]
}

test('prints the page by id, or the latest of a branch unless --immutable is set', async () => {
  const page = `/octo/app/actions/runs/42/artifacts/${id}`
  for (const args of [['42/build'], [`id:${id}`], ['latest:feature/x/build', '--immutable']]) {
    expect(await url(...args)).toMatchObject({
      status: 0,
      text: `${server.url}${page}\n`,
      stderr: '',
    })
  }
  expect((await follow(await url('42/build')))[0]).toBe(200)
  const latest = await url('latest:feature/x/build')
  expect(latest.text).toBe(`${server.url}/octo/app/latest/feature%2Fx/build\n`)
  expect(await follow(latest)).toEqual([302, page])
  for (const [path, kind] of [
    ['bin/app', 'blob'],
    ['bin', 'tree'],
    [odd, 'blob'],
  ] as const) {
    const own = await url(`42/build:${path}`)
    expect(own.text).toContain(`${page}/${kind}/`)
    expect((await follow(own))[0]).toBe(200)
    const [, place] = await follow(await url(`latest:feature/x/build:${path}`))
    expect(`${server.url}${place}\n`).toBe(own.text)
  }
  const json = JSON.parse((await url('42/build', '--json')).text) as unknown
  expect(json).toEqual({ artifactId: id, name: 'build', url: server.url + page })
})

test("--download prints the URL of the zip or of a file's bytes", async () => {
  const zip = await url('latest:feature/x/build', '--download')
  expect(zip.text).toBe(`${server.url}/api/v1/artifacts/${id}/archive.zip\n`)
  const response = await server.send((await url(`42/build:${odd}`, '--download')).text.trim())
  expect(await response.text()).toBe('odd')
})

test('--sign prints a URL that needs no token, and says how long it is valid', async () => {
  expect((await url('42/build', '--sign', '--download')).text).toContain('/artifacts/download/')
  const signed = await url('42/build', '--sign')
  expect(signed).toMatchObject({ status: 0 })
  const response = await server.send(signed.text.trim(), { token: null })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/zip'])
  const { url: address, expiresAt } = JSON.parse(
    (await url('42/raw', '--sign', '--json')).text,
  ) as { url: string; expiresAt: string }
  expect(await (await server.send(address, { token: null })).text()).toBe('raw')
  const [, told] = /^valid without a token until (\S+)\n$/.exec(signed.stderr)!
  expect(Math.abs(Date.parse(told!) - Date.parse(expiresAt))).toBeLessThan(60_000)
  const file = await url(`42/build:${odd}`, '--sign')
  expect(file).toMatchObject({ status: 0, stderr: expect.stringContaining('valid') as string })
  expect(await (await server.send(file.text.trim(), { token: null })).text()).toBe('odd')
  server.clock.now = Date.parse(expiresAt) + 1000
  for (const each of [address, file.text.trim()])
    expect((await server.send(each, { token: null })).status).toBe(403)
})

test.each([
  [['42/nothing'], 3, 'there is no artifact 42/nothing'],
  [['0/nothing'], 2, 'run must be a positive whole number, got "0"'],
  [['42/build:nowhere'], 3, 'has no "nowhere"'],
  [['latest:feature/x/build:nowhere'], 3, 'has no "nowhere"'],
  [['42/build:link'], 3, 'it is a symlink to bin/app'],
  [['42/build:bin', '--download'], 3, 'it is a directory'],
  [['42/build:bin', '--sign'], 3, 'it is a directory'],
  [['42/build:link', '--sign'], 3, 'it is a symlink to bin/app'],
  [['42/build:nowhere', '--sign'], 3, 'has no "nowhere"'],
  [['42/build', '--sign', '--immutable'], 2, '--sign and --immutable cannot be combined'],
  [[], 2, 'REF is missing'],
])('%j ends with %d', async (args, status, reason) => {
  const stderr = expect.stringContaining(reason) as string
  expect(await url(...args)).toMatchObject({ status, text: '', stderr })
})
