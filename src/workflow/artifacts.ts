/** What artifact steps need of an artifact store: the one port of this folder, filled by the native client in a real
 *  run. Each method is one whole operation; rejections carry a message fit for a log. */

/** An artifact as its run lists it. */
export interface ListedArtifact {
  id: number
  name: string
  /** Bytes of its content, or of its zip where that is what the store tells. */
  sizeBytes: number
  /** `sha256:` and hex: names the tree of its files, which a download is checked against. */
  treeDigest: string
}

/** Another run, perhaps of another project, and the token that opens it. */
export interface OtherRun {
  /** `owner/repo`. */
  repository: string
  runId: number
  token: string
}

export interface UploadFile {
  /** Absolute. A symbolic link is followed. */
  sourcePath: string
  /** Path in the artifact: relative, with forward slashes. */
  entryPath: string
}

export interface UploadRequest {
  name: string
  files: UploadFile[]
  /** False: the one file is stored as it is, and a download gives that file, not a tree. */
  archive: boolean
  /** Undefined: the store's default. */
  retentionDays: number | undefined
  compressionLevel: number
  /** Replace an artifact of that name in this run instead of failing. */
  overwrite: boolean
  signal: AbortSignal
}

export interface UploadedArtifact {
  id: number
  url: string
  /** SHA-256 in hex of the zip or the single file that a download gives, as GitHub's REST API tells it; null where nobody
   *  knows it. */
  digest: string | null
  treeDigest: string
  /** One line on what travelled, for the log; null when there is nothing to tell. */
  remark: string | null
}

export interface DownloadRequest {
  artifact: ListedArtifact
  /** Undefined: the current run. */
  from: OtherRun | undefined
  /** Created when missing; files in it that the artifact also has are replaced, others stay. */
  directory: string
  /** True: the archive itself is written, as a file, instead of its content. */
  keepArchive: boolean
  signal: AbortSignal
}

export interface DownloadedArtifact {
  /** False when the content did not hash to what the store had announced; then nothing wrong was written. */
  digestMatches: boolean
  remark: string | null
}

export interface ArtifactStore {
  upload(request: UploadRequest): Promise<UploadedArtifact>
  /** The finished, unexpired artifacts of a run, one of each name: the newest, but of the current run (undefined) that of
   *  the current attempt where it has one. */
  list(from: OtherRun | undefined): Promise<ListedArtifact[]>
  download(request: DownloadRequest): Promise<DownloadedArtifact>
  /** Deletes an artifact of the current run. */
  remove(artifact: ListedArtifact): Promise<void>
}
