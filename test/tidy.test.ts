/** Tests of the structure of the code: allowed imports (the table of src/README.md is the rule),
 *  forbidden content, and unreachable files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Left out everywhere; the last two are made by the examples of README.md. */
const notOurs = new Set(['node_modules', 'dist', 'data', '.git', 'fetched', 'fetched-stock'])

interface SourceFile {
  /** Relative to the project root. */
  path: string
  text: string
  imports: Import[]
}
interface Import {
  /** A file of ours, relative to the root, or the name of a package. */
  target: string
  ours: boolean
  /** True for a thread started from this file; the thread's module may import types of its
   *  starter. */
  isThread: boolean
  line: number
}

const code = ['src', 'schema', 'test', 'bench']
  .flatMap((folder) => filesBelow(folder))
  .filter((path) => /\.(ts|tsx|mjs)$/.test(path))
  .map(readSource)
const shipped = code.filter(({ path }) => /^(src|schema)\//.test(path))

describe('imports', () => {
  const table = readImportTable()

  test('the import table of src/README.md names every folder of src', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((item) => item.isDirectory())
      .map((item) => item.name)
    expect(folders.filter((folder) => !table.has(folder))).toEqual([])
  })

  test('every import between folders of src is allowed by the table', () => {
    const forbidden = shipped.flatMap((file) =>
      file.imports
        .filter(({ target, ours }) => ours && !isAllowed(table, file.path, target))
        .map(({ target, line }) => `${file.path}:${line} imports ${target}`),
    )
    expect(forbidden).toEqual([])
  })

  test('every edge that the table allows is used', () => {
    const unused = [...table].flatMap(([who, allowed]) =>
      allowed
        .filter((name) => {
          const importers = shipped.filter(({ path }) => isWithin(path, who))
          return !importers.some(({ imports }) =>
            imports.some(({ target }) => isWithin(target, name)),
          )
        })
        .map((name) => `${who} imports ${name}`),
    )
    expect(unused.filter((line) => !/^(server\.ts|cli) imports $/.test(line))).toEqual([])
  })

  test('there are no import cycles, type imports included', () => {
    const imports = new Map(
      shipped.map((file) => [
        file.path,
        file.imports.filter(({ ours, isThread }) => ours && !isThread).map(({ target }) => target),
      ]),
    )
    // Repeatedly removes files that import none of the remaining files. What is left is cycles and
    // the files that lead to them.
    for (let before = -1; before !== imports.size;) {
      before = imports.size
      for (const [path, targets] of imports) {
        const left = targets.filter((target) => imports.has(target))
        if (left.length > 0) imports.set(path, left)
        else imports.delete(path)
      }
    }
    expect(Object.fromEntries(imports)).toEqual({})
  })

  test.each([
    ['drizzle-orm, better-sqlite3', /^(drizzle-orm|better-sqlite3)/, /^(src\/metadata|schema)\//],
    ['hono', /^(hono(?!\/jwt)|@hono\/)/, /^src\/((http|actions|web)\/|server\.ts$)/],
    ['hono/jwt', /^hono\/jwt/, /^src\/auth\//],
    ['tar-stream', /^tar-stream/, /^src\/client\//],
    ['anything from npm but zod', /^(?!node:|zod$)/, /^(?!src\/(core|api)\/)/],
  ])('%s is imported only where it belongs', (_name, packages, places) => {
    const strays = shipped.flatMap((file) =>
      file.imports
        .filter(({ target, ours }) => !ours && packages.test(target) && !places.test(file.path))
        .map(({ target, line }) => `${file.path}:${line} imports ${target}`),
    )
    expect(strays).toEqual([])
  })

  test('core uses no built-in that does I/O', () => {
    const pure = /^node:(crypto|zlib|assert|buffer|stream|util)(\/|$)/
    const strays = shipped
      .filter(({ path }) => path.startsWith('src/core/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ target, ours }) => !ours && !pure.test(target))
          .map(({ target }) => `${path}: ${target}`),
      )
    expect(strays).toEqual([])
  })

  test('zod is imported as a namespace: named, it brings 50 languages into the bundles', () => {
    const strays = shipped.filter(({ text }) => /^import \{[^}]*\} from 'zod'/m.test(text))
    expect(strays.map(({ path }) => path)).toEqual([])
  })

  test('the client imports only types from the API schemas', () => {
    const strays = shipped
      .filter(({ path }) => path.startsWith('src/client/'))
      .filter(({ text }) =>
        /(^import (?!type\b)[^']*|\bimport\()'\.\.\/api\/(?!paths|completeness|negotiation\.ts)/m.test(
          text,
        ),
      )
    expect(strays.map(({ path }) => path)).toEqual([])
  })

  test('every source file is reachable from an entry point', () => {
    const entries = ['src/cli/main.ts', 'src/cli/client-main.ts', 'src/server.ts', 'src/build.mjs']
    const byPath = new Map(shipped.map((file) => [file.path, file]))
    const reached = new Set<string>()
    const open = [
      ...entries,
      ...shipped
        .map(({ path }) => path)
        .filter((path) => /-worker\.ts$|^src\/web\/browser\/[^/]+-page\.ts$/.test(path)),
    ]
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (reached.has(path)) continue
      reached.add(path)
      for (const { target, ours } of byPath.get(path)?.imports ?? []) if (ours) open.push(target)
    }
    expect(shipped.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([])
  })
})

describe('every file', () => {
  test('has a descriptive name', () => {
    const empty = /(^|[-/])(utils?|helpers?|common|misc|managers?|types|info|data)\.[a-z]+$/
    const emptyFolder = /(^|\/)(utils?|helpers?|common|misc|managers?|services?|lib)\//
    const whole = /(^|\/)(services?|index)\.[a-z]+$/
    const paths = code.map(({ path }) => path)
    expect(paths.filter((p) => empty.test(p) || emptyFolder.test(p) || whole.test(p))).toEqual([])
    expect(paths.filter((path) => !/^[a-z0-9./-]+$/.test(path))).toEqual([])
  })

  test('has at most 500 lines', () => {
    const long = code.filter(({ text }) => text.split('\n').length > 501)
    expect(long.map(({ path }) => path)).toEqual([])
  })

  test('has comments of at most 100 columns, as the formatter wraps code', () => {
    const isLong = (line: string): boolean =>
      line.length > 100 && /^\s*(\/\/|\/?\*)/.test(line) && !line.includes('https://')
    const long = code.filter(({ text }) => text.split('\n').some(isLong))
    expect(long.map(({ path }) => path)).toEqual([])
  })

  test.each([
    ['a TODO', /\b(TODO|FIXME|XXX|HACK)\b/],
    ['a default export', /^export default\b/m],
    ['a skipped or exclusive test', /\b(test|it|describe)\.(skip|only|todo|fails)\b/],
    ['a disabled type check', /@ts-(ignore|nocheck|expect-error)/],
    ['a mock of our own modules', /\bvi\.mock\(/],
  ])('does not contain %s', (_name, pattern) => {
    const files = code.filter(({ path }) => path !== 'test/tidy.test.ts')
    expect(files.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('only config/config.ts reads the environment and only the command line ends the process', () => {
    const holders = (pattern: RegExp): string[] =>
      shipped.filter(({ text }) => pattern.test(withoutComments(text))).map(({ path }) => path)
    // The other is a program for the process of an action.
    const readers = holders(/\bprocess\.env\b/)
    expect(readers).toEqual(['src/cli/action-environment.ts', 'src/config/config.ts'])
    expect(holders(/\bprocess\.exit\(/).filter((path) => path !== 'src/cli/program.ts')).toEqual([])
    expect(holders(/\bconsole\.\w+\(/)).toEqual([])
  })

  test('names no path of a specific machine and no package registry', () => {
    const texts = filesBelow('.')
      .filter((path) => /(^|\/)(\.ci\/run|[^/]+\.(md|ts|tsx|mjs|json|jsonc|ya?ml))$/.test(path))
      .filter((path) => path !== 'test/tidy.test.ts')
    const machine =
      /(^|[\s"'`(=])\/(work|home|root|Users)\/\w|registry\.[a-z]+\.(org|com)|npmjs\.org/m
    expect(texts.filter((path) => machine.test(readFileSync(join(root, path), 'utf8')))).toEqual([])
  })
})

test.each(filesBelow('.').filter((path) => path.endsWith('.md')))(
  'the links of %s are valid',
  (path) => {
    const links = [
      ...readFileSync(join(root, path), 'utf8').matchAll(/\]\((?!https?:)([^)\s]+)\)/g),
    ]
    const dead = links.filter(([, link = '']) => {
      const [file, heading] = link.split('#')
      const target = file ? join(dirname(path), file) : path
      if (!existsSync(join(root, target))) return true
      return heading !== undefined && !anchorsOf(target).includes(heading)
    })
    expect(dead.map(([, link]) => link)).toEqual([])
  },
)

describe('README.md', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const codeOf = (path: string): string => code.find((file) => file.path === path)!.text

  test('names every setting and no others', () => {
    const settings = (text: string): string[] =>
      [...new Set([...text.matchAll(/\bTROVE_[A-Z0-9_]+\b/g)].map(([name]) => name))].toSorted()
    const read = code
      .filter(({ path }) => path.startsWith('src/config/'))
      .map(({ text }) => text)
      .join('')
    expect(settings(readme)).toEqual(settings(read))
  })

  test('names every command', () => {
    const commands = [
      ...(codeOf('src/cli/command-list.ts') + codeOf('src/cli/client-commands.ts')).matchAll(
        /'\.\/commands\/([a-z-]+)\.ts'/g,
      ),
    ]
    expect(commands.length).toBeGreaterThan(0)
    const missing = commands
      .map((match) => match[1]!)
      .filter((name) => !readme.includes(`\`trove ${name}`))
    expect(missing).toEqual([])
  })
})

/** The anchors that GitHub generates for the headings of a document. */
function anchorsOf(path: string): string[] {
  return [...readFileSync(join(root, path), 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** Files below `folder`, relative to the root, without those that git ignores. */
function filesBelow(folder: string): string[] {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((item) => {
    if (notOurs.has(item.name)) return []
    const child = normalize(join(folder, item.name))
    return item.isDirectory() ? filesBelow(child) : [child]
  })
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  // `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')` and our worker threads.
  const pattern =
    /(?:^(?:import|export)\b[^'"`;]*?\bfrom\s+|^import\s+|\bimport\(\s*)'([^'\n]+)'|\b(?:builtUrl|startThread)\('([^'\n]+\.ts)'/gm
  const imports = [...text.matchAll(pattern)].map((match) => {
    const [, name = '', worker] = match
    const ours = worker !== undefined || name.startsWith('.')
    const folder = worker === undefined ? dirname(path) : 'src'
    return {
      target: ours ? normalize(join(folder, worker ?? name)) : name,
      ours,
      isThread: worker !== undefined,
      line: text.slice(0, match.index).split('\n').length,
    }
  })
  return { path, text, imports }
}

/** Reads the table below the heading *Who may import whom*: the folders and files in the first
 *  cell may import those in the second. `anything` allows every import. */
function readImportTable(): Map<string, string[]> {
  const readme = readFileSync(join(root, 'src/README.md'), 'utf8')
  const [, section = ''] = readme.split(/^## Who may import whom$/m)
  const rows = section
    .split(/^## /m)[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, 3))
  const names = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
  const table = new Map<string, string[]>()
  for (const [who, what] of rows) {
    const allowed = what?.includes('anything') === true ? [''] : names(what)
    for (const name of names(who)) table.set(name, [...(table.get(name) ?? []), ...allowed])
  }
  return table
}

/** A folder may import itself. A row for a file adds to the row of its folder. A nested folder
 *  that has a row of its own is bound by that row alone. */
function isAllowed(table: Map<string, string[]>, from: string, to: string): boolean {
  const importer = from.replace(/^src\//, '')
  const imported = to.replace(/^src\//, '')
  const inner = [...table.keys()].find((name) => /\/[a-z-]+$/.test(name) && isWithin(from, name))
  const folder = inner ?? importer.split('/')[0]!
  if (isWithin(imported, folder)) return true
  const allowed = [...(table.get(folder) ?? []), ...(table.get(importer) ?? [])]
  return allowed.some((name) => name === '' || isWithin(imported, name))
}

/** Whether a file is `name` or is below it. */
function isWithin(path: string, name: string): boolean {
  const below = path.replace(/^src\//, '')
  return below === name || below.startsWith(`${name}/`)
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '')
}
