/** Which files can be switched between their preview and their source. */
import { strToU8, zipSync } from 'fflate'
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()

const files: Record<string, { content: string; hasSource: boolean }> = {
  'good.json': { content: '{"a": 1}', hasSource: true },
  'broken.json': { content: '{"a": [1', hasSource: false },
  'rounded.json': { content: '{"a": 12345678901234567890}', hasSource: false },
  'large.json': { content: `[${'0,'.repeat(4000)}[${'[0],'.repeat(200)}0]]`, hasSource: true },
  'binary.json': { content: '\0\0\0', hasSource: false },
  'empty.json': { content: '', hasSource: false },
  'good.ndjson': { content: '{"a": 1}\n', hasSource: true },
  'broken.ndjson': { content: '{"a": 1}\n{', hasSource: false },
  'a.csv': { content: 'a,b\n', hasSource: true },
  'a.md': { content: '# A\n', hasSource: true },
  'long.md': { content: 'word '.repeat(30_000), hasSource: false },
  'a.html': { content: '<p>a</p>', hasSource: true },
  'a.svg': { content: '<svg/>', hasSource: true },
  'a.txt': { content: 'a', hasSource: false },
}
/** Shown as text in an archive. */
const textInArchive = new Set(['a.html', 'a.svg'])

test('the source is a button away exactly where something else is shown', async () => {
  const entries = Object.entries(files)
  const tar = entries.map(([name, { content }]) => ({ name, content }))
  const members = Object.fromEntries(entries.map(([name, { content }]) => [name, strToU8(content)]))
  const zip = { name: 'all.zip', content: Buffer.from(zipSync(members)) }
  const id = await server.put('1/forms', { tar: [...tar, zip] })
  const blob = `/octo/app/actions/runs/1/artifacts/${id}/blob`
  for (const [name, { hasSource }] of entries) {
    for (const path of [name, `all.zip!/${name}`]) {
      const wanted = hasSource && !(path !== name && textInArchive.has(name))
      expect((await pageOf(`${blob}/${path}`)).includes('>Source</a>'), path).toBe(wanted)
    }
    expect(await pageOf(`${blob}/${name}?as=text`), name).toContain('>Preview</a>')
  }
})

async function pageOf(path: string): Promise<string> {
  const response = await server.visit(path)
  expect(response.status).toBe(200)
  return (await response.text()).replaceAll(/\s+/g, ' ').replaceAll(/ (?=<)|(?<=>) /g, '')
}
