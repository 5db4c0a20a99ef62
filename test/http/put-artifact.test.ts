import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import { artifactDetailSchema, artifactSchema } from '../../src/api/messages.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { zipOf } from '../actions/archives.ts'
import { tarGzOf, tarOf } from './archives-of.ts'
import { openServer, openSharedServer, problemOf, type TestServer } from './open-server.ts'
import { noFacts } from '../../src/core/run/run.ts'

const server = await openSharedServer({
  TROVE_MAX_ARTIFACT: '1MiB',
  TROVE_RETENTION_MAX_DAYS: '100',
})

const dayMs = 86_400_000
let lastRun = 0
/** The path of an artifact in a run of its own. */
function fresh(name = 'build', project = 'octo/app'): string {
  lastRun += 1
  return `/api/v1/projects/${project}/runs/${lastRun}/artifacts/${name}`
}

describe('PUT', () => {
  test('a tar becomes a tree, with modes, links and times', async () => {
    const body = await tarOf([
      { name: './bin/tool', content: '#!/bin/sh', mode: 0o755 },
      { name: './latest', type: 'symlink', linkname: 'bin/tool' },
      { name: './empty/', type: 'directory' },
    ])
    const response = await server.send(`${fresh()}?branch=main&sha=abc&job=compile`, {
      method: 'PUT',
      headers: { 'content-type': 'application/x-tar' },
      body,
    })
    expect(response.status).toBe(201)
    const artifact = artifactSchema.strict().parse(await response.json())
    expect(artifact).toMatchObject({
      kind: 'tree',
      files: 1,
      logicalBytes: 9,
      branch: 'main',
      sha: 'abc',
      job: 'compile',
    })
    expect(response.headers.get('location')).toBe(artifact.links.self)
    const manifest = await (await server.send(`/api/v1/artifacts/${artifact.id}/manifest`)).text()
    const modifiedAt = '2026-01-02T03:04:05.000Z'
    expect(
      manifest
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      expect.objectContaining({
        kind: 'file',
        path: 'bin/tool',
        mode: '0755',
        sizeBytes: 9,
        modifiedAt,
      }),
      { kind: 'directory', path: 'empty', mode: expect.any(String), modifiedAt },
      expect.objectContaining({ kind: 'symlink', path: 'latest', target: 'bin/tool' }),
    ])
  })

  test('a tar.gz is the same tree as the tar', async () => {
    const entries = [{ name: 'a', content: 'x'.repeat(1000) }]
    const put = async (type: string, body: Buffer) => {
      const headers = { 'content-type': type }
      return artifactSchema.parse(
        await (await server.send(fresh(), { method: 'PUT', headers, body })).json(),
      )
    }
    const tar = await put('application/x-tar', await tarOf(entries))
    const gzipped = await put('application/gzip', await tarGzOf(entries))
    expect(gzipped.treeDigest).toBe(tar.treeDigest)
    expect(gzipped.newBytes).toBe(0)
  })

  test('a zip is returned byte for byte, and leaves nothing in staging', async () => {
    const body = zipOf({ 'a.txt': 'one', 'd/b.txt': 'two' })
    const headers = { 'content-type': 'application/zip' }
    const id = await server.put(fresh(), { headers, body })
    const zip = await server.send(`/api/v1/artifacts/${id}/archive.zip`)
    expect(Buffer.from(await zip.arrayBuffer())).toEqual(Buffer.from(body))
    const { zipDigest } = artifactDetailSchema.parse(
      await (await server.send(`/api/v1/artifacts/${id}`)).json(),
    )
    expect(zipDigest).toBe(`sha256:${digestOf(body)}`)
    expect(await readdir(join(server.dataDir, 'cas/staging/uploads'))).toEqual([])
  })

  test('any other type is a single file, under the name given', async () => {
    const id = await server.put(`${fresh()}?filename=report.txt`, {
      headers: { 'content-type': 'text/plain' },
    })
    const file = await server.send(`/api/v1/artifacts/${id}/files/report.txt`)
    expect(await file.text()).toBe('content')
  })

  test('a file may have the name of a property of every JavaScript object', async () => {
    for (const type of ['constructor', '__proto__']) {
      const response = await server.send(fresh(), {
        method: 'PUT',
        body: 'content',
        headers: { 'content-type': type },
      })
      expect([response.status, await response.json()]).toMatchObject([201, { kind: 'raw' }])
    }
  })

  test('an empty file needs its length and its name, an empty archive is none', async () => {
    const put = async (path: string, headers: Record<string, string>): Promise<unknown> => {
      const authorization = `Bearer ${await server.token()}`
      const options = { method: 'PUT', headers: { authorization, ...headers } }
      const upload = request(new URL(path, server.url), options)
      upload.end()
      const [answer] = (await once(upload, 'response')) as [IncomingMessage]
      const { code, detail, files } = (await json(answer)) as Record<string, unknown>
      return { status: answer.statusCode, code, detail, files }
    }
    const length = { 'content-length': '0' }
    const chunked = { 'transfer-encoding': 'chunked' }
    const refused = {
      status: 400,
      code: 'invalid_request',
      detail: expect.stringContaining('the body is empty; to upload an empty file') as string,
    }
    expect(await put(`${fresh()}?filename=a.txt`, length)).toMatchObject({ status: 201, files: 1 })
    expect(await put(fresh(), length)).toMatchObject(refused)
    expect(await put(`${fresh()}?filename=a.txt`, chunked)).toMatchObject(refused)
    const path = fresh()
    expect(await put(path, chunked)).toMatchObject(refused)
    const list = await server.send(`/api/v1/artifacts?run=${path.split('/')[7]}&state=any`)
    expect(await list.json()).toMatchObject({ items: [] })
    for (const type of ['application/zip', 'application/x-tar', 'application/gzip']) {
      const archive = { ...length, 'content-type': type }
      expect([type, await put(fresh(), archive)]).toMatchObject([
        type,
        { status: 400, code: 'bad_archive' },
      ])
    }
  })

  test('an empty variable of a script sets no fact of the run', async () => {
    const path = `${fresh()}?branch=&sha=&workflow=&event=&headSha=&actor=`
    const response = await server.send(path, { method: 'PUT', body: 'content' })
    expect([response.status, await response.json()]).toMatchObject([201, noFacts])
  })

  test('the facts of the run are those of the token, completed by the request', async () => {
    const token = await server.token({ run: 77, job: 'build', ordinal: 12, actor: 'octocat' })
    const told = 'ordinal=1&pullRequest=34&headSha=head&actor=mallory'
    const path = `/api/v1/projects/octo/app/runs/77/artifacts/facts?${told}`
    const response = await server.send(path, { method: 'PUT', token, body: 'content' })
    const facts = { ordinal: 12, pullRequest: 34, headSha: 'head', actor: 'octocat' }
    expect([response.status, await response.json()]).toMatchObject([201, facts])
    const run = await server.send('/api/v1/runs/77?project=octo/app')
    expect(await run.json()).toMatchObject({ number: 77, ...facts })
  })

  test.each(['ordinal=0', 'pullRequest=34a', `actor=${'a'.repeat(256)}`])(
    'a fact that none can be is rejected: %s',
    async (told) => {
      const response = await server.send(`${fresh()}?${told}`, { method: 'PUT', body: 'content' })
      expect(response.status).toBe(400)
    },
  )

  test.each([
    ['a zip cut short', 'application/zip', zipOf({ a: 'one' }).subarray(0, 40), 400, 'bad_archive'],
    ['a tar cut short', 'application/x-tar', Buffer.alloc(700, 'x'), 400, 'bad_archive'],
  ])('%s is rejected and nothing becomes visible', async (_, type, body, status, code) => {
    const path = fresh()
    const headers = { 'content-type': type }
    expect(
      await problemOf(await server.send(path, { method: 'PUT', headers, body })),
    ).toMatchObject({ status, code })
    const run = path.split('/')[7]
    const list = await (await server.send(`/api/v1/artifacts?run=${run}&state=any`)).json()
    expect(list).toMatchObject({ items: [], total: 0 })
    expect(await readdir(join(server.dataDir, 'cas/staging/uploads'))).toEqual([])
  })

  test('a tar with a path that leads outside is rejected, naming the path', async () => {
    const body = await tarOf([{ name: '../evil', content: 'x' }])
    const headers = { 'content-type': 'application/x-tar' }
    const problem = await problemOf(await server.send(fresh(), { method: 'PUT', headers, body }))
    expect(problem).toMatchObject({ status: 422, code: 'unsafe_path', body: { path: '../evil' } })
  })

  test('a file name that leads outside is rejected', async () => {
    const response = await server.send(`${fresh()}?filename=..%2Fevil`, {
      method: 'PUT',
      body: 'x',
    })
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'unsafe_path' })
  })

  test.each([
    ['content-type', 'multipart/form-data; boundary=x'],
    ['content-encoding', 'gzip'],
    ['content-range', 'bytes 3-6/7'],
  ])('a body that is not the file itself is rejected (%s)', async (field, value) => {
    const path = fresh()
    const refused = await server.send(path, {
      method: 'PUT',
      headers: { [field]: value },
      body: 'x',
    })
    expect(await problemOf(refused)).toMatchObject({
      status: 400,
      code: 'invalid_request',
      body: { field },
    })
    const headers = { 'content-encoding': 'identity' }
    expect((await server.send(path, { method: 'PUT', headers, body: 'x' })).status).toBe(201)
  })

  test('a body above the limit is rejected, naming limit and setting', async () => {
    const response = await server.send(fresh(), {
      method: 'PUT',
      body: Buffer.alloc(1024 * 1024 + 1),
    })
    const problem = await problemOf(response)
    expect(problem).toMatchObject({
      status: 413,
      code: 'too_large',
      body: { setting: 'TROVE_MAX_ARTIFACT' },
    })
  })

  test('an artifact name that clients cannot write is rejected', async () => {
    const response = await server.send(fresh('a%3Ab'), { method: 'PUT', body: 'x' })
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'invalid_name' })
  })

  // Such a response was thirteen times as long as the name, and was made in memory: twelve tars
  // with names of 4 MB ended a server.
  test('an error does not quote a long name in full', async () => {
    const body = await tarOf([{ name: '\u0001'.repeat(500_000) }])
    const headers = { 'content-type': 'application/x-tar' }
    const response = await server.send(fresh(), { method: 'PUT', headers, body })
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ status: 422, code: 'unsafe_path' })
    expect(text.length).toBeLessThan(100_000)
  })

  test('retention is the default, the requested value, or the nearest bound', async () => {
    const keptDays = async (query: string) => {
      const id = await server.put(fresh() + query)
      const { createdAt, expiresAt } = artifactDetailSchema.parse(
        await (await server.send(`/api/v1/artifacts/${id}`)).json(),
      )
      return (Date.parse(expiresAt) - Date.parse(createdAt)) / dayMs
    }
    expect(await keptDays('')).toBe(90)
    expect(await keptDays('?retentionDays=0')).toBe(90)
    expect(await keptDays('?retentionDays=7')).toBe(7)
    expect(await keptDays('?retentionDays=3000')).toBe(100)
    const refused = await server.send(`${fresh()}?retentionDays=-1`, { method: 'PUT', body: 'x' })
    expect(await problemOf(refused)).toMatchObject({
      status: 400,
      body: { field: 'retentionDays' },
    })
  })
})

describe('a body that stops part-way', () => {
  test.each(['application/zip', 'application/x-tar', 'text/plain'])(
    'leaves nothing visible and nothing in staging: %s',
    async (type) => {
      const path = fresh()
      const authorization = `Bearer ${await server.token()}`
      const headers = { authorization, 'content-type': type, 'content-length': 100_000 }
      const upload = request(new URL(path, server.url), { method: 'PUT', headers })
      upload.on('error', () => undefined)
      const isStaged = async () =>
        (await readdir(join(server.dataDir, 'cas/staging/uploads'))).length
      upload.write(Buffer.alloc(50_000))
      if (type === 'application/zip') await expect.poll(isStaged).toBe(1)
      else await once(upload, 'socket')
      upload.destroy()
      await expect.poll(isStaged).toBe(0)
      const run = path.split('/')[7]
      const list = await server.send(`/api/v1/artifacts?run=${run}&state=any`)
      expect(await list.json()).toMatchObject({ items: [] })
      // The name is free, as if nothing had been sent.
      expect((await server.send(path, { method: 'PUT', body: 'x' })).status).toBe(201)
    },
  )
})

describe('bytes after the end of a tar.gz', () => {
  /** More than a body reads ahead. */
  const behindBytes = 4 * limits.readWindowBytes
  let roomy: TestServer
  beforeAll(async () => {
    roomy = await openServer()
    return roomy.close
  })

  /** Sends a tar.gz and the first of the bytes after it; resolves once the artifact exists. */
  async function putAndGoOn(): Promise<{ socket: Socket; body: Buffer }> {
    const path = fresh()
    const body = await tarGzOf([{ name: 'a', content: 'content' }])
    const { hostname, port } = new URL(roomy.url)
    const socket = connect(Number(port), hostname)
    socket.write(
      `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await roomy.token()}\r\n` +
        `Content-Type: application/gzip\r\nContent-Length: ${body.length + behindBytes}\r\n\r\n`,
    )
    socket.write(Buffer.concat([body, Buffer.alloc(1)]))
    const list = `/api/v1/artifacts?run=${path.split('/')[7]}`
    const total = async () => await (await roomy.send(list)).json()
    await expect.poll(total).toMatchObject({ total: 1 })
    return { socket, body }
  }

  async function metric(name: string): Promise<number> {
    const text = await (await roomy.send('/metrics')).text()
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
  }

  test('are read and discarded, and the connection stays usable', async () => {
    const { socket } = await putAndGoOn()
    socket.write(Buffer.alloc(behindBytes - 1))
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 201 /)
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
  })

  test('do not end the process when the connection is reset among them', async () => {
    const uncaught: unknown[] = []
    const note = (error: unknown): void => {
      uncaught.push(error)
    }
    process.on('uncaughtException', note)
    const before = await metric('trove_received_bytes_total')
    const { socket, body } = await putAndGoOn()
    socket.write(Buffer.alloc(1))
    await expect
      .poll(async () => await metric('trove_received_bytes_total'))
      .toBe(before + body.length + 2)
    socket.resetAndDestroy()
    // The request for this figure is the only one left in flight.
    await expect.poll(async () => await metric('trove_requests_in_flight')).toBe(1)
    process.off('uncaughtException', note)
    expect(uncaught).toEqual([])
  })
})

describe('a taken name', () => {
  test('is a success with the same artifact for the same job and tree', async () => {
    const path = fresh()
    const first = await server.send(path, { method: 'PUT', body: 'same' })
    const again = await server.send(path, { method: 'PUT', body: 'same' })
    expect([first.status, again.status]).toEqual([201, 200])
    expect(await again.json()).toMatchObject({ id: ((await first.json()) as { id: number }).id })
  })

  test('is a conflict that names the artifact for other content, unless it is to be replaced', async () => {
    const path = fresh()
    const id = await server.put(path, { body: 'old' })
    const refused = await problemOf(await server.send(path, { method: 'PUT', body: 'new' }))
    expect(refused).toMatchObject({ status: 409, code: 'name_taken', body: { artifactId: id } })
    const replaced = await server.send(`${path}?overwrite`, { method: 'PUT', body: 'new' })
    expect(replaced.status).toBe(201)
    const gone = await problemOf(await server.send(`/api/v1/artifacts/${id}`))
    expect(gone).toMatchObject({ status: 410, code: 'artifact_deleted' })
  })
})

test('a name whose holder expires during an upload is free at its end', async () => {
  const path = fresh()
  const id = await server.put(path, { body: 'same' })
  // The clock of requests is frozen; that of commits advances.
  const json = { expiresAt: new Date(server.clock.now + 1).toISOString() }
  await server.send(`/api/v1/artifacts/${id}`, { method: 'PATCH', json })
  const again = await server.send(path, { method: 'PUT', body: 'same' })
  expect(again.status).toBe(201)
  expect(await again.json()).not.toMatchObject({ id })
})

describe('permission to upload', () => {
  test('requires a token', async () => {
    const response = await server.send(fresh(), { method: 'PUT', token: null, body: 'x' })
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthenticated' })
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
  })

  test('is denied to a reader of the project', async () => {
    const token = await server.token({ scope: 'read' })
    expect(
      await problemOf(await server.send(fresh(), { method: 'PUT', token, body: 'x' })),
    ).toMatchObject({ status: 403 })
  })

  test('with a token of another project is not found', async () => {
    const token = await server.token({ project: 'other/app' })
    expect(
      await problemOf(await server.send(fresh(), { method: 'PUT', token, body: 'x' })),
    ).toMatchObject({ status: 404 })
  })

  test('of a job covers its own run and attempt, under its own job and branch', async () => {
    lastRun += 1
    const token = await server.token({
      scope: 'job',
      run: lastRun,
      attempt: 2,
      job: 'compile',
      branch: 'main',
    })
    const put = async (run: number, query = '') =>
      await server.send(`/api/v1/projects/octo/app/runs/${run}/artifacts/a${query}`, {
        method: 'PUT',
        token,
        body: 'x',
      })
    const own = await put(lastRun, '?branch=forged')
    expect(own.status).toBe(201)
    expect(await own.json()).toMatchObject({ attempt: 2, job: 'compile', branch: 'main' })
    expect((await put(lastRun, '?attempt=1')).status).toBe(403)
    expect((await put(lastRun, '?job=other')).status).toBe(403)
    expect((await put(lastRun + 1000)).status).toBe(403)
  })
})
