/** A thread that opens the database concurrently with others, and uploads. */
import { workerData } from 'node:worker_threads'
import { createManifestHasher } from '../../dist/src/core/manifest/manifest.js'
import { noFacts } from '../../dist/src/core/run/run.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { copyOf } from './made-up-copies.mjs'

const { path, uploads, number, count, gate } = workerData

// All threads start at the same moment.
Atomics.add(gate, 0, 1)
Atomics.notify(gate, 0)
for (let there = Atomics.load(gate, 0); there < count; there = Atomics.load(gate, 0)) {
  Atomics.wait(gate, 0, there)
}

const metadata = openSqliteMetadata({ path })
const run = await metadata.ensureRun({ project: 'acme/app', number: 1, attempt: 1 }, noFacts, 1_000)
for (let upload = 0; upload < uploads; upload++) await uploadOne(upload)
await metadata.close()

async function uploadOne(upload) {
  const contents = Array.from({ length: 700 }, (_, index) => `shared ${index}`)
  contents.push(`own ${number}/${upload}`)
  const copies = contents.map(copyOf)
  const session = await metadata.openSession({
    projectId: run.projectId,
    now: 1_000,
    leaseMs: 1_000_000,
  })
  const known = await metadata.claimBlobs(
    session,
    copies.map((copy) => copy.blob.digest),
  )
  const digests = new Set(known.map((blob) => blob.digest))
  const missing = copies.filter((copy) => !digests.has(copy.blob.digest))
  const pack = { name: `${number}-${upload}`, sizeBytes: 100_000 }
  await metadata.addPack(session, pack, missing)

  const entries = contents.map((content, index) => ({
    kind: 'file',
    path: `file-${String(index).padStart(4, '0')}`,
    mode: 0o644,
    digest: copies[index].blob.digest,
    sizeBytes: copies[index].blob.sizeBytes,
  }))
  const hasher = createManifestHasher()
  for (const entry of entries) hasher.add(entry)
  const { manifestId } = await metadata.stageManifest(session, hasher.summary())
  await metadata.stageManifestPage(session, manifestId, 0, entries.slice(0, 512))
  await metadata.stageManifestPage(session, manifestId, 1, entries.slice(512))
  await metadata.commitArtifact(session, {
    runId: run.id,
    job: `job ${number}`,
    name: `artifact ${number}/${upload}`,
    kind: 'tree',
    mimeType: 'application/zip',
    fileName: null,
    opaqueReason: null,
    manifestId,
    zipDigest: null,
    zipBytes: 1,
    tarGzBytes: 1,
    newBytes: 1,
    createdAt: 1_000,
    now: 1_000,
    expiresAt: 1_000_000,
    onConflict: 'reject',
    uploadId: null,
  })
}
