/** Builds small archives as request bodies. */
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'

export type TarEntry = Partial<Header> & { name: string; content?: string | Buffer }

/** Builds a tar; entries have the modification time 2026-01-02T03:04:05Z unless they set
 *  another. */
export async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const tar = pack()
  for (const { content = '', type = 'file', ...header } of entries) {
    tar.entry({ mtime: new Date('2026-01-02T03:04:05Z'), ...header, type }, content)
  }
  tar.finalize()
  return await buffer(tar)
}

export async function tarGzOf(entries: TarEntry[]): Promise<Buffer> {
  return gzipSync(await tarOf(entries))
}
