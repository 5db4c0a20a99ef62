/** Port: projects and their runs, the part of `Metadata` that everything else belongs to. */
import type { ProjectPolicy } from '../core/project-policy.ts'
import type { Conclusion } from '../core/run-record.ts'
import type { ProjectName, RunFacts, RunIdentity } from '../core/run.ts'
import type { Asked } from './audit.ts'

export interface Project extends ProjectPolicy {
  id: number
  name: ProjectName
  createdAt: number
}

export interface Run extends RunIdentity, RunFacts {
  id: number
  projectId: number
  createdAt: number
}

/** What runs can be told apart by. */
export type RunFact = 'branch' | 'workflow' | 'event'
export interface RunFilter extends Partial<Record<RunFact | 'sha', string>> {
  /** How it ended, or how far it is; of what was not recorded that is not known. */
  state?: { is: RunState; now: number }
  /** Only runs first told of at this instant or later. */
  createdSince?: number
  /** Only runs first told of before this instant. */
  createdBefore?: number
  /** Of each run only its newest attempt. */
  newestAttempts?: true
}
export type RunState = Conclusion | 'stale' | 'queued' | 'in_progress' | 'completed'

export interface ProjectMetadata {
  /** Finds or creates. Names compare without regard to ASCII case; the first spelling stays. */
  ensureProject(name: ProjectName, now: number): Promise<Project>
  findProject(name: ProjectName): Promise<Project | undefined>
  listProjects(): Promise<Project[]>
  /** Changes what is given, and settles what is kept as the latest where that is part of it. */
  setProjectPolicy(
    projectId: number,
    policy: Partial<ProjectPolicy>,
    now: number,
    asked?: Asked,
  ): Promise<void>
  /** The server's setting for projects without one of their own; settles them when it differs from the last one,
   *  and whatever a call that did not end has left unsettled. */
  setKeepLatest(patterns: string[], now: number): Promise<void>
  /** Finds or creates the run (and its project). Facts that are not null overwrite nulls, never other values. */
  ensureRun(identity: RunIdentity, facts: RunFacts, now: number): Promise<Run>
  findRun(projectId: number, number: number, attempt?: number): Promise<Run | undefined>
  /** The run of a recorded job. */
  findRunOfJob(jobId: number): Promise<Run | undefined>
  /** Runs of a project, newest first. `before` is the `id` of the last run of the page before. */
  listRuns(
    projectId: number,
    page: { limit: number; before?: number; filter?: RunFilter },
  ): Promise<Run[]>
  /** Distinct values among the newest `limits.runFactsLookedAt` runs of a project, most recently used first. */
  listRunFacts(projectId: number, fact: RunFact, limit: number): Promise<string[]>
  /** Forgets runs that nobody has used since `usedBy` and nothing is kept of: no artifact (not what became of one either), no
   *  upload, no record. Looks at `limit` runs behind id `after`; answers the last of them, null when it came to the end. */
  purgeRuns(usedBy: number, page: { after: number; limit: number }): Promise<number | null>
}
