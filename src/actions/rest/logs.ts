/** The logs of a recorded run in the form of GitHub's REST API: a zip with a folder per job and
 *  a file per step, such as `test/2_npm test.txt`. `gh run view --log` finds them by these
 *  names. */
import { Zip, ZipPassThrough } from 'fflate'
import type { Hono } from 'hono'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import pLimit from 'p-limit'
import { formatLogLine } from '../../browse/run-log.ts'
import { type ByteWriter, createByteWriter } from '../../core/bytes/varint.ts'
import { pagesOf } from '../../core/slices.ts'
import { nextTurn } from '../../core/turn.ts'
import { sendPieces } from '../../http/body/lines.ts'
import type { AppContext, AppEnv } from '../../http/context.ts'
import type { Metadata, RecordedJob } from '../../metadata/metadata.ts'
import { notFound, readRun } from './access.ts'

export function addLogRoutes(app: Hono<AppEnv>, context: AppContext, repository: string): void {
  for (const route of ['runs/:run/logs', 'runs/:run/attempts/:attempt/logs']) {
    app.get(`${repository}/actions/${route}`, async (c) => {
      const run = await readRun(context, c)
      const record = await context.metadata.findRunRecord(run.id, context.now())
      if (record === undefined) throw notFound('logs', `run ${run.number} was not recorded`)
      const bytes = zipOfLogs(context.metadata, record.jobs, context.now())
      return await sendPieces(context, c, bytes, { type: 'application/zip' })
    })
  }
}

/** Uncompressed, one job at a time. */
async function* zipOfLogs(
  metadata: Metadata,
  jobs: RecordedJob[],
  now: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let written: Uint8Array[] = []
  const zip = new Zip((error, bytes) => {
    if (error) throw error
    written.push(bytes)
  })
  const take = (): Uint8Array[] => {
    const taken = written
    written = []
    return taken
  }
  const folders = new Set<string>()
  for (const job of jobs) {
    const folder = folderOf(job, folders)
    const names = new Map(job.steps.map(({ number, name }) => [number, name]))
    const steps = await splitting(async () => await readSteps(metadata, job, names))
    for (const [step, texts] of steps) {
      const file = `${step}_${fileNameOf(names.get(step) ?? '')}.txt`
      const member = new ZipPassThrough(`${folder}/${file}`)
      member.mtime = now
      zip.add(member)
      for (const text of texts) {
        member.push(inflateRawSync(text))
        yield* take()
      }
      member.push(new Uint8Array(), true)
    }
  }
  zip.end()
  yield* take()
}

/** Logs that are split at a time: each is held as it is meanwhile. */
const splitting = pLimit(2)
const pieceBytes = 64 * 1024

/** Splits the log of a job by step. Lines of different steps can be mixed, so the whole log is
 *  held, at most `limits.jobLogBytesMax`. It is held deflated, for as long as the client reads it:
 *  in a piece per step and page it took 76 MB of heap. Lines of unknown steps count as the job's
 *  own. */
async function readSteps(
  metadata: Metadata,
  job: RecordedJob,
  known: ReadonlyMap<number, string>,
): Promise<Map<number, Uint8Array[]>> {
  const found = new Map<number, ByteWriter>()
  for (let page = 0; page < job.logPages; page++) {
    for (const line of (await metadata.readLogPage(job.id, page)) ?? []) {
      const step = known.has(line.step) ? line.step : 0
      const text = found.get(step) ?? createByteWriter()
      found.set(step, text)
      text.raw(Buffer.from(formatLogLine(line)))
    }
  }
  const steps = new Map<number, Uint8Array[]>()
  let doneBytes = 0
  for (const [step, text] of found) {
    const bytes = text.bytes()
    const pieces: Uint8Array[] = []
    for (const { at, lengthBytes } of pagesOf(bytes.length, pieceBytes)) {
      const piece = deflateRawSync(bytes.subarray(at, at + lengthBytes), { level: 1 })
      // Copied to memory of its own: zlib's buffer has 16 KiB, and one of the pool would keep its
      // neighbours.
      pieces.push(new Uint8Array(piece))
      doneBytes += lengthBytes
      if (doneBytes < pieceBytes) continue
      doneBytes = 0
      await nextTurn()
    }
    steps.set(step, pieces)
  }
  return steps
}

/** Several jobs can have the same name. */
function folderOf(job: RecordedJob, taken: Set<string>): string {
  const name = fileNameOf(job.name)
  const folder = taken.has(name) ? `${name} (${job.id})` : name
  taken.add(folder)
  return folder
}

/** At most 90 UTF-16 units, without slashes, colons and control characters: the rules by which
 *  `gh` looks for the folder of a job. */
function fileNameOf(name: string): string {
  const plain = name
    .replaceAll(/[/\\:]|\p{Cc}/gu, '')
    .slice(0, 90)
    .trim()
  // `.` and `..` could lead out of the directory that the zip is extracted to.
  return /^\.*$/.test(plain) ? 'job' : plain
}
