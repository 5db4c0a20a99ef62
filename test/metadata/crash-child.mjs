/** Works on a database and kills itself as statement number `killAt` begins. With `late`, counts
 *  from where it sets a branch late, since the number of statements before depends on timing.
 *  Prints what was acknowledged to stdout. */
import { writeSync } from 'node:fs'
import { digestOf } from '../../dist/src/core/bytes/digest.js'
import { createManifestHasher } from '../../dist/src/core/manifest/manifest.js'
import { encodeTimes } from '../../dist/src/core/manifest/modification-times.js'
import { noFacts } from '../../dist/src/core/run/run.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { copyOf } from './made-up-copies.mjs'

const [path, killAt, isLate] = [
  process.argv[2],
  Number(process.argv[3]),
  process.argv[4] === 'late',
]
let statements = isLate ? -Infinity : 0
const acts = []
const metadata = openSqliteMetadata({
  path,
  trace: (sql) => {
    statements += 1
    if (statements === killAt) process.kill(process.pid, 'SIGKILL')
    if (killAt === Infinity && sql.startsWith('insert into "audit_log"')) acts.push(statements)
  },
})
const by = { kind: 'job', run: 1, job: 'build', person: null, tokenIds: ['a'], origin: 'api' }
const author = { at: 2_000, by }
const say = (event) => writeSync(1, `${JSON.stringify(event)}\n`)

const run = await metadata.ensureRun({ project: 'acme/app', number: 1, attempt: 1 }, noFacts, 1_000)
const first = await upload('first', ['a', 'b', 'cc', 'dd'], ['cc', 'dd'])
await upload('second', ['b', 'e', 'cc', 'ff'], ['cc', 'ff'])
await metadata.removeArtifacts([first], { state: 'deleted', reason: 'test', now: 2_000 }, author)
say({ removed: first })
await sweep()
await abandon(['g', 'h'])
await sweep()
// The same name again: replaces the second artifact.
await upload('second', ['a', 'e'], [])
await sweep()
// Sets the branch of the run after it has artifacts.
await metadata.ensureRun({ project: 'acme/app', number: 2, attempt: 1 }, noFacts, 1_000)
const late = await metadata.findRun(run.projectId, 2)
for (const name of ['late', 'later']) await upload(name, ['b', name], [], late)
if (isLate) statements = 0
await metadata.ensureRun(late, { ...noFacts, branch: 'main' }, 1_600)
await metadata.close()
say({ statements, acts })

/** Uploads files of `contents`, and a composite file of the contents `parts`. */
async function upload(name, contents, parts, of = run) {
  const session = await open()
  const copies = contents.map(copyOf)
  const known = await metadata.claimBlobs(
    session,
    copies.map((copy) => copy.blob.digest),
  )
  const digests = new Set(known.map((blob) => blob.digest))
  const missing = copies.filter((copy) => !digests.has(copy.blob.digest))
  await metadata.addPack(session, { name: `${name} ${session}`, sizeBytes: 1_000 }, missing)
  const files = [...contents]
  if (parts.length > 0) {
    files.push(parts.join(''))
    const { digest, sizeBytes, crc32: sum } = copyOf(parts.join('')).blob
    const composite = { digest, sizeBytes, crc32: sum, parts: parts.map((part) => digestOf(part)) }
    await metadata.addComposite(session, composite)
  }
  const entries = files.toSorted((a, b) => (a < b ? -1 : 1)).map(entryOf)
  const hasher = createManifestHasher()
  for (const entry of entries) hasher.add(entry)
  const { manifestId } = await metadata.stageManifest(session, hasher.summary())
  await metadata.stageManifestPage(session, manifestId, 0, entries)
  await metadata.stageTimes(session, 0, encodeTimes(entries.map(() => 5)))
  const skeleton = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('skeleton') }
  await metadata.stageSkeletonPage(session, skeleton, [])
  const { artifact } = await metadata.commitArtifact(session, newArtifact(name, manifestId, of))
  say({ committed: artifact.id, paths: entries.map((entry) => entry.path) })
  return artifact.id
}

/** Abandons an upload after its pack and its manifest. */
async function abandon(contents) {
  const session = await open()
  const copies = contents.map(copyOf)
  await metadata.addPack(session, { name: `abandoned ${session}`, sizeBytes: 500 }, copies)
  const entries = contents.map(entryOf)
  const hasher = createManifestHasher()
  for (const entry of entries) hasher.add(entry)
  const { manifestId } = await metadata.stageManifest(session, hasher.summary())
  await metadata.stageManifestPage(session, manifestId, 0, entries)
  await metadata.abortSession(session)
}

async function sweep() {
  while (await metadata.clearRemoved(10)) continue
  for (;;) {
    const dead = await metadata.claimDeadBlobs(3_000, 100)
    if (dead.length === 0) break
    await metadata.removeDeadBlobs(dead)
  }
  for (const { name } of await metadata.claimDeadPacks(3_000, { after: 0, limit: 100 })) {
    await metadata.removePackRow(name)
  }
}

function open() {
  return metadata.openSession({ projectId: run.projectId, now: 1_000, leaseMs: 1_000_000 })
}

function entryOf(content) {
  const { digest, sizeBytes } = copyOf(content).blob
  return { kind: 'file', path: `file-${content}`, mode: 0o644, digest, sizeBytes }
}

function newArtifact(name, manifestId, of) {
  return {
    runId: of.id,
    job: 'build',
    name,
    kind: 'exact',
    mimeType: 'application/zip',
    fileName: null,
    opaqueReason: null,
    manifestId,
    zipDigest: null,
    zipBytes: 1,
    tarGzBytes: 1,
    newBytes: 1,
    createdAt: 1_500,
    now: 1_500,
    expiresAt: 1_000_000,
    onConflict: 'replace',
    by,
    uploadId: null,
  }
}
