/** Servers without a disk of their own, which restore their store from the bucket at each start. */
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import { startTrove } from '../cli/run-trove.ts'
import { makeDirectory, makeTree } from '../client/tree.ts'
import { freePort } from '../free-port.ts'
import { cutting, type FakeS3 } from '../packs/fake-s3.ts'
import { expectSame, imitated, makeSource, places, type Site, upload } from './bucket-site.ts'
import { startTrove as startReady, type TroveProcess } from './trove-process.ts'

const ephemeral = {
  TROVE_RESTORE: 'on',
  TROVE_SNAPSHOT_INTERVAL: '1h',
  TROVE_CHANGES_INTERVAL: '0',
  TROVE_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
  TROVE_LOG_LEVEL: 'info',
}

const patience = { timeout: 60_000, interval: 50 }

function clientAt(server: TroveProcess, token: string): Client {
  return createClient({ url: server.url, token, cacheDir: null })
}

async function tokenOf(server: TroveProcess): Promise<string> {
  return await server.token(['--project', 'octo/demo', '--scope', 'write'])
}

async function put({ url }: TroveProcess, token: string): Promise<Response> {
  return await fetch(`${url}/api/v1/projects/octo/demo/runs/3/artifacts/lost`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: 'not in the store',
  })
}

/** A server that need not become ready. */
function begin(site: Site, port = 0): { child: ChildProcess; exited: Promise<unknown> } {
  const child = startTrove(['serve', '--data', site.data, '--port', String(port)], site.environment)
  child.stderr.resume()
  child.stdout.resume()
  const exited = once(child, 'close')
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, exited }
}

describe.each(places)('a store in a bucket, %s', (_, open) => {
  test('is that of the next server, whether the one before is gone or lives on', async () => {
    const site = await open()
    Object.assign(site.environment, ephemeral)
    const first = await site.serve()
    const token = await tokenOf(first)
    const source = await makeSource()
    const kept = await upload(clientAt(first, token), source)
    await first.kill()
    await rm(site.data, { recursive: true })

    const second = await site.serve()
    expect(second.log()).toMatch(/"message":"restored"/)
    // The keys are given, so a token from before is valid.
    await expectSame(clientAt(second, token), kept, source)
    await makeTree(source, { later: 'later' })
    const later = await upload(clientAt(second, token), source, 2)

    const third = await startReady(join(await makeDirectory(), 'data'), site.environment)
    onTestFinished(async () => void (await third.stop()))
    const lost = await put(second, token).catch(() => undefined)
    expect(lost?.ok ?? false).toBe(false)
    expect(await second.ended()).toBe(2)
    await expectSame(clientAt(third, token), later, source)
    await expect(site.serve()).rejects.toThrow(/another server has taken over/)
  })
})

/** A bucket with a store whose server and its disk are gone, and a pack that its metadata do not
 *  know. */
async function lostStore(): Promise<{
  fake: FakeS3
  site: Site
  expectAll(server: TroveProcess): Promise<void>
}> {
  const { fake, site } = await imitated()
  Object.assign(site.environment, ephemeral)
  const server = await site.serve()
  const token = await tokenOf(server)
  const source = await makeDirectory()
  await makeTree(source, { a: 'a', b: 'b' })
  const kept = await upload(clientAt(server, token), source)
  const packs = (): string[] => [...fake.objects.keys()].filter((key) => /packs/.test(key))
  const known = packs()
  fake.before = async (request, response) =>
    /^PUT .*changes\.gz$/.test(request) ? await cutting(request, response) : undefined
  expect((await put(server, token)).status).toBe(503)
  await server.kill()
  fake.before = async () => undefined
  await rm(site.data, { recursive: true })
  const [unknown] = packs().filter((key) => !known.includes(key))
  const expectAll = async (next: TroveProcess): Promise<void> => {
    expect(packs()).toContain(unknown)
    await expectSame(clientAt(next, token), kept, source)
  }
  return { fake, site, expectAll }
}

describe('a restore', () => {
  // What the server is killed at: before or after the bucket has carried the request out.
  test.each([
    ['before', /^GET ci\/metadata\/.*db\.gz/],
    ['before', /^GET ci\/metadata\/.*changes\.gz/],
    ['before', /^PUT ci\/owner/],
    ['after', /^PUT ci\/owner/],
    ['before', /^GET ci\/format/],
    ['after', /^PUT ci\/metadata\//],
  ] as const)('that is killed %s %s begins again', async (when, pattern) => {
    const { fake, site, expectAll } = await lostStore()
    const victim = begin(site)
    fake[when] = async (request, response) => {
      if (!pattern.test(request)) return undefined
      victim.child.kill('SIGKILL')
      return await cutting(request, response)
    }
    await victim.exited
    expect(victim.child.signalCode).toBe('SIGKILL')
    fake[when] = async () => undefined
    await expectAll(await site.serve())
  })

  test('answers probes and says how far it is, and can be stopped', async () => {
    const { fake, site, expectAll } = await lostStore()
    const port = await freePort()
    let reached = (): void => {}
    const isReached = new Promise<void>((resolve) => (reached = resolve))
    fake.before = async (request) => {
      if (!/changes\.gz/.test(request)) return undefined
      reached()
      return await new Promise(() => {})
    }
    const server = begin(site, port)
    await isReached
    const url = `http://127.0.0.1:${port}`
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.text()).toMatch(/^restoring the metadata, .* of .*\n$/)
    server.child.kill('SIGTERM')
    await server.exited
    expect(server.child.exitCode).toBe(0)
    expect(existsSync(join(site.data, 'trove.db'))).toBe(false)
    fake.before = async () => undefined
    await expectAll(await site.serve())
  })

  test('waits for a bucket that does not respond, and starts no empty store meanwhile', async () => {
    const { fake, site, expectAll } = await lostStore()
    fake.requests.length = 0
    fake.before = cutting
    const starting = site.serve()
    // Amazon's client tries four times.
    await vi.waitFor(() => expect(fake.requests.length).toBeGreaterThan(4), patience)
    expect(existsSync(join(site.data, 'trove.db'))).toBe(false)
    fake.before = async () => undefined
    const server = await starting
    expect(server.log()).toMatch(/the bucket does not respond; the start waits for it/)
    await expectAll(server)
  })
})

test('a new store is in the bucket before it takes requests', async () => {
  const { fake, site } = await imitated()
  Object.assign(site.environment, ephemeral, { TROVE_CHANGES_INTERVAL: '10s' })
  const server = await site.serve()
  expect([...fake.objects.keys()].filter((key) => key.endsWith('.db.gz'))).toHaveLength(1)
  expect(server.log()).toMatch(/loses what was acknowledged in the last TROVE_CHANGES_INTERVAL/)
  expect(server.log()).toMatch(/"files":"attestation\.key"/)
})
