/** The 23 rules of GITHUB-PROTOCOL §1, one test each, named after it. Rules about the client are
 *  tested with the published clients, rules about the server by hand, so that each field and
 *  status is checked. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { azureErrorResponse } from '../../src/actions/azure/error.ts'
import { twirpErrorResponse, twirpErrors } from '../../src/actions/twirp/error.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { type ErrorCode, retryableCodes, StoreError } from '../../src/core/errors.ts'
import {
  openStockClient,
  type StockClient,
  type StockLibrary,
  type StockPlace,
} from '../clients/stock-client.ts'
import { noise, zipOf } from './archives.ts'
import {
  damageLastPack,
  openRig,
  putBlock,
  putBlockList,
  putBlocks,
  service,
  type Caller,
  type Rig,
} from './rig.ts'
import { fileDirectory } from '../temporary-directory.ts'

let rig: Rig
const folder = fileDirectory()
let runs = 0

beforeAll(async () => {
  rig = await openRig()
})

afterAll(async () => {
  await rig.close()
})

async function freshJob(options: { userAgent?: string } = {}): Promise<Caller> {
  runs += 1
  return await rig.as({ run: runs }, options)
}

/** Runs `work` with a published client in a run of its own. */
async function withClient<T>(
  work: (client: StockClient) => Promise<T>,
  {
    library,
    place,
    job,
  }: { library?: StockLibrary; place?: Partial<StockPlace>; job?: string } = {},
): Promise<T> {
  runs += 1
  const token = await rig.token({ run: runs, ...(job !== undefined && { job }) })
  const client = await openStockClient({ url: rig.url, token, ...place }, library)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

describe('Twirp', () => {
  test('rule 1: it is at the root of the origin, whatever path ACTIONS_RESULTS_URL has', async () => {
    const path = await file('one.txt', 'one')
    const upload = await withClient((client) => client.uploadArtifact('one', [path], folder), {
      place: { url: `${rig.url}/some/path/` },
    })
    expect(upload.id).toBeGreaterThan(0)
  })

  test('rule 2: the client uses our server with github.com or *.localhost as server URL, but not with our own host', async () => {
    const path = await file('two.txt', 'two')
    const lines = rig.logLines.length
    const attempt = withClient((client) => client.uploadArtifact('two', [path], folder), {
      place: { serverUrl: rig.url },
    })
    await expect(attempt).rejects.toThrow('not currently supported on GHES')
    expect(rig.logLines).toHaveLength(lines)
    await withClient((client) => client.uploadArtifact('two', [path], folder), {
      place: { serverUrl: 'http://foo.localhost:3000' },
    })
  })

  test('rule 3: the client can parse a minted token, whatever the name of the job', async () => {
    const path = await file('three.txt', 'three')
    const job = 'größe (ubuntu, 20.x): 100%'
    const upload = await withClient((client) => client.uploadArtifact('three', [path], folder), {
      job,
    })
    expect(upload.id).toBeGreaterThan(0)
  })

  test('rule 4: requests are read in either case and with numbers as text or not; defaults may be absent, unknown fields are ignored', async () => {
    const job = await freshJob()
    const bytes = zipOf({ a: 'x' })
    const created = await job.twirp('CreateArtifact', {
      name: 'a',
      version: '7',
      mimeType: 'application/zip',
      expiresAt: '2099-01-01T00:00:00Z',
      somethingNew: { x: [1] },
    })
    await putBlocks(String(created.body['signed_upload_url']), [['YQ==', bytes]])
    const finalized = await job.twirp('FinalizeArtifact', { name: 'a', size: bytes.length })
    expect(finalized.status).toBe(200)
    expect(finalized.body['artifact_id']).toMatch(/^\d+$/)
    expect(
      await job.list({ nameFilter: 'a', idFilter: Number(finalized.body['artifact_id']) }),
    ).toHaveLength(1)
    expect(await job.list({ name_filter: null, id_filter: null })).toHaveLength(1)
  })

  test('rule 5: every response is JSON with code and msg, whatever is wrong with the request', async () => {
    const authorization = `Bearer ${await rig.token()}`
    const send = async (path: string, init: RequestInit): Promise<string> => {
      const response = await fetch(rig.url + path, init)
      expect(response.headers.get('content-type')).toContain('application/json')
      const body = (await response.json()) as { code: string; msg: string }
      expect(body.msg.length).toBeGreaterThan(5)
      return `${response.status} ${body.code}`
    }
    const post = (
      body: string,
      headers: Record<string, string> = { authorization },
    ): RequestInit => ({ method: 'POST', headers, body })
    expect(await send(`${service}/MigrateArtifact`, post('{}'))).toBe('404 bad_route')
    expect(await send('/twirp/other.Service/List', post('{}'))).toBe('404 bad_route')
    expect(
      await send(`${service}/ListArtifacts`, { method: 'GET', headers: { authorization } }),
    ).toBe('404 bad_route')
    expect(await send(`${service}/ListArtifacts`, post('{}', {}))).toBe('401 unauthenticated')
    expect(
      await send(`${service}/ListArtifacts`, post('{}', { authorization: 'Bearer x.y.z' })),
    ).toBe('401 unauthenticated')
    expect(
      await send(`${service}/ListArtifacts`, post('{}', { authorization: 'Basic eDp5' })),
    ).toBe('401 unauthenticated')
    expect(await send(`${service}/ListArtifacts`, post('{"name'))).toBe('400 invalid_argument')
    expect(await send(`${service}/ListArtifacts`, post('[]'))).toBe('400 invalid_argument')
    expect(await send(`${service}/ListArtifacts`, post('{}'))).toBe('403 permission_denied')
    expect(await send(`${service}/ListArtifacts`, post(' '.repeat(2 * 1024 * 1024)))).toBe(
      '413 resource_exhausted',
    )
  })

  test('rule 6: only transient errors have a status that is retried', () => {
    const retried = [429, 500, 502, 503, 504]
    const again = allCodes().filter((code) =>
      retried.includes(twirpErrorResponse(failure(code), 'r').status),
    )
    // Another upload can heal a damaged copy, and the next try replaces an ended session.
    const codes = 'blob_damaged busy session_ended shutting_down storage_failed'
    expect(again.toSorted().join(' ')).toBe(codes)
  })
})

describe('blob uploads', () => {
  test('rule 7: every success is exactly 201', async () => {
    const job = await freshJob()
    const target = await job.create('a')
    const statuses = [
      await putBlock(target, 'YQ==', Buffer.from('x')),
      await putBlock(target, 'YQ==', Buffer.from('x')),
      await putBlockList(target, ['YQ==']),
      await putBlockList(target, ['YQ==']),
      await putBlock(target, 'YQ==', Buffer.from('late')),
    ].map(({ status }) => status)
    const whole = await fetch(await job.create('b'), {
      method: 'PUT',
      headers: { 'x-ms-blob-type': 'BlockBlob', 'x-ms-blob-content-type': 'application/gzip' },
      body: Buffer.from('x'),
    })
    expect([...statuses, whole.status]).toEqual([201, 201, 201, 201, 201, 201])
  })

  test('rule 8: overload is 503, and no transient error has a status that the SDK considers final', () => {
    for (const code of allCodes()) {
      const { status } = azureErrorResponse(failure(code), 'r')
      expect([408, 429, 502, 504]).not.toContain(status)
      // A full disk does not recover within the 16 s in which the SDK retries.
      if (retryableCodes.has(code) && code !== 'storage_full') expect([500, 503]).toContain(status)
    }
    expect(azureErrorResponse(failure('busy'), 'r').status).toBe(503)
  })

  test('rule 9: a block sent again replaces the first, even while the first is still arriving', async () => {
    const job = await freshJob()
    const target = await job.create('a')
    const path = new URL(target)
    const socket = connect(Number(path.port), path.hostname)
    socket.on('error', () => undefined)
    socket.write(
      `PUT ${path.pathname}${path.search}&comp=block&blockid=YQ== HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`,
    )
    const bytes = zipOf({ a: 'second' })
    await putBlock(target, 'YQ==', Buffer.from('first'))
    await putBlock(target, 'YQ==', bytes)
    socket.destroy()
    await putBlockList(target, ['YQ=='])
    expect((await job.finalize('a', bytes)).status).toBe(200)
  })

  test('rule 10: blocks may arrive concurrently and in any order; the list determines the content', async () => {
    const job = await freshJob()
    const target = await job.create('a')
    const bytes = zipOf({ a: noise(900_000) }, 0)
    const blocks = Array.from({ length: 9 }, (_, at) => ({
      id: Buffer.from(`block ${at}`).toString('base64'),
      bytes: bytes.subarray(at * 100_200, (at + 1) * 100_200),
    }))
    await Promise.all(blocks.toReversed().map(({ id, bytes: part }) => putBlock(target, id, part)))
    await putBlockList(
      target,
      blocks.map(({ id }) => id),
    )
    expect((await job.finalize('a', bytes)).status).toBe(200)
    const [item] = await job.list()
    const response = await fetch(await job.signedUrl(item!))
    expect(digestOf(Buffer.from(await response.arrayBuffer()))).toBe(digestOf(bytes))
  })

  test('rule 11: an empty direct upload is an empty block list and no block', async () => {
    const path = await file('empty.txt', '')
    await withClient(async (client) => {
      const upload = await client.uploadArtifact('ignored', [path], folder, { skipArchive: true })
      expect(upload.size).toBe(0)
      const target = await mkdtemp(join(folder, 'empty-'))
      await client.downloadArtifact(upload.id!, { path: target })
      expect(await readFile(join(target, 'empty.txt'), 'utf8')).toBe('')
    })
  })

  test('rule 12: the signed upload URL has a form that every SDK accepts', async () => {
    const url = new URL(await (await freshJob()).create('a'))
    expect(url.pathname).toMatch(/^(\/[A-Za-z0-9-]+){2,}$/)
    const keys = [...url.searchParams.keys()]
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys).not.toContain('comp')
    expect(keys).not.toContain('blockid')
    for (const part of url.search.slice(1).split('&'))
      expect(part).toMatch(/^[a-z]+=[A-Za-z0-9_-]+$/)
  })

  test('rule 13: the client finds the signatures and masks them in the job log', async () => {
    const path = await file('thirteen.txt', 'x')
    await withClient(async (client) => {
      const { id } = await client.uploadArtifact('a', [path], folder)
      await client.downloadArtifact(id!, { path: await mkdtemp(join(folder, 'mask-')) })
      const masked = new Set(client.log().match(/(?<=::add-mask::)[A-Za-z0-9_-]{43}(?=\n)/g))
      const signatures = new Set(client.log().match(/(?<=sig=)[A-Za-z0-9_-]{43}/g))
      expect(signatures.size).toBe(2)
      expect([...signatures].filter((signature) => !masked.has(signature))).toEqual([])
    })
  })
})

describe('downloads', () => {
  test('rule 14: a zip has the type and file name of a zip, a raw file has neither', async () => {
    const job = await freshJob({ userAgent: '@actions/artifact-6.2.1' })
    await job.upload('zip', zipOf({ a: 'x' }))
    await job.upload('notes.txt', Buffer.from('text'), { version: 7, mime_type: 'text/plain' })
    const seen: Record<string, unknown> = {}
    for (const item of await job.list()) {
      const url = await job.signedUrl(item)
      const response = await fetch(url, { headers: { 'user-agent': '@actions/artifact-6.2.1' } })
      const isZipPath = new URL(url).pathname.endsWith('.zip')
      seen[String(item['name'])] = [
        isZipPath,
        response.headers.get('content-type'),
        response.headers.get('content-disposition'),
      ]
    }
    expect(seen).toEqual({
      zip: [true, 'application/zip', `attachment; filename="zip.zip"; filename*=UTF-8''zip.zip`],
      'notes.txt': [
        false,
        'text/plain',
        `attachment; filename="notes.txt"; filename*=UTF-8''notes.txt`,
      ],
    })
  })

  test('rule 15: a library that always unzips gets a raw file in a zip, and no digest to compare', async () => {
    const path = await file('raw.bin', noise(100_000))
    const token = await rig.token({ run: (runs += 1) })
    const modern = await openStockClient({ url: rig.url, token })
    const old = await openStockClient({ url: rig.url, token }, 'artifact-v2')
    try {
      const { id } = await modern.uploadArtifact('ignored', [path], folder, { skipArchive: true })
      const target = await mkdtemp(join(folder, 'old-'))
      const answer = await old.downloadArtifact(id!, { path: target })
      expect(answer.digestMismatch ?? false).toBe(false)
      expect(digestOf(await readFile(join(target, 'raw.bin')))).toBe(digestOf(await readFile(path)))
    } finally {
      await modern.close()
      await old.close()
    }
    const listing = async (userAgent: string): Promise<unknown> =>
      (await (await rig.as({ run: runs }, { userAgent })).list())[0]
    expect(await listing('@actions/artifact-2.3.2')).not.toHaveProperty('digest')
    expect(await listing('@actions/artifact-6.0.0')).not.toHaveProperty('digest')
    expect(await listing('@actions/artifact-6.1.0')).toHaveProperty('digest')
  })

  test('rule 16: a zip for a stock client that fails part-way ends in a poison tail and a normal end', async () => {
    const job = await freshJob()
    const bytes = zipOf(
      Object.fromEntries(
        Array.from({ length: 24 }, (_, at) => [`f${at}`, noise(1_000_000, at + 7)]),
      ),
      0,
    )
    await job.upload('big', bytes)
    const [item] = await job.list()
    const url = await job.signedUrl(item!)
    await damageLastPack(rig)
    const stock = await fetch(url, { headers: { 'user-agent': '@actions/artifact-2.3.2' } })
    expect(stock.status).toBe(200)
    expect(stock.headers.get('content-length')).toBeNull()
    const body = Buffer.from(await stock.arrayBuffer())
    expect(body.length).toBeGreaterThan(4096)
    expect(body.length).toBeLessThan(bytes.length)
    expect(body.subarray(-4096)).toEqual(Buffer.alloc(4096, 0xff))
  })

  test('rule 17: bodies are never encoded, whatever the request accepts', async () => {
    const job = await freshJob()
    await job.upload('zip', zipOf({ a: 'x'.repeat(10_000) }))
    await job.upload('notes.txt', Buffer.from('x'.repeat(10_000)), {
      version: 7,
      mime_type: 'text/plain',
    })
    for (const item of await job.list()) {
      for (const userAgent of ['@actions/artifact-6.2.1', 'curl/8']) {
        const headers = { 'user-agent': userAgent, 'accept-encoding': 'gzip, deflate, br' }
        const response = await fetch(await job.signedUrl(item), { headers })
        expect(response.headers.get('content-encoding')).toBeNull()
        expect((await response.arrayBuffer()).byteLength).toBe(Number(item['size']))
      }
    }
  })

  test('rule 18: for every client the digest is that of the bytes it is sent', async () => {
    for (const userAgent of ['@actions/artifact-2.3.2', '@actions/artifact-6.2.1', 'curl/8']) {
      const job = await freshJob({ userAgent })
      await job.upload('zip', zipOf({ a: 'x', b: 'y' }))
      await job.upload('data.bin', noise(300_000), {
        version: 7,
        mime_type: 'application/octet-stream',
      })
      await job.upload('kept.zip', Buffer.concat([zipOf({ a: 'x' }), zipOf({ b: 'y' })]))
      for (const item of await job.list()) {
        const response = await fetch(await job.signedUrl(item), {
          headers: { 'user-agent': userAgent },
        })
        const body = Buffer.from(await response.arrayBuffer())
        if (item['digest'] === undefined) continue
        expect(item['digest']).toMatch(/^sha256:[0-9a-f]{64}$/)
        expect(item['digest']).toBe(`sha256:${digestOf(body)}`)
        expect(item['size']).toBe(String(body.length))
      }
    }
  })

  test('rule 19: sixty concurrent downloads all succeed', async () => {
    const job = await freshJob()
    const expected = new Map<string, string>()
    await Promise.all(
      Array.from({ length: 60 }, async (_, at) => {
        const bytes = zipOf({ [`file-${at}`]: noise(60_000, at + 1) }, 0)
        expected.set(String(await job.upload(`part-${at}`, bytes)), digestOf(bytes))
      }),
    )
    const seen = await Promise.all(
      (await job.list()).map(async (item) => {
        const response = await fetch(await job.signedUrl(item), {
          headers: { 'user-agent': '@actions/artifact-6.2.1' },
        })
        return [
          String(item['database_id']),
          digestOf(Buffer.from(await response.arrayBuffer())),
        ] as const
      }),
    )
    expect(new Map(seen)).toEqual(expected)
  })

  test('rule 20: REST returns JSON, and its zip is exactly 302 with an absolute location that needs no token', async () => {
    const job = await freshJob()
    const bytes = zipOf({ a: 'x' })
    const id = await job.upload('site', bytes)
    for (const base of ['', '/api/v3']) {
      const list = await job.rest(
        `${base}/repos/octo/demo/actions/runs/${runs}/artifacts?name=site`,
      )
      expect(list.headers.get('content-type')).toContain('application/json')
      expect(await list.json()).toMatchObject({
        total_count: 1,
        artifacts: [{ id, name: 'site', size_in_bytes: bytes.length }],
      })
      const zip = await job.rest(`${base}/repos/octo/demo/actions/artifacts/${id}/zip`)
      expect(zip.status).toBe(302)
      const location = zip.headers.get('location') ?? ''
      expect(location.startsWith(`${rig.url}/`)).toBe(true)
      expect(Buffer.from(await (await fetch(location)).arrayBuffer())).toEqual(bytes)
    }
  })
})

describe('both', () => {
  test('rule 21: an error is sent after the body was read, so that its message arrives', async () => {
    const target = new URL(await (await freshJob()).create('a'))
    target.searchParams.set('sig', 'wrong')
    const lines = rig.logLines.length
    for (let turn = 0; turn < 3; turn += 1) {
      const response = await putBlock(target.href, 'YQ==', Buffer.alloc(8 * 1024 * 1024))
      expect(response.status).toBe(403)
      expect(await response.text()).toContain(
        '<Message>the signature of the URL is wrong</Message>',
      )
    }
    const puts = () => rig.logLines.slice(lines).filter((line) => line.includes('"method":"PUT"'))
    await expect.poll(puts).toHaveLength(3)
  })

  test('rule 22: names that the client accepts are rejected here', async () => {
    const job = await freshJob()
    for (const name of [
      '',
      '.',
      '..',
      ' ',
      'a ',
      ' a',
      'a\u0000b',
      'a\tb',
      'a\u007f',
      'x'.repeat(256),
      'a/b',
      'a\\b',
      'a:b',
    ]) {
      const answer = await job.twirp('CreateArtifact', { name, version: 4 })
      expect({ name, status: answer.status, code: answer.body['code'] }).toEqual({
        name,
        status: 400,
        code: 'invalid_argument',
      })
      expect(answer.body['msg']).toContain('invalid artifact name')
    }
    for (const name of ['a', 'größe', 'a b', '...', 'x'.repeat(255), '名前']) {
      expect((await job.twirp('CreateArtifact', { name, version: 4 })).status).toBe(200)
    }
  })

  test('rule 23: a silent body is cut off, and the same upload can continue', async () => {
    const impatient = await openRig({ environment: { TROVE_IDLE_TIMEOUT: '1s' } })
    try {
      const job = await impatient.as()
      const target = await job.create('a')
      const { port, hostname, pathname, search } = new URL(target)
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      const closed = once(socket, 'close')
      socket.write(
        `PUT ${pathname}${search}&comp=block&blockid=YQ== HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`,
      )
      await closed
      const bytes = zipOf({ a: 'x' })
      await putBlocks(target, [['YQ==', bytes]])
      expect((await job.finalize('a', bytes)).status).toBe(200)
    } finally {
      await impatient.close()
    }
  })
})

/** All error codes, taken from the table, which is total over them. */
const allCodes = (): ErrorCode[] => Object.keys(twirpErrors) as ErrorCode[]

function failure(code: ErrorCode): StoreError {
  return new StoreError(code, 'it failed', { what: 'test' })
}
