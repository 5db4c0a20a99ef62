/** The published artifact client, in its newest and an older major version, against a running
 *  server: what the upload and download steps of a workflow do. */
import { hash } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { checkoutConfig } from '../core/made-up-secrets.ts'
import { openStockClient, stockLibraries, type StockClient } from './stock-client.ts'
import { openStore, type Store } from './store.ts'
import { buildTree, digestsOf, readDigests, smallTree, writeTree, type Tree } from './trees.ts'

const scratch = await makeDirectory()
/** Both libraries upload artifacts of the same names. */
const stores = new Map<string, Store>()
for (const library of stockLibraries) stores.set(library, await openStore())

describe.each(stockLibraries)('%s', (library) => {
  const store = stores.get(library)!
  let client: StockClient
  beforeAll(async () => {
    client = await openStockClient({ url: store.url, token: await store.token() }, library)
    return client.close
  })

  /** Uploads `tree` as `name`; the size and digest are those that the client computed. */
  async function upload(
    name: string,
    tree: Tree,
  ): Promise<{ id: number; size: number; digest: string; files: string[]; root: string }> {
    const root = await mkdtemp(join(scratch, 'tree-'))
    const files = await writeTree(root, tree)
    const { id, size, digest } = await client.uploadArtifact(name, files, root)
    return { id: id!, size: size!, digest: digest!, files, root }
  }

  async function readArchive(id: number, format: string): Promise<Buffer> {
    const response = await fetch(`${store.url}/api/v1/artifacts/${id}/archive.${format}`, {
      headers: { authorization: `Bearer ${await store.token()}` },
    })
    expect(response.status).toBe(200)
    return Buffer.from(await response.arrayBuffer())
  }

  test('an upload is listed, found by name and downloaded as the tree that was sent', async () => {
    const tree = buildTree()
    const { id, size, digest } = await upload('whole', tree)
    const { artifacts } = await client.listArtifacts()
    expect(artifacts).toContainEqual(expect.objectContaining({ id, name: 'whole', size }))
    const { artifact } = await client.getArtifact('whole')
    expect(artifact).toMatchObject({ id, name: 'whole', size, digest: `sha256:${digest}` })

    const path = join(scratch, 'whole')
    const { digestMismatch } = await client.downloadArtifact(id, {
      path,
      expectedHash: `sha256:${digest}`,
    })
    expect(digestMismatch).toBe(false)
    expect(await readDigests(path)).toEqual(digestsOf(tree))
  })

  test('the zip that was sent is downloaded byte for byte', async () => {
    const { id, size, digest } = await upload('exact', buildTree())
    const zip = await readArchive(id, 'zip')
    expect(zip.length).toBe(size)
    expect(hash('sha256', zip, 'hex')).toBe(digest)
  })

  test.each([0, 9])('compression level %i is preserved byte for byte', async (compressionLevel) => {
    const root = await mkdtemp(join(scratch, 'tree-'))
    const files = await writeTree(root, smallTree)
    const name = `level-${compressionLevel}`
    const { id, digest } = await client.uploadArtifact(name, files, root, { compressionLevel })
    expect(hash('sha256', await readArchive(id!, 'zip'), 'hex')).toBe(digest)
    const path = join(scratch, name)
    await client.downloadArtifact(id!, { path })
    expect(await readDigests(path)).toEqual(await readDigests(root))
  })

  test('a deleted artifact is no longer listed, and its name is free again', async () => {
    const { id } = await upload('fleeting', { 'a.txt': 'first' })
    expect(await client.deleteArtifact('fleeting')).toEqual({ id })
    await expect(client.getArtifact('fleeting')).rejects.toThrow(/Artifact not found for name/)
    const again = await upload('fleeting', { 'a.txt': 'second' })
    expect(again.id).toBeGreaterThan(id)
  })

  test('a taken name is rejected at once, with the message that users know', async () => {
    const { id, files, root } = await upload('taken', { 'a.txt': 'first' })
    await expect(client.uploadArtifact('taken', files, root)).rejects.toThrow(
      'Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: ' +
        'an artifact with this name already exists on the workflow run',
    )
    expect((await client.getArtifact('taken')).artifact.id).toBe(id)
  })

  test('overwrite, which is delete and upload, leaves the new content under the name', async () => {
    await upload('replaced', { 'a.txt': 'old' })
    await client.deleteArtifact('replaced')
    const { id } = await upload('replaced', { 'a.txt': 'new' })
    const path = join(scratch, 'replaced')
    await client.downloadArtifact((await client.getArtifact('replaced')).artifact.id, { path })
    expect((await client.getArtifact('replaced')).artifact.id).toBe(id)
    expect(await readDigests(path)).toEqual(digestsOf({ 'a.txt': 'new' }))
  })

  test('concurrent downloads of many artifacts into one directory give the union of their files', async () => {
    const trees = Array.from({ length: 8 }, (_, shard): Tree => ({
      [`shard-${shard}.txt`]: `results of shard ${shard}`,
      'common.txt': 'the same everywhere',
    }))
    for (const [shard, tree] of trees.entries()) await upload(`merge-${shard}`, tree)
    const listed = (await client.listArtifacts()).artifacts.filter(({ name }) =>
      name.startsWith('merge-'),
    )
    expect(listed).toHaveLength(8)
    // As download-artifact does with merge-multiple: all downloads start together.
    const path = join(scratch, 'merged')
    const downloads = await Promise.all(
      listed.map(({ id, digest }) => client.downloadArtifact(id, { path, expectedHash: digest! })),
    )
    expect(downloads.filter(({ digestMismatch }) => digestMismatch)).toEqual([])
    expect(await readDigests(path)).toEqual(digestsOf(Object.assign({}, ...trees) as Tree))
  })

  test('merging artifacts, as the merge action does, leaves one artifact with all files in place', async () => {
    // GITHUB-PROTOCOL §12: list, download all at once, upload the result, delete the merged
    // artifacts.
    const trees: Tree[] = [{ 'a.txt': 'a' }, { 'b.txt': 'b' }, { 'sub/c.txt': 'c' }]
    for (const [part, tree] of trees.entries()) await upload(`part-${part}`, tree)
    const parts = (await client.listArtifacts()).artifacts.filter(({ name }) =>
      name.startsWith('part-'),
    )
    const path = await mkdtemp(join(scratch, 'parts-'))
    await Promise.all(parts.map(({ id }) => client.downloadArtifact(id, { path })))
    const merged = Object.assign({}, ...trees) as Tree
    const files = Object.keys(merged).map((name) => join(path, name))
    const { id } = await client.uploadArtifact('merged-artifacts', files, path)
    await Promise.all(parts.map(({ name }) => client.deleteArtifact(name)))

    const left = (await client.listArtifacts()).artifacts.map(({ name }) => name)
    expect(left.filter((name) => name.startsWith('part-'))).toEqual([])
    const out = join(scratch, 'merged-out')
    await client.downloadArtifact(id!, { path: out })
    expect(await readDigests(out)).toEqual(digestsOf(merged))
  })

  test('uploaded file modes are kept for clients that can restore them', async () => {
    const { id } = await upload('modes', smallTree)
    const response = await fetch(`${store.url}/api/v1/artifacts/${id}/manifest`, {
      headers: { authorization: `Bearer ${await store.token()}` },
    })
    const lines = (await response.text()).trimEnd().split('\n')
    const entries = lines.map((line) => JSON.parse(line) as { path: string; mode: string })
    const modes = new Map(entries.map(({ path, mode }) => [path, mode]))
    expect(modes.get('bin/run.sh')).toBe('0755')
    expect(modes.get('index.html')).toBe('0644')
  })

  // ArtiPACKED: a job uploads its checkout, including the token that the checkout has stored.
  test('the credential of a checkout is reported, and the zip stays unchanged', async () => {
    const { id, digest } = await upload('checkout', { '.git/config': checkoutConfig(), a: 'a' })
    const headers = { authorization: `Bearer ${await store.token()}` }
    const path = `${store.url}/api/v1/artifacts/${id}`
    const read = async (of: string): Promise<unknown> =>
      await (await fetch(`${path}${of}`, { headers })).json()
    await vi.waitFor(async () => expect(await read('')).toMatchObject({ secrets: 1 }), {
      timeout: 600_000,
      interval: 1000,
    })
    expect(await read('/secrets')).toMatchObject({
      secrets: [{ path: '.git/config', line: 7, kind: 'git-authorization' }],
    })
    expect(hash('sha256', await readArchive(id, 'zip'), 'hex')).toBe(digest)
  }, 660_000)

  test('a token of another run sees nothing of this run and cannot write to it', async () => {
    await upload('private', { 'a.txt': 'of run 1' })
    const token = await store.token({ run: 2 })
    const other = await openStockClient({ url: store.url, token }, library)
    try {
      expect((await other.listArtifacts()).artifacts).toEqual([])
      await expect(other.deleteArtifact('private')).rejects.toThrow(/Artifact not found/)
    } finally {
      await other.close()
    }
    expect((await client.getArtifact('private')).artifact.name).toBe('private')
  })

  test('a token with a foreign signature is rejected without retries', async () => {
    const [header, claims] = (await store.token()).split('.')
    const forged = `${header}.${claims}.${Buffer.alloc(32).toString('base64url')}`
    const other = await openStockClient({ url: store.url, token: forged }, library)
    try {
      await expect(other.listArtifacts()).rejects.toThrow(/\(401\) Unauthorized/)
    } finally {
      await other.close()
    }
  })
})
