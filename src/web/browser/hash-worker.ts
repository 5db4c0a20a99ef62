/** Worker that hashes, cuts and encodes files; it performs its requests one at a time. SHA-256 is
 *  a library's, since `crypto.subtle` cannot hash a stream, and is absent on insecure origins. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import {
  chunkSizes,
  coarseChunkSizes,
  createFileCutFinder,
  hasCompressedHead,
} from '../../core/bytes/cut-points.ts'
import type { Piece, Work, WorkAnswer, WorkRequest } from './hashing.ts'
import { crc32, encodeJoining } from './joining.ts'
import { type Composite, createWriter, joined, recordKind } from './wire.ts'

let last: Promise<void> = Promise.resolve()

addEventListener('message', ({ data }: MessageEvent<WorkRequest>) => {
  last = last.then(() => answer(data))
})

async function answer({ id, work }: WorkRequest): Promise<void> {
  const reply = (message: WorkAnswer): void => {
    postMessage(message)
  }
  try {
    const onBytes = (bytes: number): void => {
      reply({ id, kind: 'progress', bytes })
    }
    reply({ id, kind: 'done', result: await perform(work, onBytes) })
  } catch (error) {
    reply({ id, kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
}

async function perform(work: Work, onBytes: (bytes: number) => void): Promise<unknown> {
  switch (work.kind) {
    case 'hash':
      return await hashFile(work.file, onBytes)
    case 'cut':
      return await cutFile(work.file, work.digest)
    case 'encode':
      return await encodePieces(work.pieces, work.isWhole)
  }
}

async function* piecesOf(file: Blob): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = file.stream().getReader()
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value
}

async function hashFile(file: File, onBytes: (bytes: number) => void): Promise<string> {
  const hasher = sha256.create()
  for await (const piece of piecesOf(file)) {
    hasher.update(piece)
    onBytes(piece.length)
  }
  return bytesToHex(hasher.digest())
}

/** Cuts a large file into parts. Holds at most one part and one piece of the stream in memory. */
async function cutFile(file: File, digest: string): Promise<Composite> {
  const head = new Uint8Array(await file.slice(0, 16).arrayBuffer())
  const findEnd = createFileCutFinder(hasCompressedHead(head) ? coarseChunkSizes : chunkSizes)
  const parts: Composite['parts'] = []
  let held: Uint8Array[] = []
  let heldBytes = 0
  let crc = 0
  const finish = (): void => {
    const hasher = sha256.create()
    for (const piece of held) hasher.update(piece)
    parts.push({ digest: bytesToHex(hasher.digest()), sizeBytes: heldBytes })
    held = []
    heldBytes = 0
  }
  for await (const piece of piecesOf(file)) {
    crc = crc32(piece, crc)
    let start = 0
    for (
      let end = findEnd(piece, 0, heldBytes);
      end !== undefined;
      end = findEnd(piece, start, 0)
    ) {
      held.push(piece.subarray(start, end))
      heldBytes += end - start
      finish()
      start = end
    }
    held.push(piece.slice(start))
    heldBytes += piece.length - start
  }
  if (heldBytes > 0) finish()
  return { digest, sizeBytes: file.size, crc32: crc, parts }
}

async function encodePieces(pieces: Piece[], isWhole: boolean): Promise<Uint8Array> {
  const records: Uint8Array[] = []
  for (const { file, start, end, kind } of pieces) {
    const bytes = new Uint8Array(await file.slice(start, end).arrayBuffer())
    const stream = encodeJoining(bytes)
    const out = createWriter()
    out.byte(recordKind[kind])
    out.varint(bytes.length)
    out.varint(stream.length)
    records.push(out.bytes(), stream)
  }
  if (isWhole) records.push(Uint8Array.of(recordKind.fileEnd))
  return joined(records)
}
