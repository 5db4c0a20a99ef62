/** Media types of files in artifacts, by extension. The type that the uploader claims is
 *  ignored: it would let a stranger decide what a browser does with the bytes. */
import { baseName } from '../../core/manifest/entry.ts'
import { bytesMediaType } from '../../core/media-type.ts'

const byExtension: Record<string, string> = {
  avif: 'image/avif',
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  flac: 'audio/flac',
  gif: 'image/gif',
  gz: 'application/gzip',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  mjs: 'text/javascript; charset=utf-8',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
  wav: 'audio/wav',
  webm: 'video/webm',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xml: 'application/xml',
  zip: 'application/zip',
}

const plainText =
  /^(?:bash|c|cc|cfg|conf|cpp|cs|diff|env|go|h|hpp|ini|java|jsonl|jsx|kt|lcov|lock|log|lua|md|ndjson|patch|php|pl|properties|py|rb|rs|rst|scss|sh|sql|swift|tap|toml|ts|tsx|txt|vue|yaml|yml|zig)$/

/** `application/octet-stream` for unknown extensions. */
export function mediaTypeOf(path: string): string {
  const name = baseName(path)
  const dot = name.lastIndexOf('.')
  const extension = dot === -1 ? '' : name.slice(dot + 1).toLowerCase()
  if (Object.hasOwn(byExtension, extension)) return byExtension[extension] ?? bytesMediaType
  return plainText.test(extension) ? 'text/plain; charset=utf-8' : bytesMediaType
}

/** A policy for untrusted bytes shown on our own origin: an opaque origin, no scripts, no forms,
 *  no fetches. */
export const untrustedContentPolicy =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
