/** Bounds that several files share or that settings may change, each with its reason. `config.ts`
 *  lists the settings; other bounds stand beside what they bound. */
import { tokenLimits } from './access/token-limits.ts'
import { recordLimits } from './run/record-limits.ts'
import { secretLimits } from './secrets/secret-limits.ts'
import { dayMs, hourMs } from './units.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

export const limits = {
  /** POSIX PATH_MAX and NAME_MAX: longer paths cannot be extracted. */
  pathBytesMax: 4096,
  segmentBytesMax: 255,
  symlinkTargetBytesMax: 4096,
  artifactNameBytesMax: 255,
  /** GitLab's bounds (`Route`, `Namespace::NUMBER_OF_ANCESTORS_ALLOWED`): a group, 20 levels of
   *  subgroups, and the project. GitHub's names are shorter, also those of users. */
  projectCharactersMax: 255,
  actorCharactersMax: 255,
  projectSegmentsMax: 22,
  /** RFC 6838 §4.2: 127 characters each for type and subtype, and parameters may follow. */
  mediaTypeCharactersMax: 512,
  /** All path patterns of one request, with braces expanded. Every 32 characters cost some ten
   *  microseconds per path of 4 KB. */
  globCharactersMax: 4096,
  /** Keep-latest patterns of a project or of the server; every upload is matched against each. */
  keepLatestMax: 20,
  /** Entries of one artifact. An upload holds about 80 bytes plus the path of each in memory. */
  entriesMax: 1_000_000,
  /** Memory for the entry tables of one ingest thread: `tableLittleBytes` for every job (40,000
   *  entries), `tableMuchBytes` for one job at a time (a million entries with paths of 150
   *  characters). With the memory that sorting needs, all of it fits the heap of a thread. */
  tableLittleBytes: 6 * MiB,
  tableMuchBytes: 224 * MiB,
  /** How long others wait for a job that holds much memory. It may only be waiting for its sender,
   *  who could block all large uploads; 6 GB arrive in this time at 10 MB/s. */
  tableTurnMs: 10 * 60 * 1000,
  /** Logical bytes of one artifact. Setting: TROVE_MAX_ARTIFACT. */
  artifactBytesMax: 64 * GiB,
  /** Inflating stops above this ratio, once the output exceeds `inflateFreeBytes`. */
  inflateRatioMax: 200,
  inflateFreeBytes: 64 * MiB,

  /** Smaller files are one blob; larger ones are cut into chunks. */
  chunkThresholdBytes: 128 * KiB,
  /** Smaller chunks find more duplicates but cost more rows: five releases of a package take 9 %
   *  less than with an average of 64 KiB; 16 KiB saves as much again, for twice the rows. */
  chunkMinBytes: 8 * KiB,
  chunkAverageBytes: 32 * KiB,
  chunkMaxBytes: 128 * KiB,
  /** Compressed data seldom shares a chunk with another version, so it is cut into fewer pieces.
   *  They are still small enough to encode and decode a joining copy in memory and to need only one
   *  check page. */
  coarseChunkMinBytes: 128 * KiB,
  coarseChunkAverageBytes: 512 * KiB,
  coarseChunkMaxBytes: 1 * MiB - 1 * KiB,
  /** Beyond this offset chunks are coarse as well, which bounds the list of a file's parts. */
  coarseAfterBytes: 4 * GiB,

  /** A pack is sealed once it reaches this size; a larger member gets a pack of its own. */
  packTargetBytes: 64 * MiB,
  /** A pack is also sealed at this many copies, which take about 500 bytes of memory each until the
   *  pack is registered. */
  packCopiesMax: 8192,
  /** Bounds on the streams that share a pack member, buffered in memory until it is full: enough to
   *  make the member's own headers negligible. */
  joinedMemberBytes: 512 * KiB,
  joinedMemberCopies: 1024,
  /** Members are gathered into writes of this size, so that small ones cost no system call. */
  packWriteBytes: 1 * MiB,
  /** Idle pack files kept open for later reads; files in use are not counted. */
  packHandlesMax: 64,
  /** An idle pack file is closed after this time, or up to twice as long: another thread may have
   *  removed the pack, and the disk keeps its bytes until then. Reopening takes about 50 µs. */
  packHandleIdleMs: 5000,
  /** Each page of this many stored bytes has a CRC-32, so any slice is verified while it is
   *  read. */
  checkPageBytes: 1 * MiB,

  /** Rows of one write transaction: about 5 ms, so that other writers do not wait longer. */
  transactionRowsMax: 1000,
  /** Entries of one manifest page, the unit in which manifests are stored and read. */
  manifestPageEntries: 512,
  /** A page of entries with more characters than this in paths and targets is heavy. So many walks
   *  through heavy pages run at a time, each of which holds up to 25 MB; others wait. */
  heavyPageCharacters: 256 * KiB,
  heavyWalksMax: 8,
  /** Members of one skeleton page, and bytes of its headers (the last member may exceed them),
   *  which a download holds in memory. */
  skeletonPageMembers: 512,
  skeletonPageBytes: 1 * MiB,
  /** Read window over staged bytes, for the many small forward reads through a zip. */
  stagedWindowBytes: 256 * KiB,
  /** New blobs are looked up and deflated in batches of at most this many bytes and blobs. */
  ingestBatchBytes: 4 * MiB,
  ingestBatchBlobs: 1000,
  /** Large files whose parts are written but which are not yet registered themselves, and the bytes
   *  of their parts' digests: a few megabytes. */
  compositesWaitingMax: 4096,
  partsWaitingBytes: 4 * MiB,

  /** One read-ahead window of a download; a download holds at most two. */
  readWindowBytes: 1 * MiB,
  /** Above this many concurrent downloads, each holds one smaller window. A stock client that
   *  fetches everything opens more than fifty (GITHUB-PROTOCOL §1.19). */
  readAheadDownloadsMax: 16,
  /** Largest gap between two copies in a pack that is cheaper to read through than to seek past. */
  readGapBytes: 64 * KiB,

  /** How much of a request body is read ahead of its consumer. Hundreds arrive at once, so a window
   *  as of a download would take hundreds of megabytes while the disk is busy. */
  bodyAheadBytes: 64 * KiB,
  /** Twirp and JSON request bodies. */
  jsonBodyBytesMax: 1 * MiB,
  /** 50,000 blocks (Azure's maximum) with 64-character ids are 4.1 MB of XML. */
  blockListBytesMax: 8 * MiB,
  blocksMax: 50_000,
  /** Azure's bound on uncommitted blocks; each is a file. */
  stagedBlocksMax: 100_000,
  /** Azure's bounds on one Put Block and one Put Blob, for the versions that the clients send, are
   *  4,000 MiB and 5,000 MiB. */
  blockBytesMax: 4000 * MiB,

  /** The longest response that a client reads into memory: several times the longest list. */
  answerBytesMax: 64 * MiB,

  /** Stored streams, and named files and parts, of one delta request: about 300 bytes each. */
  fetchedStreamsMax: 200_000,

  /** Newest runs of a project scanned for workflows, events and branches to offer, 15 ms each. */
  runFactsScannedMax: 16_384,
  listPageDefault: 50,
  listPageMax: 200,
  /** Projects of one list, search or look-up, unless it is of all. */
  projectsAtOnceMax: 10_000,
  /** Projects that a walk of all reads at once: about a millisecond. */
  projectsPerStep: 500,
  /** Longest search of one request before it returns a cursor; no proxy times out that soon. */
  searchMs: 10_000,
  /** Differences that one comparison lists and searches for moves, and the characters of their
   *  paths. Without the latter, 100,000 paths of 4 KB took 450 MB. */
  compareDifferencesMax: 100_000,
  comparePathCharactersMax: 16 * MiB,
  /** Comparisons at a time; others wait. Three of the largest ended a server. */
  comparisonsMax: 2,
  /** Damaged paths listed in the details of one artifact. */
  damagedPathsMax: 1000,
  /** Characters in the paths of damaged files that an archive leaves out: some 50,000 files. */
  leftOutCharactersMax: 4 * MiB,
  /** GitHub's clients stop at 1,000 artifacts per run by default; more than this is a runaway. */
  artifactsPerRunMax: 10_000,

  /** Lifetime of the staged bytes and leases of a stock upload that never finished. */
  uploadLifeMs: dayMs,
  /** Uploads in progress that pages can show: some megabytes of memory. */
  arrivalsMax: 10_000,
  /** Open uploads of one project, including those abandoned less than a day ago: a thousand
   *  concurrent jobs with ten each. One costs some rows and a directory. Setting:
   *  TROVE_MAX_OPEN_UPLOADS. */
  openUploadsMax: 10_000,
  /** Age at which another job's unfinished upload of the same name may be replaced by a new one. */
  uploadTakeoverMs: hourMs,
  /** How long a session's lease on blobs lasts without contact. */
  leaseMs: dayMs,
  /** Concurrent connections, if enough files may be open: a thousand jobs with ten each. */
  connectionsMax: 10_000,
  /** Requests without a credential in progress. Setting: TROVE_PUBLIC_REQUESTS. */
  visitorsMax: 100,
  /** Pipelined requests that may wait on a connection for the one before them. */
  requestsAheadMax: 16,
  /** A request without traffic for this long ends. The stock client gives up after 300 s. */
  idleBodyMs: 120_000,
  /** The idle limit of our client, which must not give up before the server does. Setting of
   *  commands: TROVE_IDLE_TIMEOUT. */
  idleExchangeMs: 300_000,
  /** How often a waiting client is told that its request is still being processed; stock clients
   *  give up after 180 s of silence. */
  processingMs: 30_000,
  /** How much of an unwanted body is read before its request is rejected: the largest that stock
   *  clients send in one request (GITHUB-PROTOCOL §8.4). Beyond it the connection closes with the
   *  response. */
  drainBytesMax: 256 * MiB,
  drainMs: 30_000,

  /** Time for running requests during a stop; below the 90 s after which service managers kill. */
  stopGraceMs: 60_000,
  /** Time after that for bodies to end in the way that signals failure to their client. */
  endingMs: 2000,
  /** How long a deletion can be undone. Setting: TROVE_UNDO. */
  undoMs: hourMs,
  /** How long history is kept: tombstones of artifacts, records of runs since they were last
   *  updated, and finally the runs; as long as GitHub keeps logs by default. Setting:
   *  TROVE_HISTORY_DAYS. */
  historyMs: 90 * dayMs,
  /** Resolution of the time at which a run was last used. */
  runUseMs: hourMs,
  /** Interval between rounds of expire, sweep and compact. Setting: TROVE_GC_INTERVAL. */
  gcIntervalMs: hourMs,
  /** How long a successful write to the disk counts as proof that the store can be written. Each
   *  proof costs a sync, and anybody may ask for one (`/readyz`). */
  writeProbeMs: 5000,
  /** Any earlier time is that of a machine whose clock was not set yet, which often shows 1970. */
  clockMin: Date.UTC(2025, 0, 1),
  /** How often the clock is checked, and how far it may run ahead of elapsed time. */
  clockLookMs: 10 * 60 * 1000,
  clockToleranceMs: 60_000,
  /** How long a clock that jumped further ahead must keep running before rounds trust it: as long
   *  as the jump, up to `clockWaitMs`; for jumps of a day or more, `clockWaitShare` of the jump, up
   *  to `clockWaitMsMax`. A wrong clock is usually corrected within minutes of a start, or when
   *  somebody notices that everything has expired. */
  clockWaitMs: hourMs,
  clockWaitShare: 1 / 24,
  clockWaitMsMax: 12 * hourMs,
  /** How long a pack stays after its last live copy is gone, in addition to waiting for the last
   *  reader that may know it: time to notice a mistake. `gc --now` skips it. */
  deadPackGraceMs: 10 * 60 * 1000,
  /** A read lease that is not renewed ends this long after the idle timeout: its holder died. */
  readLeaseSlackMs: 30_000,
  /** Bytes that background compaction reads and writes per second. Setting: TROVE_COMPACT_RATE. */
  compactBytesPerSecond: 32 * MiB,
  /** Size of one compaction read, the memory it holds besides an open pack. */
  compactReadBytes: 4 * MiB,
  /** Sealed packs without a row that a crash can leave since the time was last noted; more of them
   *  mean that the metadata belongs to another store. */
  unknownPacksMax: 64,
  /** What recovery at start clears: rows that nothing holds (in steps of some fifty) and swept
   *  blobs; about a second each. */
  recoveryStepsMax: 4096,
  recoveryBlobsMax: 16_384,
  /** How long a running server waits for the row of a sealed pack, or for an unsealed one to grow,
   *  before it treats it as debris. */
  debrisGraceMs: dayMs,
  /** Artifacts that get a new version in one transaction (0.4 s) when a blob takes another copy. */
  healedArtifactsMax: 50_000,
  /** Size of one scrub read; copies up to this size are checked in memory. */
  scrubReadBytes: 4 * MiB,
  /** Bytes that background scrub reads per second. Setting: TROVE_SCRUB_RATE. */
  scrubBytesPerSecond: 8 * MiB,
  /** Age of a pack's last verification at which background scrub reads it again. Setting:
   *  TROVE_SCRUB_INTERVAL. */
  scrubIntervalMs: 30 * dayMs,
  /** How often background scrub checks whether a pack is due. */
  scrubRoundMs: 10 * 60 * 1000,
  /** Settings: TROVE_SNAPSHOT_INTERVAL, and of what changed since TROVE_CHANGES_INTERVAL. */
  snapshotIntervalMs: hourMs,
  changesIntervalMs: 10_000,
  /** Damaged artifacts, and paths of each, that a scrub report names; the rest are only counted. */
  scrubArtifactsNamedMax: 100,
  scrubPathsNamedMax: 20,
  /** Damaged copies of one pack that the log names; the rest are only counted. Each line costs the
   *  main thread 50 microseconds, and a lost pack has thousands. */
  scrubCopiesNamedMax: 100,
  /** Background compaction rewrites packs that are less than half dead, down to a quarter, while
   *  the dead bytes are more than one part in this many of the live ones: each byte that is freed
   *  costs up to three that are moved. */
  deadPartsMin: 8,
  /** Tiny packs are merged once there are this many, so each byte is rewritten a few times at
   *  most. */
  tinyPacksMin: 16,
  /** Tiny packs merged in one round. Every small upload makes one; a bound below the number made
   *  between two rounds would let them accumulate forever. */
  tinyPacksMax: 10_000,
  /** Copies merged with them, in thousands a pack, while no other cleanup can run. */
  tinyCopiesMax: 500_000,
  /** Free database pages released in one call, which takes several steps. */
  databasePagesPerStep: 256,
  /** Uploads are rejected when less disk space than this is free, or less than 1 % of the disk if
   *  that is smaller. Setting: TROVE_MIN_FREE. */
  minFreeBytes: 1 * GiB,
  /** Size of the reserve file that a cleanup of a full disk deletes: enough for the database's
   *  log. */
  reserveBytesMax: 32 * MiB,
  /** How often the background records usage; a point covers an hour and keeps the last value. */
  usageRoundMs: 10 * 60 * 1000,
  /** Points of the whole store are an hour apart for this long, and a day apart before that. */
  usageHoursMs: 7 * dayMs,
  /** How far back usage is kept: a year, plus some to compare with. */
  usageHistoryMs: 400 * dayMs,
  /** Points in one response: 400 days plus a week of hours are 568. */
  usagePointsMax: 600,
  /** Projects whose usage one transaction records: about 5 ms. */
  usageScopesPerStep: 200,
  /** Audit entries per hour for sign-ins of one person or token, and for all refused ones. */
  signInsRecordedPerHour: 20,
  refusalsRecordedPerHour: 20,
  /** Artifacts that one audit line names; it also records the total count. */
  auditNamesMax: 3,
  /** Finished jobs whose outcome can still be queried. */
  jobsKept: 100,
  /** Packs that a response names; the rest are only counted. */
  packsNamedMax: 100,
  /** Artifacts of one bulk delete. */
  bulkDeleteMax: 10_000,

  ...recordLimits,
  ...secretLimits,
  ...tokenLimits,
} as const
