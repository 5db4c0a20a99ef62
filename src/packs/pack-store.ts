/** Port: where packs live. Two implementations (local directory, S3), judged by one contract test.
 *  A pack is immutable once sealed and its name is never reused. What the bytes of a pack mean is `pack-format.ts`. */

/** 32 lower-case hex characters, random. */
export type PackName = string

export interface SealedPack {
  name: PackName
  sizeBytes: number
}

export interface PackSink {
  readonly name: PackName
  /** Appends `bytes` in order; resolves when more may be written. The caller may reuse `bytes` afterwards.
   *  Errors: storage_full. */
  write(bytes: Uint8Array): Promise<void>
  /** Makes everything written durable under the pack's final name: when this resolves, the pack survives a power
   *  loss. Errors: storage_full. */
  seal(): Promise<SealedPack>
  /** Drops what was written. Never throws; harmless after `seal` or a failure. */
  abort(): Promise<void>
}

/** Whatever opens a file can fail with busy, too, while the process has too many of them open. */
export interface PackStore {
  /** Opens a new pack, invisible to `read` and `list` until it is sealed. `name`: of a pack that moves here. */
  create(name?: PackName): Promise<PackSink>
  /** The `lengthBytes` bytes at `offset`, exactly.
   *  Errors: not_found (no such pack), blob_damaged (the pack ends earlier, or the medium fails to read). */
  read(name: PackName, offset: number, lengthBytes: number): Promise<Buffer>
  /** Gives a sealed pack a second name, the file `path`, that outlives its removal; false where that cannot be done, such
   *  as on another file system. Not durable before the directory of `path` is synced. Errors: not_found. */
  linkTo?(name: PackName, path: string): Promise<boolean>
  /** Removes a sealed pack, durably. Absence is success: the second of two removals finds nothing. */
  remove(name: PackName): Promise<void>
  /** Every sealed pack, in no order. */
  list(): AsyncIterable<SealedPack & { modifiedAt: number }>
  /** Removes unsealed packs last written before `olderThan` (epoch ms); answers how many. */
  removeUnsealed(olderThan: number): Promise<number>
  close(): Promise<void>
}
