/** Uploads of all kinds of content that pages show. */
import { strToU8, zipSync } from 'fflate'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { recordUsage } from '../../src/lifecycle/usage-history.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { noise } from '../actions/archives.ts'
import type { TarEntry } from '../http/archives-of.ts'
import type { TestServer } from '../http/open-server.ts'

const facts = 'branch=main&workflow=CI&event=push&sha=4f1d2c3b5a69788796a5b4c3d2e1f00112233445'

export interface Seeded {
  /** Artifact `site` of run 41; `site` below is that of run 42. */
  before: number
  site: number
  report: number
}

export async function putTar(
  server: TestServer,
  place: string,
  files: TarEntry[],
  query = facts,
): Promise<number> {
  return await server.put(`/api/v1/projects/octo/app/runs/${place}?${query}`, {
    tar: files,
  })
}

export async function seedProject(server: TestServer): Promise<Seeded> {
  const before = await putTar(server, '41/artifacts/site', siteFiles(1))
  server.clock.now += 36 * 60 * 60 * 1000
  const site = await putTar(server, '42/artifacts/site', siteFiles(2))
  const report = await putTar(server, '42/artifacts/report', reportFiles())
  await server.put(`42/notes.txt?${facts}`, {
    body: 'Some notes\nof this run\n',
    headers: { 'content-type': 'text/plain' },
  })
  await putTar(
    server,
    '43/artifacts/site',
    siteFiles(2),
    facts.replace('main', 'feature%2Fdark').replace('push', 'pull_request'),
  )
  return { before, site, report }
}

/** Days of a growing project: each day an upload that shares most of its files with the previous
 *  one, and a sample of the usage. */
export async function seedDays(server: TestServer, days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    const files = siteFiles(1 + Math.floor(day / 6)).map((file) =>
      file.name === 'build.log' ? { ...file, content: noise(20_000, day) } : file,
    )
    await putTar(server, `${10 + day}/artifacts/nightly`, files)
    await noteUsage(server)
    server.clock.now += 86_400_000
  }
}

/** Records a sample of the usage, as the server does every hour. */
export async function noteUsage(server: TestServer): Promise<void> {
  const metadata = openSqliteMetadata({ path: join(server.dataDir, 'trove.db') })
  try {
    await recordUsage({ metadata, now: () => server.clock.now })
  } finally {
    await metadata.close()
  }
}

/** A build log with ANSI colours. */
export function buildLog(run: number): string {
  const steps = ['install', 'types', 'lint', 'build', 'test', 'pack']
  const lines = Array.from({ length: 240 }, (_, index) => {
    const step = steps[Math.floor(index / 40)] ?? 'pack'
    const ms = ((index * 7919 + run * 104_729) % 900) + 12
    const mark = index % 37 === 11 ? '\u001b[33mwarn\u001b[0m' : '\u001b[32mok\u001b[0m'
    return `\u001b[2m${step}\u001b[0m  src/module-${String(index % 40).padStart(2, '0')}.ts  ${mark}  ${ms} ms`
  })
  lines[14] =
    '\u001b[1;31merror\u001b[0m  src/module-14.ts:31  expected 2 arguments, got 1 (tried again)'
  return `$ npm ci && npm run build  # run ${run}\n${lines.join('\n')}\n`
}

function siteFiles(version: number): TarEntry[] {
  const modules = Array.from({ length: 60 + version * 10 }, (_, index) => ({
    name: `assets/module-${String(index).padStart(3, '0')}.js`,
    content: `export const module${index} = ${JSON.stringify('value '.repeat(index % 7 === 0 ? 40 * version : 40))}\n`,
  }))
  return [
    { name: 'README.md', content: readme },
    {
      name: 'config.json',
      content: JSON.stringify({ version, nested: { list: [1, 'two', null] } }),
    },
    { name: 'build.log', content: log(version) },
    { name: 'sizes.csv', content: 'file,bytes\n"a, b.js",120\nc.js,99\n' },
    { name: 'events.ndjson', content: '{"event":"start"}\n{"event":"end","ok":true}\n' },
    { name: 'index.html', content: `<!doctype html><h1>Version ${version}</h1>` },
    { name: 'logo.png', content: png(32 * version) },
    {
      name: 'bin/tool',
      content: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3, 0, 0]),
      mode: 0o755,
    },
    { name: 'pack.zip', content: Buffer.from(zipSync({ 'inner/a.txt': strToU8('inside') })) },
    { name: version === 1 ? 'old-name.txt' : 'moved/new-name.txt', content: 'the same words\n' },
    { name: 'current', type: 'symlink', linkname: 'index.html' },
    ...modules,
  ]
}

const readme = `# Site

A *small* site with a [log](build.log), a picture ![logo](logo.png) and a table.

| file | bytes |
|---|---|
| a.js | 120 |

- [x] built
- [ ] shipped

\`\`\`sh
npm ci && npm run build
\`\`\`
`

function log(version: number): string {
  const lines = Array.from(
    { length: 400 },
    (_, index) => `\u001b[2m[${index}]\u001b[0m step ${index}: \u001b[32mok\u001b[0m`,
  )
  lines[10] = `\u001b[1;31merror\u001b[0m in version ${version}`
  return `${lines.join('\n')}\n`
}

export function reportFiles(): TarEntry[] {
  return [
    {
      name: 'index.html',
      content:
        '<!doctype html><title>Report</title><link rel="stylesheet" href="report.css"><h1>Report</h1>' +
        '<p id="out">scripts did not run</p><script src="report.js"></script>',
    },
    { name: 'report.css', content: 'h1 { color: rgb(1, 2, 3) }' },
    { name: 'report.js', content: 'document.getElementById("out").textContent = "scripts ran"' },
  ]
}

export function manyFiles(count: number): TarEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `dir-${String(index % 60).padStart(2, '0')}/file-${String(index).padStart(6, '0')}.txt`,
    content: `file ${index}\n`,
  }))
}

/** A PNG image of a single translucent colour, made without a library. */
export function png(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data])
    const head = Buffer.alloc(4)
    head.writeUInt32BE(data.length)
    const tail = Buffer.alloc(4)
    tail.writeUInt32BE(crc32(body))
    return Buffer.concat([head, body, tail])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 6, 0, 0, 0], 8)
  const row = Buffer.concat([
    Buffer.alloc(1),
    Buffer.alloc(side * 4, Buffer.from([10, 97, 97, 200])),
  ])
  const rows = Buffer.concat(Array.from({ length: side }, () => row))
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
