/** Makes stack traces refer to the source. The source maps of bundles (`bundle.mjs`) are read when
 *  a trace is written. Node's `--enable-source-maps` reads them at the start of each thread, which
 *  takes 15 ms. */
import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { builtRoot } from './program-files.ts'

/** By the URL of the compiled file; undefined for files without a map. */
const maps = new Map<string, SourceMap | undefined>()

/** A position in a compiled file. Ends before the next `file:`, so that a long message that repeats
 *  it takes linear time. */
const position = /(file:(?:(?!file:)[^\s()])+\.js):(\d+):(\d+)/g

/** Returns `stack` with the positions in compiled files replaced by those in the source. */
export function traceOfSource(stack: string): string {
  return stack.replace(position, (found, file, line, column) => {
    const origin = mapOf(file)?.findOrigin(Number(line), Number(column))
    if (origin === undefined || !('fileName' in origin)) return found
    return `${new URL(origin.fileName, file).href}:${origin.lineNumber}:${origin.columnNumber}`
  })
}

function mapOf(file: string): SourceMap | undefined {
  // The message of an error may name any file.
  if (!file.startsWith(builtRoot.href)) return undefined
  if (!maps.has(file)) maps.set(file, readMap(file))
  return maps.get(file)
}

function readMap(file: string): SourceMap | undefined {
  try {
    const text = readFileSync(new URL(`${file}.map`), 'utf8')
    return new SourceMap(JSON.parse(text) as SourceMapPayload)
  } catch {
    return undefined
  }
}
