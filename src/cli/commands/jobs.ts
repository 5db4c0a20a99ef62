/** `trove jobs`: lists the maintenance jobs of a server, and cancels one. */
import type { WireJob } from '../../api/admin-messages.ts'
import { minuteOf } from '../../api/audit-words.ts'
import { jobPath, jobsPath } from '../../api/paths.ts'
import { listItems, takeFirst } from '../../client/list-items.ts'
import { requestJson } from '../../client/transport/http.ts'
import { filled, limitFlag, serverFlags } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, write, writeCut, writeJson, writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

const flags = {
  url: serverFlags.url,
  json: serverFlags.json,
  cancel: { value: 'ID', read: filled, help: 'cancel this job; what it has done stays done' },
  limit: limitFlag,
} as const

export const jobsCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'List the maintenance jobs of a server that wait, run or ended since its start, newest first, or cancel one. Requires a token of scope admin.',
  flags,
  examples: ['trove jobs', 'trove jobs --cancel 5f2b8c0e9d7a4b61a3c4d5e6f7081920'],
  exitStatuses: [3, 5, 6, 10],
  async run({ flags: { url, cancel, limit, json }, stdout, stderr, signal }) {
    const { server } = await connect({ url }, { stderr, signal })
    if (cancel !== undefined) {
      const request = {
        method: 'DELETE',
        path: jobPath(encodeURIComponent(cancel)),
        signal,
      } as const
      const job = await requestJson<WireJob>(server, request, ['id', 'kind', 'state'])
      if (json) return await writeJson(stdout, job)
      return await write(stderr, `${job.kind}: ${cancelWords[job.state] ?? job.state}\n`)
    }
    const listed = listItems<WireJob>(server, { path: jobsPath, signal }, limit + 1)
    const { items, isCut } = await takeFirst(listed, limit)
    await writeResult(stdout, { json }, items, jobTable)
    if (items.length === 0) await write(stderr, 'nothing has run since the server started\n')
    if (isCut) await writeCut(stderr, `the newest ${limit}`)
  },
}

/** What a cancellation came to. */
const cancelWords: Partial<Record<WireJob['state'], string>> = {
  running: 'ends at its next step',
  done: 'had already ended',
  failed: 'had already failed',
}

function jobTable(items: WireJob[]): string {
  return formatTable(items, [
    ['ID', ({ id }) => id],
    ['JOB', ({ kind, dryRun }) => (dryRun ? `${kind}, dry run` : kind)],
    ['STARTED BY', ({ origin }) => (origin === 'schedule' ? 'schedule' : 'an administrator')],
    ['STARTED', ({ createdAt }) => minuteOf(createdAt)],
    ['STATE', ({ state }) => state],
    ['ERROR', ({ error }) => error ?? ''],
  ])
}
