/** State shared by all jobs of a workflow, and by all steps of a job. Mutable fields are marked
 *  "Changes". */
import type { LimitFunction } from 'p-limit'
import type { Conclusion } from '../core/run/run-record.ts'
import type { ArtifactStore } from './artifacts.ts'
import type {
  JobDirectories,
  RepositoryPlace,
  WorkflowRun,
  WorkflowPlace,
} from './expression/contexts.ts'
import type { Groups } from './job/concurrency.ts'
import type { Emit, JobReference } from './events.ts'
import type { Json, Scope } from './expression/expression.ts'
import type { Globber } from './glob/glob.ts'
import type { Masker } from './step/mask.ts'
import type { Grace, Room } from './step/process.ts'
import type { StepLog } from './step/step-log.ts'
import type { Template } from './file/template.ts'
import type { RunDefaults, Step } from './file/workflow-file.ts'

/** Where JavaScript actions find their artifact service. */
export interface ArtifactEndpoint {
  /** Origin of the server, without a trailing slash. */
  url: string
  /** A token that lets this job write artifacts under its own name. */
  runtimeToken: (job: JobReference) => Promise<string>
}

/** A called workflow has an engine of its own and shares with its caller what is not its own. Its
 *  jobs are not expanded into the plan of the run, because inputs and matrices are known only when
 *  the calling job starts. */
export interface Engine {
  /** The job that calls this workflow; undefined for the workflow of the run. */
  caller: JobReference | undefined
  facts: WorkflowRun
  /** The `github` context without the additions of a job. */
  githubOfRun: { [key: string]: Json }
  workflowPlace: WorkflowPlace
  workflowEnv: Template | undefined
  workflowDefaults: RunDefaults
  /** Base environment of every process. */
  environment: Readonly<Record<string, string>>
  secrets: Readonly<Record<string, string>>
  vars: Readonly<Record<string, string>>
  inputs: { [key: string]: Json }
  actions: ReadonlyMap<string, string>
  repositoryDirectory: string
  workDirectory: string
  keepWorkDirectory: boolean
  /** Unique value in the environment of every process of this run. */
  marker: string
  debug: boolean
  endpoint: ArtifactEndpoint | undefined
  openArtifacts: ((job: JobReference) => Promise<ArtifactStore>) | undefined
  grace: Grace
  masker: Masker
  emit: Emit
  /** Slots of the job instances of the whole run. */
  slots: LimitFunction
  /** Concurrency groups of the whole run. */
  groups: Groups
  /** Groups that are held for as long as this workflow runs, each with the name of its holder. */
  heldGroups: ReadonlyMap<string, string>
  room: Room
  globber: Globber
  now: () => number
  /** Cancels the workflow; steps with `always()` still run. */
  cancel: AbortSignal
  /** Stops everything immediately. */
  kill: AbortSignal
}

/** One instance of a job while it runs. */
export interface JobState {
  engine: Engine
  reference: JobReference
  directories: JobDirectories
  /** What the job's own expressions can access: `needs`, `matrix` and so on. */
  contexts: Scope['contexts']
  /** Base contexts; a step adds its own. */
  github: { [key: string]: Json }
  runner: Record<string, string>
  /** Scope of the job's own steps, and of all pre and post steps. */
  scope: StepScope
  secrets: Record<string, string>
  defaults: { shell: string | undefined; workingDirectory: string | undefined }
  /** Changes: workflow and job `env`, plus additions through GITHUB_ENV. */
  env: Record<string, string>
  /** Changes: directories added through GITHUB_PATH, the latest last. */
  path: string[]
  /** Unique value in the environment of every process of this job. */
  marker: string
  cancel: AbortSignal
  kill: AbortSignal
  runtimeToken: string
  artifacts: ArtifactStore | undefined
  /** Changes: steps to run at the end of the job, in reverse order. */
  postSteps: PostStep[]
  /** Changes: state shared by the scripts of each use of a JavaScript action. */
  uses: Map<Step, ActionUse>
}

/** The post step of an action that has started. */
interface PostStep {
  id: string
  run: (openLog: OpenLog) => Promise<StepResult>
}

/** One use of a JavaScript action: its saved state, and which of its scripts have run or are
 *  scheduled. */
export interface ActionUse {
  state: Record<string, string>
  preDone: boolean
  postAdded: boolean
}

/** The scope of a group of steps: those of a job, or of one use of a composite action. */
export interface StepScope {
  /** Changes: the `steps` context. */
  steps: { [id: string]: Json }
  /** Changes: the worst conclusion so far. */
  status: 'success' | 'failure' | 'cancelled'
  inputs: { [key: string]: Json }
  /** `env` of the step that uses the composite action. */
  env: Record<string, string>
  /** Additions to the `github` context: action_path, action_repository, action_ref. */
  github: { [key: string]: Json }
  /** Repository of the file that defines these steps. */
  home: RepositoryPlace
  /** Cancels these steps, except those whose condition also holds then. */
  cancel: AbortSignal
  /** Stops all of them: the composite action has timed out, or the job is killed. */
  halt: AbortSignal
  depth: number
}

/** Called with a step's name when it starts. Returns the log for the step's output. */
export type OpenLog = (name: string) => StepLog

export interface StepResult {
  name: string
  outcome: Conclusion
  conclusion: Conclusion
  outputs: Record<string, string>
  /** The step failed because its condition cannot be evaluated. */
  hasInvalidCondition: boolean
}
