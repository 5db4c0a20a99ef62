/** Five consecutive releases of a real package through the published client: downloads equal what
 *  was sent, and the store keeps little more than what is new. The server is the built one, in its
 *  own process. */
import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collectStreams } from '../../bench/zip-streams.ts'
import { fetchReleases, listFiles } from '../../bench/corpora.ts'
import { directoryBytes } from '../../bench/measure.ts'
import { openStockClient, stockLibraries, type StockClient } from './stock-client.ts'
import { runTrove, startTrove, type TroveProcess } from './trove-process.ts'

const run = promisify(execFile)
const hour = 60 * 60_000

let releases: string[]
beforeAll(async () => {
  releases = await fetchReleases('next')
}, hour)

describe.each(stockLibraries)('five releases by %s', (library) => {
  let scratch: string
  let trove: TroveProcess
  let client: StockClient
  let token: string
  const sent: { name: string; id: number; size: number; digest: string; directory: string }[] = []

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'trove-releases-'))
    trove = await startTrove(join(scratch, 'data'))
    token = await trove.token()
    client = await openStockClient({ url: trove.url, token }, library)
    for (const directory of releases) await upload(basename(directory), directory)
  }, hour)
  afterAll(async () => {
    await client.close()
    await trove.stop()
    await rm(scratch, { recursive: true, force: true })
  })

  async function upload(name: string, directory: string): Promise<void> {
    const files = await listFiles(directory)
    const { id, size, digest } = await client.uploadArtifact(name, files, directory)
    sent.push({ name, id: id!, size: size!, digest: digest!, directory })
  }

  async function fetchZip(id: number): Promise<string> {
    const path = join(scratch, `${id}.zip`)
    const url = `${trove.url}/api/v1/artifacts/${id}/archive.zip`
    await run('curl', ['-sSf', '-o', path, '-H', `Authorization: Bearer ${token}`, url])
    return path
  }

  const packBytes = async (): Promise<number> =>
    await directoryBytes(join(scratch, 'data/cas/packs'))

  test('each is listed with the digest that the client computed, and its download is equal under diff -r', async () => {
    const { artifacts } = await client.listArtifacts()
    for (const { name, id, size, digest, directory } of sent) {
      expect(artifacts).toContainEqual(expect.objectContaining({ name, id, size }))
      const { artifact } = await client.getArtifact(name)
      expect(artifact.digest).toBe(`sha256:${digest}`)
      const path = join(scratch, `fetched-${name}`)
      const options = { path, expectedHash: `sha256:${digest}` }
      expect((await client.downloadArtifact(id, options)).digestMismatch).toBe(false)
      expect((await run('diff', ['-r', directory, path])).stdout).toBe('')
      await rm(path, { recursive: true })
    }
  })

  test('the zip that curl downloads is identical to what was sent', async () => {
    for (const { id, size, digest } of sent) {
      const zip = await readFile(await fetchZip(id))
      expect(zip.length).toBe(size)
      expect(hash('sha256', zip, 'hex')).toBe(digest)
    }
  })

  test('all of them take at most 3 % more space than whole-file deduplication of the same streams', async () => {
    const unique = new Map<string, number>()
    for (const { id } of sent) await collectStreams(await fetchZip(id), unique)
    const needed = [...unique.values()].reduce((sum, bytes) => sum + bytes, 0)
    expect(await packBytes()).toBeLessThanOrEqual(needed * 1.03)
  })

  test('the same tree again adds less than 2 % of its zip', async () => {
    const before = await directoryBytes(join(scratch, 'data'))
    await upload('again', releases.at(-1)!)
    const added = (await directoryBytes(join(scratch, 'data'))) - before
    expect(added).toBeLessThan(0.02 * sent.at(-1)!.size)
  })

  test('trove stats matches the disk to within 1 %', async () => {
    const admin = await trove.token(['--scope', 'admin'])
    const stats = await runTrove(['stats', '--json'], { TROVE_URL: trove.url, TROVE_TOKEN: admin })
    const { storedBytes } = JSON.parse(stats) as { storedBytes: number }
    const onDisk = await directoryBytes(join(scratch, 'data/cas'))
    expect(Math.abs(storedBytes - onDisk)).toBeLessThan(0.01 * onDisk)
  })

  test('every pack passes unzip -t', async () => {
    const packs = join(scratch, 'data/cas/packs')
    const files = await readdir(packs, { recursive: true })
    const zips = files.filter((file) => file.endsWith('.zip'))
    expect(zips.length).toBeGreaterThan(0)
    for (const zip of zips) await run('unzip', ['-tqq', join(packs, zip)])
  })

  test('deleting an artifact and uploading one with the same name leaves the new one', async () => {
    const [first, second] = sent
    await client.deleteArtifact(first!.name)
    await upload(first!.name, second!.directory)
    const path = join(scratch, 'overwritten')
    await client.downloadArtifact((await client.getArtifact(first!.name)).artifact.id, { path })
    expect((await run('diff', ['-r', second!.directory, path])).stdout).toBe('')
  })
})

describe('five releases as tars by curl', () => {
  test("take at most 0.85 times the size of restic's repository for the same directories", async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'trove-releases-'))
    const data = join(scratch, 'data')
    const trove = await startTrove(data)
    try {
      const token = await trove.token()
      for (const directory of releases) {
        const tar = join(scratch, 'release.tar')
        await run('tar', ['-cf', tar, '-C', directory, '.'])
        const url = `${trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${basename(directory)}`
        const headers = [
          '-H',
          `Authorization: Bearer ${token}`,
          '-H',
          'Content-Type: application/x-tar',
        ]
        await run('curl', ['-sSf', '-o', join(scratch, 'answer'), '-T', tar, ...headers, url])
      }
      const stored = await directoryBytes(join(data, 'cas/packs'))
      expect(stored).toBeLessThanOrEqual(0.85 * (await resticBytes(scratch)))
    } finally {
      await trove.stop()
      await rm(scratch, { recursive: true, force: true })
    }
  })

  async function resticBytes(scratch: string): Promise<number> {
    const repository = join(scratch, 'restic')
    await mkdir(repository)
    const env = { ...process.env, RESTIC_PASSWORD: 'test', RESTIC_REPOSITORY: repository }
    await run('restic', ['init', '--no-cache'], { env })
    for (const cwd of releases) await run('restic', ['backup', '--no-cache', '.'], { cwd, env })
    return await directoryBytes(repository)
  }
})
