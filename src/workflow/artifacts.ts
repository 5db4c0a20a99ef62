/** The artifact store as artifact steps see it: the one port of this folder, implemented by the
 *  native client in a real run. Each method is one complete operation. Rejections carry a message
 *  fit for the log. */

/** An artifact in the listing of its run. */
export interface ListedArtifact {
  id: number
  name: string
  /** Size of the content, or of the zip if that is all the store reports. */
  logicalBytes: number
  /** `sha256:` and hex: digest of the file tree, against which downloads are verified. */
  treeDigest: string
}

/** Another run, possibly of another project, and the token that grants access to it. */
export interface OtherRun {
  /** `owner/repo`. */
  repository: string
  runId: number
  token: string
}

export interface UploadFile {
  /** Symlinks are followed. */
  absolutePath: string
  /** Path in the artifact: relative, with forward slashes. */
  entryPath: string
}

export interface UploadRequest {
  name: string
  files: UploadFile[]
  /** False: the single file is stored as it is, and a download returns that file instead of a
   *  tree. */
  archive: boolean
  /** Undefined: the store's default. */
  retentionDays: number | undefined
  compressionLevel: number
  /** Replaces an artifact of that name in this run instead of failing. */
  overwrite: boolean
  signal: AbortSignal
}

export interface UploadedArtifact {
  id: number
  url: string
  /** SHA-256 in hex of the zip or single file that a download returns, as in GitHub's REST API;
   *  null when not known. */
  digest: string | null
  treeDigest: string
  /** One line for the log about what was transferred; null for none. */
  remark: string | null
}

export interface DownloadRequest {
  artifact: ListedArtifact
  /** Undefined: the current run. */
  from: OtherRun | undefined
  /** Created when missing. Files that the artifact also holds are replaced, others are kept. */
  directory: string
  /** True: writes the archive itself as a file instead of extracting it. */
  keepArchive: boolean
  signal: AbortSignal
}

export interface DownloadedArtifact {
  /** False when the content did not match the announced digest. In that case no wrong content was
   *  written. */
  digestMatches: boolean
  remark: string | null
}

export interface ArtifactStore {
  upload(request: UploadRequest): Promise<UploadedArtifact>
  /** Lists the finished, unexpired artifacts of a run by id, one per name: the newest. For the
   *  current run (undefined), an artifact of the current attempt takes precedence. */
  list(from: OtherRun | undefined): Promise<ListedArtifact[]>
  download(request: DownloadRequest): Promise<DownloadedArtifact>
  /** Deletes an artifact of the current run. */
  remove(artifact: ListedArtifact): Promise<void>
}
