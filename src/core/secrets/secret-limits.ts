/** Bounds on the search for credentials; the part of `limits.ts` that is about it. */

const MiB = 1024 * 1024

export const secretLimits = {
  /** Files of an artifact that are scanned for secrets, their bytes in total, and the bytes of one
   *  file; what lies beyond is reported as skipped. A tree of 105,636 files of npm packages has
   *  3,262 such files with 59 MB. */
  secretFilesMax: 10_000,
  secretBytesMax: 256 * MiB,
  secretFileBytesMax: 4 * MiB,
  /** Secrets recorded for one artifact; more are not an accident of a few files. */
  secretsMax: 1000,
  /** Files whose dismissal is asked about at once: more than any tree has of those that an upload
   *  checks. */
  dismissedDigestsMax: 1000,
  /** How often the background checks for trees to scan, how many it scans per round, and bytes of
   *  files per second. */
  secretRoundMs: 30_000,
  secretTreesPerRound: 1000,
  secretBytesPerSecond: 8 * MiB,
} as const
