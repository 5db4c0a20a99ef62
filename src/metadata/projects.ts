/** Port: projects and their runs, to which everything else belongs. */
import type { ProjectPolicy } from '../core/policy/project-policy.ts'
import type { Conclusion } from '../core/run/run-record.ts'
import type { ProjectName, RunFacts, RunIdentity } from '../core/run/run.ts'
import type { Author } from './audit.ts'

export interface Project extends ProjectPolicy {
  id: number
  name: ProjectName
  createdAt: number
}

/** A project as lists show and sort it: with its sums, and without its settings. */
export interface SizedProject extends Pick<Project, 'id' | 'name' | 'createdAt'> {
  artifacts: number
  files: number
  logicalBytes: number
  /** Bytes of distinct files and chunks, each counted in the project that uploaded it first. */
  chunkBytes: number
}

export interface Run extends RunIdentity, RunFacts {
  id: number
  projectId: number
  createdAt: number
}

/** Facts that runs can be filtered by. */
export type RunFact = 'branch' | 'workflow' | 'event' | 'actor'
/** `actor` compares without regard to ASCII case. */
export interface RunFilter extends Partial<Record<RunFact, string>> {
  /** Only runs with this head (`headShaOf`). */
  headSha?: string
  pullRequest?: number
  /** Whether its artifacts are untrusted (`isOfPullRequest`). */
  isOfPullRequest?: boolean
  /** Only runs that have live artifacts at this instant. */
  withArtifactsAt?: number
  /** How the run ended, or its progress. Unknown for runs that were not recorded. */
  state?: { is: RunState; now: number }
  /** Only runs first seen at this instant or later. */
  createdSince?: number
  /** Only runs first seen before this instant. */
  createdBefore?: number
  /** Only the newest attempt of each run. */
  newestAttempts?: true
}
export type RunState = Conclusion | 'stale' | 'queued' | 'in_progress' | 'completed'

export interface ProjectMetadata {
  /** Finds or creates. Names compare without regard to ASCII case; the first spelling stays. */
  ensureProject(name: ProjectName, now: number): Promise<Project>
  findProject(name: ProjectName): Promise<Project | undefined>
  /** Projects, by name, that have settings of their own or a run that `listRuns` would list: an
   *  upload that is refused leaves no project to be seen. `after` is the `id` of the last project
   *  of the previous page; 0 begins. Reads the page and what is left out within it. */
  listProjects(page: { after: number; limit: number }): Promise<SizedProject[]>
  /** Changes the given settings. If these include what is kept as the latest, updates the
   *  artifacts accordingly. */
  setProjectPolicy(
    projectId: number,
    policy: Partial<ProjectPolicy>,
    now: number,
    author?: Author,
  ): Promise<void>
  /** Sets the server's setting for projects without one of their own. Updates their artifacts
   *  when it differs from the last one, and completes the updates of an interrupted call. */
  setKeepLatest(patterns: string[], now: number): Promise<void>
  /** Finds or creates the run (and its project). Facts that are not null overwrite nulls, never
   *  other values. The run is durable with the next durable write, such as that of its artifact. */
  ensureRun(identity: RunIdentity, facts: RunFacts, now: number): Promise<Run>
  /** Finds an attempt of a run, by default the newest that `listRuns` would list, or else the
   *  newest. */
  findRun(projectId: number, number: number, attempt?: number): Promise<Run | undefined>
  /** The run of a recorded job. */
  findRunOfJob(jobId: number): Promise<Run | undefined>
  /** Runs of a project that have an artifact, a tombstone or a record, newest first: an upload that
   *  is refused leaves no run to be seen. `before` is the `id` of the last run of the previous
   *  page. */
  listRuns(
    projectId: number,
    page: { limit: number; before?: number | undefined; filter?: RunFilter },
  ): Promise<Run[]>
  /** Distinct values of the runs that `listRuns` lists, among the newest
   *  `limits.runFactsScannedMax` of a project, most recently used first. */
  listRunFacts(projectId: number, fact: RunFact, limit: number): Promise<string[]>
  /** Deletes runs not used since `usedBy` that have nothing left: no artifact or tombstone, no
   *  upload, no record. Examines `limit` runs after id `after`; returns the id of the last one
   *  examined, null at the end. */
  purgeRuns(usedBy: number, page: { after: number; limit: number }): Promise<number | null>
}
