/** Port: where packs live. One contract test covers both implementations (local directory, S3). A
 *  pack is immutable once sealed, and its name is never reused. `pack-format.ts` defines the
 *  contents of packs. */

/** 32 lower-case hex characters, random. */
export type PackName = string

export interface SealedPack {
  name: PackName
  sizeBytes: number
}

export interface ListedPack extends SealedPack {
  modifiedAt: number
}

export type ChoosePacks = (names: PackName[]) => Promise<PackName[]>

export const packNamesMax = 1000

export interface PackSink {
  readonly name: PackName
  /** Appends `bytes` in order; resolves when more may be written. The caller may reuse `bytes`
   *  afterwards.
   *  Errors: storage_full. */
  write(bytes: Uint8Array): Promise<void>
  /** Makes everything written durable under the pack's final name: when this resolves, the pack
   *  survives a power loss.
   *  Errors: storage_full. */
  seal(): Promise<SealedPack>
  /** Drops what was written. Never throws; a no-op after `seal` or a failure. */
  abort(): Promise<void>
}

/** Any method that opens a file can also fail with busy, while the process has too many files
 *  open. */
export interface PackStore {
  /** Opens a new pack, invisible to `read` and `list` until it is sealed. `name`: set when a pack
   *  moves here from another store. */
  create(name?: PackName): Promise<PackSink>
  /** Returns exactly the `lengthBytes` bytes at `offset`. `into` is memory of at least that
   *  length, which a store may use for them.
   *  Errors: not_found (no such pack), blob_damaged (the pack ends earlier, or the medium fails to
   *  read). */
  read(name: PackName, offset: number, lengthBytes: number, into?: Buffer): Promise<Buffer>
  /** Creates a hard link `path` to a sealed pack, which survives the pack's removal; returns false
   *  where that is impossible, such as across file systems. Not durable until the directory of
   *  `path` is synced.
   *  Errors: not_found. */
  linkTo?(name: PackName, path: string): Promise<boolean>
  /** Removes a sealed pack, durably. Absence is success: a repeated removal finds nothing. */
  remove(name: PackName): Promise<void>
  /** Lists all sealed packs, in no particular order; with `choose`, which gets some of their names
   *  at a time, only those that it returns. No others are looked at. */
  list(choose?: ChoosePacks): AsyncIterable<ListedPack>
  /** The names of all sealed packs, at most `packNamesMax` at a time. They ascend where the service
   *  lists keys in order, as S3 does. */
  names(): AsyncIterable<PackName[]>
  /** Removes unsealed packs last written before `olderThan` (epoch ms); returns how many. */
  removeUnsealed(olderThan: number): Promise<number>
  close(): Promise<void>
}

/** Returns the sizes of all sealed packs, by name. */
export async function sizesOf(store: Pick<PackStore, 'list'>): Promise<Map<PackName, number>> {
  const sizes = new Map<PackName, number>()
  for await (const { name, sizeBytes } of store.list()) sizes.set(name, sizeBytes)
  return sizes
}
