import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createLog } from '../src/log.ts'
import { builtUrl } from '../src/program-files.ts'

/** `URL:LINE:COLUMN` of the first line of `file` that contains `text`. */
function positionOf(file: URL, text: string): string {
  const lines = readFileSync(fileURLToPath(file), 'utf8').split('\n')
  const line = lines.findIndex((each) => each.includes(text))
  return `${file.href}:${line + 1}:${lines[line]!.indexOf(text) + 1}`
}

function logged(stack: string): string {
  let line = ''
  const error = Object.assign(new Error('a bug'), { stack })
  createLog('error', (text) => (line = text)).error('failed', { error })
  return (JSON.parse(line) as { error: string }).error
}

test('the stack of a bug in a bundle is logged with the positions in the source', () => {
  const bundle = positionOf(builtUrl('metadata/sqlite/thread/sqlite-thread.ts'), 'migrateDatabase(')
  const source = positionOf(
    new URL('../src/metadata/sqlite/connection/migrate.ts', import.meta.url),
    'migrateDatabase(',
  )
  expect(logged(`Error: a bug\n    at migrateDatabase (${bundle})\n    at async ${bundle}`)).toBe(
    `Error: a bug\n    at migrateDatabase (${source})\n    at async ${source}`,
  )
})

// Method: Node's own reader of source maps, for each twentieth line of a bundle.
test('positions are those that the source map says', () => {
  const bundle = builtUrl('metadata/sqlite/log/log-keeper-thread.ts')
  const map = new SourceMap(
    JSON.parse(readFileSync(fileURLToPath(`${bundle.href}.map`), 'utf8')) as SourceMapPayload,
  )
  const lines = readFileSync(fileURLToPath(bundle), 'utf8').split('\n')
  const places = lines.flatMap((line, index) =>
    index % 20 === 0 && line !== '' ? [{ line: index + 1, column: (line.length >> 1) + 1 }] : [],
  )
  const expected = places.map(({ line, column }) => {
    const entry = map.findEntry(line - 1, column - 1)
    const isMapped = 'generatedLine' in entry && entry.generatedLine === line - 1
    const origin = map.findOrigin(line, column)
    return isMapped && 'fileName' in origin
      ? `${new URL(origin.fileName, bundle).href}:${origin.lineNumber}:${origin.columnNumber}`
      : `${bundle.href}:${line}:${column}`
  })
  const stack = places.map(({ line, column }) => `${bundle.href}:${line}:${column}`)
  expect(logged(stack.join('\n')).split('\n')).toEqual(expected)
  expect(expected.filter((place) => place.includes('/src/metadata/')).length).toBeGreaterThan(5)
})

test('positions in files without a source map, and in files of others, are logged as they are', () => {
  const stack = `Error: file:///etc/passwd.js:1:2\n    at ${builtUrl('no-such.ts').href}:3:4`
  expect(logged(stack)).toBe(stack)
})

test('a long message that repeats the beginning of a position is logged at once', () => {
  const stack = `Error: ${'file:///a.js:1'.repeat(100_000)}`
  expect(logged(stack)).toBe(stack)
})

test('positions in a file whose source map is none are logged as they are', () => {
  const file = builtUrl('with-a-bad-map.ts')
  const map = new URL(`${file.href}.map`)
  onTestFinished(() => rmSync(map))
  for (const text of ['', 'null', '{}']) {
    writeFileSync(map, text)
    const stack = `Error: a bug\n    at ${file.href}:1:1`
    expect(logged(stack)).toBe(stack)
  }
})

test('an error that is among its own causes is logged', () => {
  const [bug, cause] = [new Error('a bug'), new Error('its cause')]
  Object.assign(bug, { cause })
  Object.assign(cause, { cause: bug })
  let line = ''
  createLog('error', (text) => (line = text)).error('failed', { error: bug })
  expect(line).toContain('caused by Error: its cause')
})
