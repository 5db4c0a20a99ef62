/** Reads representations, whole or in part. */
import type { Representation } from '../../src/egress/representation.ts'

/** Returns the bytes of `[start, end)`; without a range, all of them. */
export async function readAll(
  representation: Representation,
  start = 0,
  end: number = representation.totalBytes,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of representation.read(start, end)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
