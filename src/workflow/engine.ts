/** What all jobs of a run share, and what all steps of a job share. State that changes is marked as such. */
import type { ArtifactStore } from './artifacts.ts'
import type { JobDirectories, RunFacts } from './contexts.ts'
import type { Conclusion, Emit, JobReference } from './events.ts'
import type { Json } from './expression.ts'
import type { Globber } from './glob.ts'
import type { Masker } from './mask.ts'
import type { Combination } from './matrix.ts'
import type { Grace, Room } from './process.ts'
import type { StepLog } from './step-log.ts'
import type { Template } from './template.ts'
import type { RunDefaults, Step } from './workflow-file.ts'

/** Where JavaScript actions find their artifact service. */
export interface ArtifactEndpoint {
  /** Origin of the server. */
  url: string
  /** A token that lets this job write artifacts under its own name. */
  runtimeToken: (job: JobReference) => Promise<string>
}

export interface Engine {
  facts: RunFacts
  /** The `github` context before any job adds to it. */
  githubOfRun: { [key: string]: Json }
  workflowName: string
  workflowEnv: Template | undefined
  workflowDefaults: RunDefaults
  /** The variables that every process starts from. */
  environment: Readonly<Record<string, string>>
  secrets: Readonly<Record<string, string>>
  vars: Readonly<Record<string, string>>
  inputs: { [key: string]: Json }
  actions: ReadonlyMap<string, string>
  repositoryDirectory: string
  workDirectory: string
  keepWorkDirectory: boolean
  /** A value in the environment of all processes of this run and no other. */
  marker: string
  /** Program that JavaScript actions run in. */
  nodePath: string
  debug: boolean
  endpoint: ArtifactEndpoint | undefined
  openArtifacts: ((job: JobReference) => Promise<ArtifactStore>) | undefined
  grace: Grace
  masker: Masker
  emit: Emit
  room: Room
  globber: Globber
  now: () => number
  /** Asks the run to end; steps with `always()` still run. */
  cancel: AbortSignal
  /** Ends everything at once. */
  kill: AbortSignal
}

/** One instance of a job while it runs. */
export interface JobState {
  engine: Engine
  reference: JobReference
  directories: JobDirectories
  /** Base contexts; a step adds its own. */
  github: { [key: string]: Json }
  runner: Record<string, string>
  needs: { [key: string]: Json }
  matrix: Combination | null
  strategy: { [key: string]: Json }
  secrets: Record<string, string>
  defaults: { shell: string | undefined; workingDirectory: string | undefined }
  /** Changes: workflow and job `env`, and what GITHUB_ENV adds. */
  env: Record<string, string>
  /** Changes: what GITHUB_PATH adds, the latest last. */
  path: string[]
  /** A value in the environment of all processes of this job and no other. */
  marker: string
  cancel: AbortSignal
  kill: AbortSignal
  runtimeToken: string
  artifacts: ArtifactStore | undefined
  /** Changes: steps to run at the end, the last added first. */
  postSteps: PostStep[]
  /** Changes: what the scripts of each use of a JavaScript action know of each other. */
  uses: Map<Step, ActionUse>
}

/** The clean-up of an action that was started. */
interface PostStep {
  id: string
  /** `scope` is the job's own, whatever scope the action ran in. */
  run: (scope: StepScope, openLog: OpenLog) => Promise<StepResult>
}

/** One use of a JavaScript action: the state that it saved, and which of its scripts have had their turn. */
export interface ActionUse {
  state: Record<string, string>
  preDone: boolean
  postAdded: boolean
}

/** Steps that see each other: those of a job, or those of one use of a composite action. */
export interface StepScope {
  /** Changes: the `steps` context. */
  steps: { [id: string]: Json }
  /** Changes: failure once a step failed. Cancellation is told by the signal. */
  status: 'success' | 'failure'
  inputs: { [key: string]: Json }
  /** `env` of the step that uses the composite action. */
  env: Record<string, string>
  /** Additions to the `github` context: action_path, action_repository, action_ref. */
  github: { [key: string]: Json }
  cancel: AbortSignal
  depth: number
}

/** Called when a step begins, with its name; what it writes goes to the log it answers. */
export type OpenLog = (name: string) => StepLog

export interface StepResult {
  name: string
  outcome: Conclusion
  conclusion: Conclusion
  outputs: Record<string, string>
}
