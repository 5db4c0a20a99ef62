/** Chooses the preview of a file by its extension. No media type from the uploader is trusted. */

/** Kinds of files that are parsed; a file that cannot be is shown as text. */
export const structuredKinds = ['markdown', 'json', 'jsonLines', 'csv', 'xml', 'lcov'] as const
export type StructuredKind = (typeof structuredKinds)[number]

export type PreviewKind =
  | 'image'
  | 'audio'
  | 'video'
  | 'pdf'
  | 'document'
  | StructuredKind
  | 'zip'
  | 'tar'
  | 'text'

const kinds: [PreviewKind, RegExp][] = [
  ['image', /\.(png|jpe?g|gif|webp|avif|svg)$/i],
  ['audio', /\.(mp3|ogg|wav|flac)$/i],
  ['video', /\.(mp4|webm)$/i],
  ['pdf', /\.pdf$/i],
  ['document', /\.html?$/i],
  ['markdown', /\.(md|markdown)$/i],
  ['json', /\.(json|map|webmanifest)$/i],
  ['jsonLines', /\.(ndjson|jsonl)$/i],
  ['csv', /\.(csv|tsv)$/i],
  ['xml', /\.(xml|trx)$/i],
  ['lcov', /\.(lcov|info)$/i],
  ['zip', /\.(zip|jar|war|whl|apk|ipa|nupkg|xpi|docx|xlsx|odt)$/i],
  ['tar', /\.(tar|tar\.gz|tgz|crate|gem)$/i],
]

/** Returns `text` for unknown extensions; the content then decides whether it is text. */
export function previewKindOf(path: string): PreviewKind {
  return kinds.find(([, pattern]) => pattern.test(path))?.[0] ?? 'text'
}
