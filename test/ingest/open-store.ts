/** A store in its own directory, with ingest running in the test's thread. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished } from 'vitest'
import { type ArtifactName, parseArtifactName } from '../../src/core/artifact.ts'
import { limits } from '../../src/core/limits.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import { representZip } from '../../src/egress/egress.ts'
import type { Reader } from '../../src/egress/reader.ts'
import type { Representation } from '../../src/egress/representation.ts'
import { ingest } from '../../src/ingest/ingest.ts'
import type { IngestJob, StagedBytes, UploadForm } from '../../src/ingest/job.ts'
import type { IngestPorts, IngestSettings } from '../../src/ingest/session.ts'
import { ordinalFile } from '../../src/ingest/staging/staging-area.ts'
import type { Metadata, Published, Run } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { diskBytes } from '../lifecycle/leftovers.ts'
import { makeEmptyDatabase } from '../metadata/temporary-database.ts'
import { testDirectory } from '../temporary-directory.ts'

export const ingestSettings: IngestSettings = {
  artifactBytesMax: limits.artifactBytesMax,
  entriesMax: limits.entriesMax,
  compressionLevel: 6,
  stockZips: 'exact',
}

export interface TestStore {
  directory: string
  metadata: Metadata
  packs: PackStore
  reader: Reader
  ports: IngestPorts
  run: Run
  /** Ingests bytes (staged to a file first) or a stream under a name. */
  put(
    name: string,
    form: UploadForm,
    content: Buffer | Readable,
    more?: Partial<IngestJob>,
  ): Promise<Published>
  /** Ingests files, given by path, as a tar; returns the id of the artifact. */
  putTar(name: string, files: Record<string, string | Buffer>): Promise<number>
  /** The same as a stock zip. */
  putZip(name: string, files: Record<string, string | Buffer>): Promise<number>
  /** Sum of the sizes of pack files on disk. */
  packBytes(): Promise<number>
}

export async function openStore(settings: Partial<IngestSettings> = {}): Promise<TestStore> {
  const directory = testDirectory()
  const path = join(directory, 'trove.db')
  await makeEmptyDatabase(path)
  const metadata = openSqliteMetadata({ path })
  const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
  onTestFinished(async () => {
    await packs.close()
    await metadata.close()
  })
  const now = Date.UTC(2026, 0, 2)
  const run = await metadata.ensureRun(
    { project: parseProjectName('acme/app'), number: 7, attempt: 1 },
    { ...noFacts, branch: 'main', workflow: 'ci', event: 'push' },
    now,
  )
  const ports: IngestPorts = {
    metadata,
    packs,
    now: () => now,
    settings: { ...ingestSettings, ...settings },
  }
  const put: TestStore['put'] = async (name, form, content, more = {}) => {
    const job = { ...jobOf(run, name, form, now), ...more }
    if (!Buffer.isBuffer(content)) return await ingest(ports, job, { body: content })
    return await ingest(ports, { ...job, staged: await stagedIn(directory, content) }, {})
  }
  return {
    directory,
    metadata,
    packs,
    reader: { metadata, packs },
    ports,
    run,
    put,
    putTar: async (name, files) => {
      const tar = Readable.from([await tarOf(entriesOf(files))])
      return (await put(name, 'tar', tar)).artifact.id
    },
    putZip: async (name, files) =>
      (await put(name, 'zip', buildZip({ members: entriesOf(files) }))).artifact.id,
    packBytes: async () => await diskBytes(directory),
  }
}

function entriesOf(files: Record<string, string | Buffer>): Content[] {
  return Object.entries(files).map(([name, content]) => ({ name, content }))
}

interface Content {
  name: string
  content: string | Buffer
}

export function jobOf(run: Run, name: string, form: UploadForm, now: number): IngestJob {
  return {
    form,
    projectId: run.projectId,
    runId: run.id,
    job: 'build',
    name: parseArtifactName(name) satisfies ArtifactName,
    mimeType: null,
    fileName: name,
    createdAt: now,
    expiresAt: now + 90 * 86_400_000,
    onConflict: 'reject',
    uploadId: null,
    expected: null,
    staged: null,
  }
}

/** Ingests a zip from a file in `directory`, which is left there, and anything else as a stream. */
export async function ingestBody(
  ports: IngestPorts,
  directory: string,
  job: IngestJob,
  body: Buffer,
): Promise<Published> {
  if (job.form !== 'zip') return await ingest(ports, job, { body: Readable.from([body]) })
  return await ingest(ports, { ...job, staged: await stagedIn(directory, body) }, {})
}

/** Stages bytes in a new directory below `root`. */
export async function stagedIn(root: string, bytes: Buffer): Promise<StagedBytes> {
  const directory = await mkdtemp(join(root, 'body-'))
  await writeFile(join(directory, ordinalFile(0)), bytes)
  return { directory }
}

export async function zipOf(
  store: Pick<TestStore, 'metadata' | 'packs'>,
  artifactId: number,
): Promise<Buffer> {
  return await readAll(await representZip(store, (await store.metadata.findArtifact(artifactId))!))
}

export async function readAll(
  representation: Representation,
  start = 0,
  end = representation.totalBytes,
): Promise<Buffer> {
  await representation.verifyReadable()
  return await buffer(representation.read(start, end))
}

/** Checks that a rejected upload has left nothing in the database. */
export async function expectNothing(store: TestStore): Promise<void> {
  const { total } = await store.metadata.listArtifacts(
    { state: 'any' },
    { limit: 10, offset: 0, sort: 'newest', now: 0 },
  )
  expect(total).toBe(0)
  expect(await store.metadata.listSessions(Number.POSITIVE_INFINITY, 10)).toEqual([])
}
