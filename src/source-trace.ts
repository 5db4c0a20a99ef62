/** Makes stack traces refer to the source. The source maps of bundles (`bundle.mjs`) are read when
 *  a trace is written. Node's `--enable-source-maps` reads them at the start of each thread, which
 *  takes 15 ms. For the largest map its `SourceMap` takes 60 ms of CPU, and
 *  `@jridgewell/trace-mapping` 78, because they make objects of all mappings, of 20 and 32 MB. Here
 *  mappings are passed over, and the whole takes 18 ms. */
import { readFileSync } from 'node:fs'
import type { SourceMapPayload } from 'node:module'
import { builtRoot } from './program-files.ts'

/** A position in a compiled file. Ends before the next `file:`, so that a long message that repeats
 *  it takes linear time. */
const position = /(file:(?:(?!file:)[^\s()])+\.js):(\d+):(\d+)/g

/** By the position in a compiled file. */
const origins = new Map<string, string>()
/** More than occur in stacks. A message can name any position. */
const originsMax = 1000

/** Returns `stack` with the positions in compiled files replaced by those in the source. */
export function traceOfSource(stack: string): string {
  if (origins.size > originsMax) origins.clear()
  const unknown = new Map<string, Places>()
  for (const [found, file = '', line, column] of stack.matchAll(position)) {
    // The message of an error may name any file.
    if (!file.startsWith(builtRoot.href) || origins.has(found)) continue
    const places: Places = unknown.get(file) ?? new Map()
    const onLine = places.get(Number(line)) ?? new Set()
    unknown.set(file, places.set(Number(line), onLine.add(Number(column))))
  }
  for (const [file, places] of unknown) findOrigins(file, places)
  return stack.replace(position, (found) => origins.get(found) ?? found)
}

/** Columns by line, both from 1. */
type Places = Map<number, Set<number>>

function findOrigins(file: string, places: Places): void {
  try {
    const text = readFileSync(new URL(`${file}.map`), 'utf8')
    const { mappings, sources } = JSON.parse(text) as SourceMapPayload
    passMappings(mappings, places, (line, [start, source, sourceLine, sourceColumn]) => {
      for (const column of places.get(line)!) {
        const offset = column - 1 - start!
        // A later mapping that begins before the column replaces this one.
        if (offset < 0) continue
        const { href } = new URL(sources[source!]!, file)
        const origin = `${href}:${sourceLine! + 1}:${sourceColumn! + offset + 1}`
        origins.set(`${file}:${line}:${column}`, origin)
      }
    })
  } catch {
    // Writing a log never fails: without a map, positions stay those in the compiled file.
  }
}

const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const digitOf = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, base64.indexOf(String.fromCharCode(code))),
)
const comma = 0x2c
const semicolon = 0x3b

/** Calls `visit` with the mappings of these lines: column, source, line and column in that, from 0.
 *  `mappings` has a `;` after each line and a `,` between mappings, whose fields are differences to
 *  the mapping before: digits in base 64, the lowest first, each with a bit that says whether more
 *  follow; the lowest bit is the sign (ECMA-426). */
function passMappings(
  mappings: string,
  lines: ReadonlyMap<number, unknown>,
  visit: (line: number, fields: Int32Array) => void,
): void {
  const lastLine = [...lines.keys()].reduce((last, each) => Math.max(last, each))
  let line = 1
  let isWanted = lines.has(line)
  /** The fifth is a name. */
  const fields = new Int32Array(5)
  let [field, value, shift] = [0, 0, 0]
  for (let at = 0; at < mappings.length && line <= lastLine; at++) {
    const code = mappings.charCodeAt(at)
    if (code === comma) field = 0
    else if (code === semicolon) {
      line += 1
      isWanted = lines.has(line)
      fields[0] = 0
      field = 0
    } else {
      const digit = digitOf[code]!
      value |= (digit & 31) << shift
      shift += 5
      if ((digit & 32) !== 0) continue
      fields[field]! += (value & 1) === 0 ? value >> 1 : -(value >> 1)
      field += 1
      value = 0
      shift = 0
      if (isWanted && field === 4) visit(line, fields)
    }
  }
}
