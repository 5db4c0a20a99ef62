import { recordLimits } from '../core/run/record-limits.ts'

/** All limits of a running workflow. Times in milliseconds and sizes in bytes, unless the name says
 *  otherwise. */
export const bounds = {
  /** Longer lines of output are logged in pieces, as they are recorded. */
  lineCharactersMax: recordLimits.logLineCharactersMax,
  /** Largest GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH or GITHUB_STATE file of one step. */
  commandFileBytesMax: 16 * 1024 * 1024,
  /** Largest summary of one step. */
  summaryBytesMax: recordLimits.stepSummaryBytesMax,
  /** Nesting depth of composite actions; GitHub's limit. */
  compositeDepthMax: 10,
  /** Levels of workflows that call each other, the first one included; GitHub's limit. */
  workflowDepthMax: 10,
  /** Different workflows that a run can call; GitHub's limit. */
  calledWorkflowsMax: 50,
  /** Jobs of a run before matrices are expanded; workflows that call others several times multiply
   *  them. */
  plannedJobsMax: 10_000,
  /** Combinations of one matrix; GitHub's limit. */
  matrixJobsMax: 256,
  /** Combinations before `exclude` is applied. */
  matrixProductMax: 100_000,
  /** Time from SIGINT, which a cancelled process gets first, to SIGTERM… */
  interruptGraceMs: 7_500,
  /** … and from SIGTERM to SIGKILL. Both as in GitHub's runner. */
  terminateGraceMs: 2_500,
  /** Total time for the steps that still run after a cancellation (`if: always()`). */
  cancelledJobMs: 5 * 60_000,
  /** How long output is still read after a step's process has exited, while a background process
   *  holds it open. */
  drainMs: 1_000,
  /** Upper bound on the output read after that time, if it is already buffered; more than a pipe
   *  holds. */
  drainBytesMax: 1024 * 1024,
  /** Default of a job's `timeout-minutes`. */
  jobMinutesDefault: 360,
  /** Node's timers hold 32 bits. No run lasts this long. */
  timerMsMax: 2 ** 31 - 1,
  /** Files that checkout copies concurrently. */
  copiesMax: 16,
  /** Concurrent artifact downloads, the same number as in GitHub's action. */
  downloadsMax: 5,
} as const
