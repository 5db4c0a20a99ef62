/** Writes packs (`pack-directory.ts` reads them). A pack is an ordinary zip, so that `unzip` can
 *  always extract its data: members without gaps, then the central directory. A member holds one
 *  copy, or consecutive joining streams (`joined-members.ts`). Members are named by
 *  `member-names.ts`, dated 1980-01-01, and have sizes and CRC-32 in their local headers. A joining
 *  stream is followed by its final `03 00` and has method 8, as does a foreign deflate stream;
 *  foreign stored bytes have method 0. Equal appends make equal packs. */
import assert from 'node:assert'
import { createMemberWriter, type PackBody, type PackMember } from './member-writer.ts'
import { createMemberNames } from './member-names.ts'
import { createPackDirectory, createPackOutput } from './pack-output.ts'
import { encodeEnd } from './pack-records.ts'
import type { PackStore, SealedPack } from '../pack-store.ts'

/** A pack being filled by one caller, one call at a time. After any failure it can only be
 *  aborted. */
export interface PackWriter {
  /** Length of the members so far and of their directory. This is the length of the pack, except
   *  for the end record and for what the last copies still need if they share a member. */
  readonly bytesWritten: number
  readonly copyCount: number
  /** Appends a copy whose stream is `body`; returns the offset in the pack of the stream's first
   *  byte. The caller may reuse `body` afterwards. A body of another length than announced is a bug
   *  in the caller and fails an assertion.
   *  Errors: storage_full. */
  append(member: PackMember, body: PackBody): Promise<{ offset: number }>
  /** Writes the directory and makes the pack durable. The pack must have members.
   *  Errors: storage_full. */
  seal(): Promise<SealedPack>
  /** Drops the pack. Never throws; a no-op after `seal` or a failure. */
  abort(): Promise<void>
}

type WriterState = 'ready' | 'busy' | 'over'

/** Opens a pack for appending. Holds one write (`limits.packWriteBytes`) and at most 120 bytes per
 *  copy.
 *  Errors: storage_full. */
export async function openPackWriter(store: Pick<PackStore, 'create'>): Promise<PackWriter> {
  const sink = await store.create()
  const output = createPackOutput(sink)
  const names = createMemberNames()
  const directory = createPackDirectory()
  const members = createMemberWriter(output, directory)
  let copyCount = 0
  let memberBytes = 0
  let state: WriterState = 'ready'

  /** Runs one call at a time. After a failed call the writer is `over`, because the bytes of the
   *  pack are then unknown. */
  async function exclusively<T>(next: WriterState, work: () => Promise<T>): Promise<T> {
    assert(
      state === 'ready',
      `pack ${sink.name} is ${state}: calls must not overlap or follow the end`,
    )
    state = 'busy'
    let after: WriterState = 'over'
    try {
      const answer = await work()
      after = next
      return answer
    } finally {
      // An abort in the meantime takes precedence.
      if (state === 'busy') state = after
    }
  }

  async function appendCopy(member: PackMember, body: PackBody): Promise<{ offset: number }> {
    const name = names.nameOf(member.blobDigest)
    const offset = await members.append(name, member, body)
    copyCount++
    memberBytes = output.length
    return { offset }
  }

  async function sealPack(): Promise<SealedPack> {
    assert(copyCount > 0, 'a pack without members cannot be sealed')
    await members.close()
    const directoryOffset = output.length
    for (const page of directory.pages()) await output.put(page)
    const directoryBytes = output.length - directoryOffset
    await output.put(
      encodeEnd({ memberCount: directory.memberCount, directoryBytes, directoryOffset }),
    )
    await output.flush()
    return await sink.seal()
  }

  return {
    get bytesWritten() {
      return memberBytes + directory.length
    },
    get copyCount() {
      return copyCount
    },
    append: async (member, body) => await exclusively('ready', () => appendCopy(member, body)),
    seal: async () => await exclusively('over', sealPack),
    abort: async () => {
      state = 'over'
      await sink.abort()
    },
  }
}
