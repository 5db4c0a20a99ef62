/** The logs of a recorded run in the form of GitHub's REST API: a zip with a folder per job and
 *  a file per step, such as `test/2_npm test.txt`. `gh run view --log` finds them by these
 *  names. */
import { Zip, ZipPassThrough } from 'fflate'
import type { Hono } from 'hono'
import { formatLogLine } from '../../browse/run-log.ts'
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
    for (const [step, texts] of await readSteps(metadata, job, names)) {
      const file = `${step}_${fileNameOf(names.get(step) ?? '')}.txt`
      const member = new ZipPassThrough(`${folder}/${file}`)
      member.mtime = now
      zip.add(member)
      for (const text of texts) {
        member.push(text)
        yield* take()
      }
      member.push(new Uint8Array(), true)
    }
  }
  zip.end()
  yield* take()
}

/** Splits the log of a job by step. Lines of different steps can be mixed, so the whole log is
 *  held, at most `limits.jobLogBytesMax`. Lines of unknown steps count as the job's own. */
async function readSteps(
  metadata: Metadata,
  job: RecordedJob,
  known: ReadonlyMap<number, string>,
): Promise<Map<number, Buffer[]>> {
  const found = new Map<number, Buffer[]>()
  for (let page = 0; page < job.logPages; page++) {
    const texts = new Map<number, string>()
    for (const line of (await metadata.readLogPage(job.id, page)) ?? []) {
      const step = known.has(line.step) ? line.step : 0
      texts.set(step, (texts.get(step) ?? '') + formatLogLine(line))
    }
    for (const [step, text] of texts)
      found.set(step, [...(found.get(step) ?? []), Buffer.from(text)])
  }
  return found
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
