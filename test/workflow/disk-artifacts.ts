/** An artifact store on disk for tests of the engine: it copies files and digests paths and
 *  bytes. */
import { createHash } from 'node:crypto'
import { copyFile, cp, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { storeError } from '../../src/core/errors.ts'
import type { ArtifactStore, ListedArtifact, UploadRequest } from '../../src/workflow/artifacts.ts'

interface StoredArtifact extends ListedArtifact {
  request: Omit<UploadRequest, 'signal' | 'files'>
  /** Entry paths, sorted. */
  paths: string[]
}

export interface DiskArtifacts {
  store: ArtifactStore
  /** Stored artifacts, oldest first. */
  stored: StoredArtifact[]
  /** Names of artifacts whose downloads report a digest mismatch. */
  damaged: Set<string>
}

export function createDiskArtifacts(directory: string): DiskArtifacts {
  const stored: StoredArtifact[] = []
  const damaged = new Set<string>()
  let nextId = 1001
  const contentOf = (id: number): string => join(directory, String(id))
  const removeNamed = (name: string): void => {
    const at = stored.findIndex((artifact) => artifact.name === name)
    if (at >= 0) stored.splice(at, 1)
  }
  const store: ArtifactStore = {
    upload: async (request) => {
      if (request.overwrite) removeNamed(request.name)
      if (stored.some((artifact) => artifact.name === request.name)) {
        const { name } = request
        throw storeError('name_taken', `the name "${name}" is taken`, { name, artifactId: null })
      }
      const id = nextId++
      const hash = createHash('sha256')
      let logicalBytes = 0
      for (const { absolutePath, entryPath } of request.files) {
        const target = join(contentOf(id), entryPath)
        await mkdir(dirname(target), { recursive: true })
        await copyFile(absolutePath, target)
        hash.update(entryPath).update(await readFile(absolutePath))
        logicalBytes += (await stat(target)).size
      }
      const treeDigest = `sha256:${hash.digest('hex')}`
      const { signal: _signal, files, ...rest } = request
      const paths = files.map((file) => file.entryPath).toSorted()
      stored.push({ id, name: request.name, logicalBytes, treeDigest, request: rest, paths })
      return {
        id,
        url: `http://trove.test/artifacts/${id}`,
        digest: null,
        treeDigest,
        remark: null,
      }
    },
    list: async (from) =>
      from === undefined || from.token === 'good'
        ? stored.map(({ id, name, logicalBytes, treeDigest }) => ({
            id,
            name,
            logicalBytes,
            treeDigest,
          }))
        : [],
    download: async ({ artifact, directory: target, keepArchive }) => {
      if (damaged.has(artifact.name)) return { digestMatches: false, remark: null }
      await mkdir(target, { recursive: true })
      if (keepArchive)
        await cp(contentOf(artifact.id), join(target, `${artifact.name}.zip`), { recursive: true })
      else await cp(contentOf(artifact.id), target, { recursive: true, force: true })
      return { digestMatches: true, remark: null }
    },
    remove: async ({ name }) => removeNamed(name),
  }
  return { store, stored, damaged }
}

/** Returns the relative paths of all files below a directory, sorted, with forward slashes. */
export async function listFiles(directory: string, below = ''): Promise<string[]> {
  const entries = await readdir(join(directory, below), { withFileTypes: true })
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      return entry.isDirectory() ? await listFiles(directory, path) : [path]
    }),
  )
  return nested.flat().toSorted()
}
