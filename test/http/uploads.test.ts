/** The protocol of negotiated uploads: requests that a client may repeat. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import type { Offer } from '../../src/api/negotiation-messages.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { createClient } from '../../src/client/client.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { createByteWriter } from '../../src/core/bytes/varint.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'
import { manifestOf, record } from '../ingest/negotiated/open-session.ts'
import { openSharedServer, problemOf } from './open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const server = await openSharedServer()
const directory = fileDirectory()
let known: Pick<Offer, 'treeDigest' | 'entryCount' | 'fileCount' | 'logicalBytes'>
beforeAll(async () => {
  await writeFile(join(directory, 'a'), 'content', { mode: 0o644 })
  const client = createClient({ url: server.url, token: await server.token(), cacheDir: null })
  const source = { kind: 'patterns', patterns: ['.'], directory } as const
  const { artifact } = await client.upload({ project: 'octo/app', run: 1, name: 'known', source })
  known = { treeDigest: artifact.treeDigest, entryCount: 1, fileCount: 1, logicalBytes: 7 }
})

/** Uses a time that no artifact has, since the offer would be done at once otherwise. */
function offerOf(name: string, seconds: number): Offer {
  const timesDigest = `sha256:${digestOf(encodeTimes([seconds]))}`
  return { project: 'octo/app', run: 1, name, ...known, timesDigest }
}

/** Opens a session in which only the commit is left to do. */
async function begin(offer: Offer, seconds: number): Promise<string> {
  const opened = await server.send('/api/v1/uploads', { method: 'POST', json: offer })
  const { id, needs } = (await opened.json()) as { id: string; needs: string }
  expect(needs).toBe('times')
  const path = `/api/v1/uploads/${id}/times?entries=1`
  const body = createByteWriter()
  body.sized(encodeTimes([seconds]))
  const sent = await server.send(path, { method: 'POST', body: Uint8Array.from(body.bytes()) })
  expect(sent.status).toBe(204)
  return id
}

async function commit(id: string, offer: Offer): Promise<Response> {
  return await server.send(`/api/v1/uploads/${id}/commit`, { method: 'POST', json: offer })
}

interface Committed {
  created: boolean
  artifact: { id: number }
}

test.each([
  [false, 10],
  [true, 20],
])('a repeated commit returns what it made (overwrite: %s)', async (overwrite, seconds) => {
  const offer = { ...offerOf(`twice-${seconds}`, seconds), overwrite }
  const id = await begin(offer, seconds)
  const first = await commit(id, offer)
  const { artifact } = (await first.json()) as Committed
  expect(first.status).toBe(201)
  const second = await commit(id, offer)
  expect(second.status).toBe(200)
  expect(await second.json()).toMatchObject({ created: false, artifact: { id: artifact.id } })
})

test('concurrent equal offers of a known tree are all done, with one artifact', async () => {
  const first = offerOf('offered', 25)
  expect((await commit(await begin(first, 25), first)).status).toBe(201)
  // Now the times are known too.
  const json = { ...first, name: 'offered-again' }
  const answers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const answer = await server.send('/api/v1/uploads', { method: 'POST', json })
      return (await answer.json()) as Committed & { state: string }
    }),
  )
  expect(answers.map(({ state }) => state)).toEqual(answers.map(() => 'done'))
  expect(answers.filter(({ created }) => created)).toHaveLength(1)
  expect(new Set(answers.map(({ artifact }) => artifact.id)).size).toBe(1)
})

// Goal: lists hold the facts of many runs, so none may be as long as a request.
test.each(['branch', 'sha', 'workflow', 'event'])(
  'an offer with a long %s is refused',
  async (fact) => {
    const json = { ...offerOf('facts', 27), [fact]: 'x'.repeat(4097) }
    const answer = await server.send('/api/v1/uploads', { method: 'POST', json })
    expect(answer.status).toBe(400)
    expect(await problemOf(answer)).toMatchObject({ code: 'invalid_request' })
  },
)

test('concurrent commits return one artifact', async () => {
  const offer = offerOf('race', 30)
  const id = await begin(offer, 30)
  const answers = await Promise.all([1, 2, 3].map(async () => await commit(id, offer)))
  const made = await Promise.all(
    answers.map(async (each) => ((await each.json()) as Committed).artifact.id),
  )
  expect(new Set(made).size).toBe(1)
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 201])
})

test('concurrent commits return one artifact while they stage a long manifest', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`f${10_000 + index}`, Buffer.from(`${index}`)]),
  )
  const { text, treeDigest, entryCount } = manifestOf(files)
  const tree = `sha256:${treeDigest}`
  const offer: Offer = {
    ...offerOf('long', 0),
    treeDigest: tree,
    entryCount,
    fileCount: entryCount,
    logicalBytes: Buffer.concat(Object.values(files)).length,
    timesDigest: `sha256:${digestOf('')}`,
  }
  const opened = await server.send('/api/v1/uploads', { method: 'POST', json: offer })
  const { id } = (await opened.json()) as { id: string }
  const send = async (path: string, body: Buffer): Promise<number> => {
    const request = { method: 'POST', body: Uint8Array.from(body) }
    return (await server.send(`/api/v1/uploads/${id}/${path}`, request)).status
  }
  expect(await send(`manifest?tree=${tree}&entries=${entryCount}`, gzipSync(text))).toBe(200)
  const records = Object.values(files).map((content) => record(content))
  expect(await send('packs', Buffer.concat(records))).toBe(200)
  const answers = await Promise.all([1, 2, 3].map(async () => await commit(id, offer)))
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 201])
})

test('a commit of an ended session does not return an artifact that it did not make', async () => {
  const over = '0'.repeat(32)
  const offer = offerOf('other', 40)
  const refused = { code: 'session_ended' }
  expect(await problemOf(await commit(over, offer))).toMatchObject(refused)
  expect((await commit(await begin(offer, 40), offer)).status).toBe(201)
  // Same tree, other times: the artifact with the name is not what this commit would have made.
  expect(await problemOf(await commit(over, offerOf('other', 50)))).toMatchObject(refused)
  const foreign = { ...offer, job: 'another' }
  expect(await problemOf(await commit(over, foreign))).toMatchObject(refused)
})

test('an upload that repeats an artifact needs no room in the quota', async () => {
  const token = await server.token({ scope: 'admin' })
  const setQuota = async (quotaBytes: number | null): Promise<void> => {
    const change = { method: 'PATCH', token, json: { quotaBytes } }
    await server.send('/api/v1/projects/octo/app', change)
  }
  const offer = offerOf('repeated', 90)
  const made = await commit(await begin(offer, 90), offer)
  const { artifact } = (await made.json()) as Committed
  await setQuota(1)
  const again = await server.send('/api/v1/uploads', { method: 'POST', json: offer })
  expect(await again.json()).toMatchObject({
    state: 'done',
    created: false,
    artifact: { id: artifact.id },
  })
  const { project, run, name } = offer
  const check = { method: 'POST', json: { project, run, name } }
  expect((await server.send('/api/v1/uploads/check', check)).status).toBe(204)
  const other = { method: 'POST', json: { ...offer, name: 'another' } }
  expect((await server.send('/api/v1/uploads', other)).status).toBe(413)
  await setQuota(null)
})

test('a check of an upload answers as its offer would, and leaves nothing behind', async () => {
  const check = async (json: object, request?: TokenRequest): Promise<[number, string?]> => {
    const token = await server.token(request)
    const answer = await server.send('/api/v1/uploads/check', { method: 'POST', token, json })
    return answer.status === 204 ? [204] : [answer.status, (await problemOf(answer)).code]
  }
  const place = { project: 'octo/app', run: 1, name: 'known' }
  expect(await check({ ...place, name: 'new' })).toEqual([204])
  // The same job may send the same tree again; what another job sends is another artifact.
  expect(await check(place)).toEqual([204])
  expect(await check({ ...place, job: 'other' })).toEqual([409, 'name_taken'])
  expect(await check({ ...place, job: 'other', overwrite: true })).toEqual([204])
  expect(await check(place, { scope: 'read' })).toEqual([403, 'forbidden'])
  expect(await check({ ...place, name: 'a/b' })).toEqual([422, 'invalid_name'])
  expect(await check({ ...place, project: 'octo/none' }, { scope: 'admin' })).toEqual([204])

  const admin = await server.token({ scope: 'admin' })
  const setQuota = async (quotaBytes: number | null): Promise<void> => {
    const change = { method: 'PATCH', token: admin, json: { quotaBytes } }
    await server.send('/api/v1/projects/octo/app', change)
  }
  await setQuota(1)
  expect(await check({ ...place, name: 'new' })).toEqual([413, 'quota_exceeded'])
  await setQuota(null)

  expect((await server.send('/api/v1/runs/77', {})).status).toBe(404)
  expect(await check({ ...place, run: 77 })).toEqual([204])
  expect((await server.send('/api/v1/runs/77', {})).status).toBe(404)
})
