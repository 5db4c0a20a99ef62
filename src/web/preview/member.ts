/** Reads a single member of an archive, such as `lib/app.jar!/META-INF/MANIFEST.MF`. */
import { type ForeignCodec, foreignCodecOf } from '../../core/bytes/copy.ts'
import { type CentralHeader, localFixedBytes } from '../../core/zip/zip-records.ts'
import type { Artifact, Metadata, StoredFile } from '../../metadata/metadata.ts'
import type { Web } from '../page.tsx'
import { archiveBytesMax, type UnpackedMember, type UnpackTask } from './archive.ts'
import { previewKindOf } from './kind.ts'
import { splitMemberPath } from './member-path.ts'
import { readBytes } from './request.ts'
import {
  type FindMemberTask,
  type ReadFile,
  readZipDirectory,
  zipDataOffset,
} from './zip-listing.ts'

export interface MemberPlace {
  archive: StoredFile
  name: string
}

/** Undefined if the path is not that of a member of an archive of the artifact. */
export async function findMember(
  metadata: Pick<Metadata, 'findEntry'>,
  artifactId: number,
  path: string,
): Promise<MemberPlace | undefined> {
  const split = splitMemberPath(path)
  const kind = split && previewKindOf(split.archive)
  if (split === undefined || (kind !== 'zip' && kind !== 'tar')) return undefined
  const found = await metadata.findEntry(artifactId, split.archive)
  return found?.entry.kind === 'file' ? { archive: found.entry, name: split.name } : undefined
}

/** Undefined if the part of the archive that is read has no such member. Errors: busy,
 *  blob_damaged. */
export async function readMember(
  { context, renderer }: Web,
  artifact: Artifact,
  { archive, name }: MemberPlace,
  signal: AbortSignal,
): Promise<UnpackedMember | undefined> {
  const read: ReadFile = async (start, end) => {
    const to = Math.min(end, archive.sizeBytes)
    return start < to
      ? await readBytes(context, { artifact, file: archive }, start, to)
      : Buffer.alloc(0)
  }
  if (previewKindOf(archive.path) === 'tar') {
    return await renderer.render(async (): Promise<UnpackTask> => {
      return { kind: 'unpack', form: 'tar', name, bytes: await read(0, archiveBytesMax) }
    }, signal)
  }
  const header = await renderer.render(async (): Promise<FindMemberTask> => {
    const directory = await readZipDirectory(archive.sizeBytes, read)
    return { kind: 'find-member', name, directory: directory?.bytes ?? new Uint8Array() }
  }, signal)
  const place = header && (await placeInZip(header, read))
  if (place === undefined) return undefined
  const { start, packedBytes, ...packed } = place
  const end = start + Math.min(packedBytes, archiveBytesMax)
  return await renderer.render(async (): Promise<UnpackTask> => {
    return { kind: 'unpack', ...packed, bytes: await read(start, end) }
  }, signal)
}

interface PlaceInZip {
  form: ForeignCodec
  start: number
  packedBytes: number
  sizeBytes: number
  crc32: number
}

async function placeInZip(header: CentralHeader, read: ReadFile): Promise<PlaceInZip | undefined> {
  const { localOffset, method, storedBytes: packedBytes, sizeBytes, crc32 } = header
  const at = zipDataOffset(await read(localOffset, localOffset + localFixedBytes), header)
  if (at === undefined) return undefined
  return { form: foreignCodecOf(method), start: at, packedBytes, sizeBytes, crc32 }
}
