/** What a download asks for. Of a large file that DEST has in another version, the parts that both share are copied, and
 *  only the others are fetched. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { wantsMediaType } from '../../api/negotiation.ts'
import { apiRoot } from '../../api/paths.ts'
import { encodeWants, type ListedParts, readListedParts } from '../../core/blob-exchange.ts'
import { type Digest, digestFromBytes } from '../../core/digest.ts'
import { limits } from '../../core/limits.ts'
import { createByteReader } from '../../core/varint.ts'
import { type Destination, place } from './destination.ts'
import type { Wants } from './fetch-blobs.ts'
import type { FetchedTree } from './tree-columns.ts'
import { FileError } from '../files/file-error.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { CopyTask } from '../files/file-tasks.ts'
import { requestBytes, type ServerAccess } from '../transport/http.ts'
import { partialPath } from './partial-tree.ts'
import { digestBytes } from '../../core/digest.ts'

/** What of a download under way this needs to know. */
export interface Planning {
  server: ServerAccess
  pool: FilePool
  artifactId: number
  tree: FetchedTree
  destination: Destination
  progress: { doneBytes: number }
  signal: AbortSignal
  tell(): void
}

/** Large files of which DEST has another version. */
export function findOlder(
  { tree, destination }: Pick<Planning, 'tree' | 'destination'>,
  large: readonly number[],
): number[] {
  return large.filter(
    (ordinal) =>
      destination.places[ordinal] === place.same &&
      isLargeFile(join(destination.root, tree.path(ordinal))),
  )
}

/** What to ask for of files of which DEST has another version: what differs, or the whole where nothing can be shared. */
export async function planWants(planning: Planning, older: readonly number[]): Promise<Wants> {
  const { tree, destination } = planning
  const parts = new Map<number, number[]>()
  const limit = pLimit(planning.pool.threads)
  await Promise.all(
    (await listParts(planning, older)).map(async (listed) => {
      await limit(async () => {
        const to = partialPath(destination, tree, listed.ordinal)
        parts.set(listed.ordinal, await reuseParts(planning, listed, to))
      })
    }),
  )
  const wanted = older.filter((ordinal) => parts.get(ordinal)?.length !== 0)
  return { ordinals: wanted.toSorted((a, b) => a - b), parts }
}

function isLargeFile(path: string): boolean {
  return (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) >= limits.chunkMinBytes
}

async function listParts(
  { server, artifactId, signal }: Planning,
  ordinals: readonly number[],
): Promise<ListedParts[]> {
  if (ordinals.length === 0) return []
  const bytes = await requestBytes(server, {
    method: 'POST',
    path: `${apiRoot}/blobs/parts`,
    query: { artifact: artifactId },
    headers: { 'content-type': wantsMediaType },
    body: encodeWants(ordinals.map((ordinal) => ({ ordinal, parts: null }))),
    repeatable: true,
    signal,
  })
  const reader = createByteReader(bytes)
  const listed: ListedParts[] = []
  while (!reader.atEnd()) listed.push(readListedParts(reader))
  return listed.filter(({ parts }) => parts.length > 0)
}

/** Copies the parts that the older file has; answers the ordinals of the others: all, where it cannot be read or changes
 *  meanwhile. */
async function reuseParts(planning: Planning, listed: ListedParts, to: string): Promise<number[]> {
  const from = join(planning.destination.root, planning.tree.path(listed.ordinal))
  try {
    return await copyShared(planning, listed, { from, to })
  } catch (error) {
    if (!(error instanceof FileError) || error.path !== from) throw error
    return [...listed.parts.keys()]
  }
}

/** Errors: FileError. */
async function copyShared(
  { pool, progress, tell }: Planning,
  listed: ListedParts,
  { from, to }: { from: string; to: string },
): Promise<number[]> {
  const cut = await pool.run({ kind: 'chunk', path: from })
  const offsets = new Map<Digest, number>()
  let offset = 0
  for (const [index, sizeBytes] of cut.sizes.entries()) {
    offsets.set(
      digestFromBytes(cut.digests.subarray(index * digestBytes, (index + 1) * digestBytes)),
      offset,
    )
    offset += sizeBytes
  }
  const missing: number[] = []
  const pieces: CopyTask['pieces'] = []
  let at = 0
  for (const [index, { digest, sizeBytes }] of listed.parts.entries()) {
    const held = offsets.get(digest)
    if (held === undefined) missing.push(index)
    else pieces.push({ from: held, to: at, sizeBytes, digest })
    at += sizeBytes
  }
  await pool.run({ kind: 'copy', from, to, pieces })
  progress.doneBytes += pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)
  tell()
  return missing
}
