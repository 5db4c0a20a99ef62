/** Every bound in the system, with its reason. Settings may lower or raise those that `config.ts` names. */

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

export const limits = {
  /** POSIX PATH_MAX and NAME_MAX: longer paths cannot be extracted by anybody. */
  pathBytesMax: 4096,
  segmentBytesMax: 255,
  symlinkTargetBytesMax: 4096,
  artifactNameBytesMax: 255,
  /** Of a project with its groups, as GitLab has them (`Route`, `Namespace::NUMBER_OF_ANCESTORS_ALLOWED`): a group, 20 levels of
   *  subgroups, and the project. GitHub's names are shorter. */
  projectCharactersMax: 255,
  projectSegmentsMax: 22,
  /** Of a declared media type: RFC 6838 §4.2 gives type and subtype 127 each, and parameters may follow. */
  mediaTypeCharactersMax: 512,
  /** All path patterns of one request, braces expanded. Each 32 of them cost a path of 4 KB some ten microseconds. */
  globCharactersMax: 4096,
  /** Patterns by which a project, or the server, keeps the latest; each is matched at every upload. */
  keepLatestMax: 20,
  /** Entries of one artifact; the entry table costs some 80 bytes and the path for each while an upload is under way. */
  entriesMax: 1_000_000,
  /** Entry tables of the jobs of one ingest thread: what each may hold (40,000 entries), and what one of them may (a million
   *  whose paths have 150 characters). With what sorting takes besides, all of it fits the heap of a thread. */
  tableLittleBytes: 6 * MiB,
  tableMuchBytes: 224 * MiB,
  /** Logical bytes of one artifact. Setting: TROVE_MAX_ARTIFACT. */
  artifactBytesMax: 64 * GiB,
  /** Inflating stops past this ratio, beyond the first `inflateFreeBytes` of output. */
  inflateRatioMax: 200,
  inflateFreeBytes: 64 * MiB,

  /** Files below this are one blob; larger ones are cut by content. */
  chunkThresholdBytes: 128 * KiB,
  /** Smaller chunks find more that is the same and cost more rows: five patch releases of a JavaScript package take 9 %
   *  less than with an average of 64 KiB, and as much is gained again at 16 KiB for twice the rows. */
  chunkMinBytes: 8 * KiB,
  chunkAverageBytes: 32 * KiB,
  chunkMaxBytes: 128 * KiB,
  /** Data that is compressed already seldom shares a chunk with another version, so it is cut into fewer pieces. Still
   *  small enough that a joining copy is encoded and decoded in memory, and has one check page. */
  coarseChunkMinBytes: 128 * KiB,
  coarseChunkAverageBytes: 512 * KiB,
  coarseChunkMaxBytes: 1 * MiB - 1 * KiB,
  /** What lies further behind in a file is cut like that too: the parts of a file are listed, and lists have bounds. */
  coarseAfterBytes: 4 * GiB,
  /** How much of a file is deflated to see whether it is compressed already: about 1 ms of work. */
  compressedSampleBytes: 64 * KiB,

  /** A pack is sealed once it holds this much; a single larger member gets a pack of its own. */
  packTargetBytes: 64 * MiB,
  /** Or this many copies: what is known of each is kept in memory (about 500 bytes) until the pack is registered. */
  packCopiesMax: 8192,
  /** Streams that share a member of a pack, kept in memory until it is full: enough that its own headers do not count. */
  joinedMemberBytes: 512 * KiB,
  joinedMemberCopies: 1024,
  /** Members are gathered into writes of this size, so that a small one costs no system call. */
  packWriteBytes: 1 * MiB,
  /** Open pack files kept for later reads; those in use are not counted. */
  packHandlesMax: 64,
  /** One that nobody has read for this long, or up to twice as long, is closed: another thread may have removed the pack,
   *  whose bytes the disk keeps until then. Opening it again takes some 50 µs. */
  packHandleIdleMs: 5000,
  /** Stored bytes are checked by a CRC-32 for each page of this size, so any slice can be verified while it is read. */
  checkPageBytes: 1 * MiB,

  /** Rows of one write transaction: about 5 ms, so that nobody waits longer for the database. */
  transactionRowsMax: 1000,
  /** Entries of one manifest page: the unit in which manifests are stored and read. */
  manifestPageEntries: 512,
  /** Members of one skeleton page, and bytes of headers (a last member may go beyond) that a download holds of it. */
  skeletonPageMembers: 512,
  skeletonPageBytes: 1 * MiB,
  /** Window over staged bytes for the many small reads that go forward through a zip. */
  stagedWindowBytes: 256 * KiB,
  /** New blobs are looked up and deflated in batches of at most this many bytes and blobs. */
  ingestBatchBytes: 4 * MiB,
  ingestBatchBlobs: 1000,
  /** Large files whose parts are written, but which are not registered themselves, and the bytes that the digests of these
   *  parts take: a few megabytes. */
  compositesWaitingMax: 4096,
  partsWaitingBytes: 4 * MiB,

  /** One read-ahead window of a download; each download holds at most two. */
  readWindowBytes: 1 * MiB,
  /** With more downloads than this at once, each holds one smaller window. A stock client that fetches everything opens
   *  more than fifty (GITHUB-PROTOCOL §1.19). */
  readAheadDownloadsMax: 16,
  /** Gap between two copies in a pack that is cheaper to read over than to seek past. */
  readGapBytes: 64 * KiB,

  /** Twirp and JSON request bodies. */
  jsonBodyBytesMax: 1 * MiB,
  /** 50,000 blocks (Azure's maximum) of 64-character ids are 4.1 MB of XML. */
  blockListBytesMax: 8 * MiB,
  blocksMax: 50_000,
  /** Azure's bound on blocks that no list has named yet; each is a file. */
  stagedBlocksMax: 100_000,
  /** Azure's bound on one Put Block / Put Blob of the versions that the clients send is 4,000 MiB and 5,000 MiB. */
  blockBytesMax: 4000 * MiB,

  /** Stored streams of one delta request, and what may be named in it: about 300 bytes each while it is answered. */
  fetchedStreamsMax: 200_000,

  /** The newest runs of a project of which pages offer the workflows, events and branches: 15 ms each. */
  runFactsLookedAt: 16_384,
  listPageDefault: 50,
  listPageMax: 200,
  /** How long one request searches before it says where to go on: no proxy takes it for dead. */
  searchMs: 10_000,
  /** Entries that one directory page shows. */
  directoryPageEntries: 1000,
  /** Differences that one comparison lists and searches for moves: about 40 MB. */
  compareDifferencesMax: 100_000,
  /** Damaged paths that the detail of one artifact names. */
  damagedPathsMax: 1000,
  /** GitHub's clients stop at 1,000 artifacts a run by default; more than this is a runaway job. */
  artifactsPerRunMax: 10_000,

  /** Bytes of staging and leases of a stock upload that never finished. */
  uploadLifeMs: 24 * 60 * 60 * 1000,
  /** Uploads under way that pages can tell of: some megabytes of memory. */
  arrivalsMax: 10_000,
  /** Uploads of one project that are under way, those that were left for less than a day included: a thousand jobs at once with ten
   *  each. One costs some rows and a directory. Setting: TROVE_MAX_OPEN_UPLOADS. */
  openUploadsMax: 10_000,
  /** How old another job's unfinished upload of the same name must be before a new one takes its place. */
  uploadTakeoverMs: 60 * 60 * 1000,
  /** How long a session's claim on blobs lasts without contact. */
  leaseMs: 24 * 60 * 60 * 1000,
  /** Connections at once, where the process may open files enough: a thousand jobs with ten each. */
  connectionsMax: 10_000,
  /** Requests that may wait on a connection for the one before them. */
  requestsAheadMax: 16,
  /** Nothing received or sent for this long ends a request. The stock client gives up after 300 s. */
  idleBodyMs: 120_000,
  /** The same for our client, which must not give up before the server does. Setting of commands: TROVE_IDLE_TIMEOUT. */
  idleExchangeMs: 300_000,
  /** How often a client hears that its request is still worked on; stock clients give up after 180 s of silence. */
  processingMs: 30_000,
  /** What is read of a body that nobody wants before its request is refused: the largest that stock clients send in one
   *  request (GITHUB-PROTOCOL §8.4). Beyond it the connection closes with the answer. */
  drainBytesMax: 256 * MiB,
  drainMs: 30_000,

  /** Time of running requests during a stop; below the 90 s after which service managers kill. */
  stopGraceMs: 60_000,
  /** After that, time for bodies to end in the way that tells their client. */
  endingMs: 2000,
  /** How long a deleted artifact can be taken back. Setting: TROVE_UNDO. */
  undoMs: 60 * 60 * 1000,
  /** How long is remembered what has ended: what became of an artifact, what a run recorded since it was last heard of, and at
   *  last the run; as long as GitHub keeps logs by default. Setting: TROVE_HISTORY_DAYS. */
  historyMs: 90 * 24 * 60 * 60 * 1000,
  /** How exactly it is known when a run was used last. */
  runUseMs: 60 * 60 * 1000,
  /** Time between two rounds of expire, sweep and compact. Setting: TROVE_GC_INTERVAL. */
  gcIntervalMs: 60 * 60 * 1000,
  /** How often the clock is looked at, and how much further it may have gone than time has. */
  clockLookMs: 10 * 60 * 1000,
  clockToleranceMs: 60_000,
  /** How long a clock that is further ahead must go on like that before rounds trust it: as long as it is ahead, up to this; from a
   *  day on that share of it; never longer than the last. A wrong clock is mostly set right within minutes of a start, or when
   *  somebody notices that everything has expired. */
  clockWaitMs: 60 * 60 * 1000,
  clockWaitShare: 1 / 24,
  clockWaitMsMax: 12 * 60 * 60 * 1000,
  /** How long a pack stays after nothing in it is alive, beyond the last reader that may know it: time to notice a
   *  mistake. `gc --now` does without. */
  deadPackGraceMs: 10 * 60 * 1000,
  /** A read lease without renewal ends after this much more than the idle timeout: its holder has died. */
  readLeaseSlackMs: 30_000,
  /** Bytes that compaction in the background reads and writes a second. Setting: TROVE_COMPACT_RATE. */
  compactBytesPerSecond: 32 * MiB,
  /** One read of compaction; what it holds besides an open pack. */
  compactReadBytes: 4 * MiB,
  /** Sealed packs without a row that a crash can have left; more of them mean that the metadata is not theirs. */
  unknownPacksMax: 64,
  /** What a start clears of rows that nothing holds (in steps of some fifty) and sweeps of blobs: about a second each. */
  recoveryStepsMax: 4096,
  recoveryBlobsMax: 16_384,
  /** How long a running server waits for the row of a sealed pack, or for more of an unsealed one, before it takes it for debris. */
  debrisGraceMs: 24 * 60 * 60 * 1000,
  /** Artifacts that one transaction gives a new version when a blob takes another copy: about 50 ms. */
  healedArtifactsMax: 10_000,
  /** One read of scrub; copies up to this size are judged in memory. */
  scrubReadBytes: 4 * MiB,
  /** Bytes that scrub in the background reads a second. Setting: TROVE_SCRUB_RATE. */
  scrubBytesPerSecond: 8 * MiB,
  /** How old a pack's last verification must be before the background reads it again. Setting: TROVE_SCRUB_INTERVAL. */
  scrubIntervalMs: 30 * 24 * 60 * 60 * 1000,
  /** How often the background looks whether a pack is due. */
  scrubRoundMs: 10 * 60 * 1000,
  /** Damaged artifacts, and paths of each, that a scrub names; the rest is counted. */
  scrubArtifactsNamedMax: 100,
  scrubPathsNamedMax: 20,
  /** Tiny packs are merged when there are this many, so that a byte is rewritten a few times at most. */
  tinyPacksMin: 16,
  /** Tiny packs that one round merges, in some seconds when they hold little. Each small upload makes one: were more made
   *  between two rounds, their number would grow for ever. */
  tinyPacksMax: 10_000,
  /** Files of an artifact that are looked at for secrets, their bytes, and the bytes of one: what is beyond is said to be passed
   *  over. A tree of 105,636 files of npm packages has 3,262 with 59 MB. */
  secretFilesMax: 10_000,
  secretBytesMax: 256 * MiB,
  secretFileBytesMax: 4 * MiB,
  /** Secrets of one artifact that are remembered; so many are no accident of a few files. */
  secretsMax: 1000,
  /** How often the background looks whether there is something new, how many trees it takes then, and bytes of files a second. */
  secretRoundMs: 30_000,
  secretTreesPerRound: 1000,
  secretBytesPerSecond: 8 * MiB,
  /** Free pages of the database given back in one call, which takes several steps. */
  databasePagesPerStep: 256,
  /** Free bytes of the disk below which uploads are refused, unless a hundredth of it is less. Setting: TROVE_MIN_FREE. */
  minFreeBytes: 1 * GiB,
  /** Size of the file that is given up when a full disk must be cleaned: enough for the database's log. */
  reserveBytesMax: 32 * MiB,
  /** How often the background notes what is stored; a point stands for an hour, and the last one counts. */
  usageRoundMs: 10 * 60 * 1000,
  /** Of the whole store, points are an hour apart for this long and a day apart before that. */
  usageHoursMs: 7 * 24 * 60 * 60 * 1000,
  /** How far back usage is known: a year and what is needed to compare it. */
  usageHistoryMs: 400 * 24 * 60 * 60 * 1000,
  /** Points of one answer: 400 days and a week of hours are 568. */
  usagePointsMax: 600,
  /** Projects whose usage one transaction notes: about 5 ms. */
  usageScopesPerStep: 200,
  /** Of a token: more than a header could carry, and than CI systems sign. */
  tokenCharactersMax: 16_384,
  /** Of JSON and forms from whoever likes to send them, slowly and on many connections: a token, and the address to go to with it,
   *  which came in a request line of 16 KiB at most. */
  strangerBodyBytesMax: 64 * KiB,
  /** Tokens of one project that are revoked one by one: some megabytes of the server's memory. */
  revokedTokensMax: 10_000,
  /** Artifacts that a line of the audit log names; it tells how many there are. */
  auditNamesMax: 3,
  /** Tokens that were minted by one another, the first by the server's key; each carries the ids of those before it. */
  tokenGenerationsMax: 8,
  /** Sessions of one token that are listed, the newest: whoever may only read can sign in again and again. */
  sessionsListedMax: 100,
  /** Finished jobs whose outcome can still be asked for. */
  jobsKept: 100,
  /** Packs that an answer names; the rest is counted. */
  packsNamedMax: 100,
  /** Artifacts of one bulk delete. */
  bulkDeleteMax: 10_000,

  /** Jobs and steps recorded of one run: what a page can still show. A matrix has at most 256 jobs. */
  runRowsMax: 10_000,
  /** What happened, told in one request. */
  runEventsMax: 1000,
  /** A line longer than this comes in pieces; counted in UTF-16 units. */
  logLineCharactersMax: 64 * KiB,
  /** Of names of jobs and steps; the first line of a script has its name from it. */
  recordedNameCharactersMax: 1024,
  /** Bytes of one job's log and of all logs of one run, before compression; a log then ends with a line that says so.
   *  Enough for a verbose build of hours, and a loop that prints costs the store no more than an artifact would. */
  jobLogBytesMax: 16 * MiB,
  runLogBytesMax: 64 * MiB,
  /** A page of a log is closed once it holds this much: what one batch of new lines inflates and deflates again. */
  logPageBytes: 64 * KiB,
  /** Bytes of logs that a run page shows; the rest is a link. */
  shownLogBytesMax: 1 * MiB,
  /** A run of which nothing was heard for so long is over, whatever it said last. `trove run` gives signs of life. */
  recordSilenceMs: 60 * 60 * 1000,
} as const
