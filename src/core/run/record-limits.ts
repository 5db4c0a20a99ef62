/** Bounds on what is recorded of runs; the part of `limits.ts` that is about them. */
import { hourMs } from '../units.ts'

const KiB = 1024
const MiB = 1024 * KiB

export const recordLimits = {
  /** Branch, commit, workflow and event of a run, each. Lists hold those of 200 runs, which with a
   *  megabyte each ended the server. */
  factCharactersMax: 4096,
  /** Jobs and steps recorded for one run: what a page can show. A matrix has at most 256 jobs. */
  runRowsMax: 10_000,
  /** Characters of names for which a job or step counts once more, since requests hold all names of
   *  a run: twenty that each read ten thousand names of 1,024 characters took 512 MiB. */
  namesCharactersPerRow: 256,
  /** Events in one request. */
  runEventsMax: 1000,
  /** Longer log lines are split; counted in UTF-16 units. */
  logLineCharactersMax: 64 * KiB,
  /** Names of jobs and steps; an unnamed script step is named after its first line. */
  recordedNameCharactersMax: 1024,
  /** Bytes of one job's log and of all logs of one run, before compression; a log that reaches the
   *  bound ends with a line that says so. Enough for hours of a verbose build, while a loop that
   *  prints costs the store no more than an artifact. */
  jobLogBytesMax: 16 * MiB,
  runLogBytesMax: 64 * MiB,
  /** A log page is closed once it holds this much, which is what adding a batch of lines inflates
   *  and deflates again. */
  logPageBytes: 64 * KiB,
  /** Bytes of logs that a run page shows; the rest is behind a link. */
  shownLogBytesMax: 1 * MiB,
  /** A run silent for this long is stale, whatever it reported. `trove run` sends heartbeats. */
  recordSilenceMs: hourMs,
  /** Summary of one step, in bytes, and steps of a job whose summaries are kept: GitHub's bounds.
   *  All summaries and logs of a run share `runLogBytesMax`. */
  stepSummaryBytesMax: 1 * MiB,
  summariesPerJobMax: 20,
  /** Text of summaries that a page reads, after which it reads to the end of a stored page; less of
   *  it fits. */
  shownSummaryBytesMax: 128 * KiB,
  /** Annotations of one level of a step, of a job, and of a run, and characters of a message:
   *  GitHub's bounds, except that of a run. The log has all of them. */
  annotationsPerStepMax: 10,
  annotationsPerJobMax: 50,
  annotationsPerRunMax: 1000,
  /** Characters of all annotations of a run; requests hold them as well. */
  annotationsCharactersPerRunMax: 1024 * 1024,
  annotationCharactersMax: 4096,
} as const
