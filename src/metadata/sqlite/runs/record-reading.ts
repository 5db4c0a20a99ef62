/** Reads what runners reported about their runs. */
import { and, eq, getTableColumns, sql, inArray } from 'drizzle-orm'
import {
  annotations,
  logPages,
  runJobs,
  runRecords,
  runSteps,
  summaryPages,
} from '../../../../schema/run-records.ts'
import type { Metadata, Progress, RecordedJob, RunProgress } from '../../metadata.ts'
import { equals } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'
import { progressAt } from './silence.ts'
import { inflatePage, parseStoredLines } from './text-pages.ts'

type RecordReading = Pick<
  Metadata,
  'findRunRecord' | 'listRunProgress' | 'readLogPage' | 'listAnnotations' | 'readSummaryPage'
>

export function createRecordReading({ orm }: Connection): RecordReading {
  const pageCount = sql<number>`(SELECT count(*) FROM log_pages p WHERE p.job_id = ${runJobs.id})`
  const annotationCount = sql<number>`(SELECT count(*) FROM annotations a WHERE a.job_id = ${runJobs.id})`
  const { runId: _runId, logCut: isLogCut, ...jobColumns } = getTableColumns(runJobs)
  const jobsOf = (runId: number): RecordedJob[] => {
    const jobs = orm
      .select({ ...jobColumns, isLogCut, logPages: pageCount, annotationCount })
      .from(runJobs)
      .where(eq(runJobs.runId, runId))
      .orderBy(runJobs.id)
      .all()
    return jobs.map((job) => ({ ...job, steps: [] }))
  }
  const stepsOf = (runId: number): (typeof runSteps.$inferSelect)[] =>
    orm
      .select(getTableColumns(runSteps))
      .from(runSteps)
      .innerJoin(runJobs, eq(runJobs.id, runSteps.jobId))
      .where(eq(runJobs.runId, runId))
      .orderBy(runSteps.jobId, runSteps.number)
      .all()
  return {
    findRunRecord: async (runId, now) => {
      const record = orm.select().from(runRecords).where(eq(runRecords.runId, runId)).get()
      if (record === undefined) return undefined
      const jobs = new Map(jobsOf(runId).map((job) => [job.id, job]))
      for (const { jobId, ...step } of stepsOf(runId)) jobs.get(jobId)?.steps.push(step)
      const { conclusion, startedAt, durationMs, updatedAt } = record
      const atNow = <Known extends Progress>(each: Known): Known => progressAt(each, updatedAt, now)
      return {
        ...atNow({ conclusion, startedAt, durationMs }),
        updatedAt,
        jobs: [...jobs.values()].map((job) => ({ ...atNow(job), steps: job.steps.map(atNow) })),
      }
    },
    listRunProgress: async (runIds, now) => {
      const { runId, conclusion, startedAt, durationMs, updatedAt } = runRecords
      const progress = { runId, conclusion, startedAt, durationMs, updatedAt }
      const found: (RunProgress & { runId: number })[] = orm
        .select(progress)
        .from(runRecords)
        .where(inArray(runId, runIds))
        .all()
      return found.map((each) => progressAt(each, each.updatedAt, now))
    },
    readLogPage: async (jobId, page) => {
      const place = and(eq(logPages.jobId, jobId), eq(logPages.page, page))
      const row = orm.select().from(logPages).where(place).get()
      return row && parseStoredLines(inflatePage(row.bytes))
    },
    listAnnotations: async (runId, jobId) => {
      const { number: _number, ...columns } = getTableColumns(annotations)
      return orm
        .select(columns)
        .from(annotations)
        .innerJoin(runJobs, eq(runJobs.id, annotations.jobId))
        .where(and(eq(runJobs.runId, runId), equals(annotations.jobId, jobId)))
        .orderBy(annotations.jobId, annotations.number)
        .all()
    },
    readSummaryPage: async (jobId, page) => {
      const row = orm
        .select({ step: summaryPages.step, bytes: summaryPages.bytes })
        .from(summaryPages)
        .where(eq(summaryPages.jobId, jobId))
        .orderBy(summaryPages.step, summaryPages.page)
        .limit(1)
        .offset(page)
        .get()
      return row && { step: row.step, text: inflatePage(row.bytes) }
    },
  }
}
