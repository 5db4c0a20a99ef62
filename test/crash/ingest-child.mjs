/** Ingests an upload and kills its own process with SIGKILL at a named step (none: runs to
 *  completion). Arguments: data directory, form, path of the body, artifact name, step. Runs
 *  compiled code, like a server. */
import { createReadStream, linkSync, mkdtempSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ingest } from '../../dist/src/ingest/ingest.js'
import { noFacts } from '../../dist/src/core/run/run.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { openLocalPackStore } from '../../dist/src/packs/local/local.js'

const [directory, form, bodyPath, name, step] = process.argv.slice(2)

/** @param {string} reached */
function checkpoint(reached) {
  if (reached === step) process.kill(process.pid, 'SIGKILL')
}

function stage() {
  const staging = mkdtempSync(`${bodyPath}-`)
  linkSync(bodyPath, join(staging, '000000'))
  return { directory: staging, sizes: Float64Array.of(statSync(bodyPath).size) }
}

const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
const packs = await openLocalPackStore({ directory: join(directory, 'cas'), checkpoint })
const now = Date.UTC(2026, 0, 2)
const run = await metadata.ensureRun({ project: 'acme/app', number: 7, attempt: 1 }, noFacts, now)
const staged = form === 'zip' ? stage() : null
const { artifact } = await ingest(
  {
    metadata,
    packs,
    now: () => now,
    checkpoint,
    settings: {
      artifactBytesMax: 2 ** 36,
      entriesMax: 1e6,
      compressionLevel: 6,
      stockZips: 'exact',
    },
  },
  {
    form,
    projectId: run.projectId,
    runId: run.id,
    job: 'build',
    name,
    mimeType: null,
    fileName: name,
    createdAt: now,
    expiresAt: now + 90 * 86_400_000,
    onConflict: 'reject',
    uploadId: null,
    expected: null,
    staged,
  },
  staged === null ? { body: createReadStream(bodyPath) } : {},
)
process.stdout.write(`${artifact.id}\n`)
await packs.close()
await metadata.close()
