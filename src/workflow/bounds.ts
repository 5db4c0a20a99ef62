/** Every bound of a running workflow. Times in milliseconds, sizes in bytes unless named otherwise. */
export const bounds = {
  /** A line of output longer than this is logged in pieces. Counted in UTF-16 units. */
  lineCharactersMax: 64 * 1024,
  /** GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH and GITHUB_STATE of one step. */
  commandFileBytesMax: 16 * 1024 * 1024,
  /** A step's summary; GitHub's own limit. */
  summaryBytesMax: 1024 * 1024,
  /** How deep composite actions may use composite actions; GitHub's own limit. */
  compositeDepthMax: 10,
  /** Combinations of one matrix; GitHub's own limit. */
  matrixJobsMax: 256,
  /** Combinations before `exclude` has taken some away. */
  matrixProductMax: 100_000,
  /** A cancelled process gets SIGINT, after this SIGTERM … */
  interruptGraceMs: 7_500,
  /** … and after this SIGKILL. Both as GitHub's runner has them. */
  terminateGraceMs: 2_500,
  /** Steps that run in spite of a cancellation (`if: always()`) have this long altogether. */
  cancelledJobMs: 5 * 60_000,
  /** After a step's process has ended, how long its output is still read while a background process holds it open. */
  drainMs: 1_000,
  /** Output that is then there already is read to its end, but no more than this: more than a pipe holds. */
  drainBytesMax: 1024 * 1024,
  /** `timeout-minutes` of a job that does not say. */
  jobMinutesDefault: 360,
  /** Timers count in 32 bits; a longer time is longer than any run. */
  timerMsMax: 2 ** 31 - 1,
  /** Files copied at a time by checkout. */
  copiesMax: 16,
  /** Artifacts downloaded at a time; GitHub's own action does as many. */
  downloadsMax: 5,
} as const
