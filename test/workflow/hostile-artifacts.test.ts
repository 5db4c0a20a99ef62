/** A misbehaving server cannot make an artifact step of `trove run` write outside its directory. */
import { createServer } from 'node:http'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import type { ArtifactStore } from '../../src/workflow/artifacts.ts'
import { createNativeArtifacts } from '../../src/workflow/native-artifacts.ts'
import { listen } from '../client/listen.ts'
import { testDirectory } from '../temporary-directory.ts'

const content = 'content'
const digest = digestOf(content)

/** The store of a server whose only artifact has this name and kind. */
async function storeWith(name: string, kind: 'opaque' | 'raw'): Promise<ArtifactStore> {
  const artifact = {
    id: 7,
    name,
    kind,
    attempt: 1,
    logicalBytes: 7,
    treeDigest: `sha256:${digest}`,
  }
  const entry = { kind: 'file', path: 'file', mode: 420, sizeBytes: 7, digest: `sha256:${digest}` }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://server')
    const [, end] = /^\/api\/v1\/artifacts(?:\/7)?(?:\/(\w+))?/.exec(pathname) ?? []
    if (end === undefined && pathname.endsWith('/7')) response.end(JSON.stringify(artifact))
    else if (end === undefined)
      response.end(JSON.stringify({ items: [artifact], nextCursor: null }))
    else if (end === 'manifest') response.end(`${JSON.stringify(entry)}\n`)
    else response.writeHead(200, { etag: '"1"' }).end(content)
  })
  const own = { project: 'octo/demo', run: 1, attempt: 1 }
  return createNativeArtifacts({ url: await listen(server), token: 'a.b.c', ...own })
}

const misnamed = expect.objectContaining({ code: 'invalid_name' }) as unknown

test.each(['..', '../escaped', '/tmp/escaped', 'a/b'])(
  'an artifact named %s is not listed',
  async (name) => {
    const store = await storeWith(name, 'opaque')
    await expect(store.list(undefined)).rejects.toEqual(misnamed)
  },
)

test.each(['opaque', 'raw'] as const)(
  'what is saved as one file, of kind %s, stays in its directory',
  async (kind) => {
    const store = await storeWith('../escaped', kind)
    const outside = testDirectory()
    const directory = join(outside, 'inside')
    await mkdir(directory)
    const listed = { id: 7, name: 'good', logicalBytes: 7, treeDigest: `sha256:${digest}` }
    const signal = new AbortController().signal
    const saving = { artifact: listed, from: undefined, keepArchive: true, directory, signal }
    await expect(store.download(saving)).rejects.toEqual(misnamed)
    expect(await readdir(outside)).toEqual(['inside'])
    expect(await readdir(directory)).toEqual([])
  },
)
