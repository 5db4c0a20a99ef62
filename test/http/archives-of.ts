/** Small archives as uploads carry them. */
import { zipSync } from 'fflate'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export interface TarEntry {
  name: string
  content?: string | Buffer
  mode?: number
  type?: 'file' | 'directory' | 'symlink'
  linkname?: string
  mtime?: Date
}

/** A tar whose entries were changed at 2026-01-02T03:04:05Z unless they say otherwise. */
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

export function zipOf(files: Record<string, string>): Uint8Array {
  const encoder = new TextEncoder()
  return zipSync(
    Object.fromEntries(Object.entries(files).map(([name, text]) => [name, encoder.encode(text)])),
  )
}
