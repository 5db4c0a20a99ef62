/** Interoperability of artifact steps with the published client in both directions; merge,
 *  patterns, single files. */
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openRig, type Rig } from '../actions/rig.ts'
import { onServer } from './native-run.ts'
import { createPlayground, oneJob, type Playground } from './playground.ts'

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
  return rig.close
})

/** Writes a JavaScript action that wraps the published library: `do: get NAME DIRECTORY` or
 *  `do: put NAME DIRECTORY`. */
async function writePublished(place: Playground): Promise<ReadonlyMap<string, string>> {
  await place.write(
    'published/action.yml',
    'name: P\ndescription: d\ninputs:\n  do: {description: d, required: true}\nruns: {using: node20, main: main.mjs}\n',
  )
  await place.write(
    'published/main.mjs',
    `
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DefaultArtifactClient } from ${JSON.stringify(import.meta.resolve('@actions/artifact'))}
const client = new DefaultArtifactClient()
const [todo, name, directory] = process.env.INPUT_DO.split(' ')
if (todo === 'get') {
  const { artifact } = await client.getArtifact(name)
  const { digestMismatch } = await client.downloadArtifact(artifact.id, { path: resolve(directory), expectedHash: artifact.digest })
  if (digestMismatch) throw new Error('digest mismatch')
} else {
  const root = resolve(directory)
  const found = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  await client.uploadArtifact(name, found.map((entry) => join(entry.parentPath ?? entry.path, entry.name)), root)
}
`,
  )
  return new Map([['octo/published', join(place.repository, 'published')]])
}

const tree = `
- run: |
    mkdir -p made/sub
    echo app > made/app.js
    printf '#!/bin/sh\\n' > made/tool.sh && chmod +x made/tool.sh
    head -c 700000 /dev/urandom > made/sub/data.bin
    : > made/sub/empty
    (cd made && find . -type f | sort | xargs sha256sum) > made.sums`

test('the published client downloads what a step uploads, and a step gets it back with its modes', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`${tree}
- {id: up, uses: actions/upload-artifact@v7, with: {name: native, path: made, retention-days: 30}}
- {uses: octo/published@v1, with: {do: get native published}}
- run: (cd published && find . -type f | sort | xargs sha256sum) | diff - made.sums
- {uses: actions/download-artifact@v8, with: {name: native, path: native}}
- run: (cd native && find . -type f | sort | xargs sha256sum) | diff - made.sums && test -x native/tool.sh
- {uses: actions/download-artifact@v8, with: {name: native, path: zipped, skip-decompress: true}}
- run: |
    test "$(head -c 2 zipped/native.zip)" = PK
    echo "\${{ steps.up.outputs.artifact-url }} \${{ steps.up.outputs.tree-digest }}"
`),
    { ...onServer(rig), actions: await writePublished(place) },
  )
  expect(run.log('job')).toMatch(
    /http:\/\/127\.0\.0\.1:\d+\/octo\/demo\/actions\/runs\/\d+\/artifacts\/\d+ sha256:[0-9a-f]{64}/,
  )
  expect(run.conclusion).toBe('success')
})

test('a step downloads what the published client uploads', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`${tree}
- {uses: octo/published@v1, with: {do: put stock made}}
- {uses: actions/download-artifact@v8, with: {name: stock, path: native}}
- run: (cd native && find . -type f | sort | xargs sha256sum) | diff - made.sums
`),
    { ...onServer(rig), actions: await writePublished(place) },
  )
  expect(run.conclusion).toBe('success')
})

test('shards, merge, pattern, overwrite and a single file work as with the fake store', async () => {
  const place = await createPlayground()
  const run = await place.run(
    `
on: push
jobs:
  shard:
    runs-on: x
    strategy: {matrix: {n: [1, 2, 3, 4]}}
    steps:
      - run: mkdir out && echo \${{ matrix.n }} > out/\${{ matrix.n }}.txt
      - {uses: actions/upload-artifact@v7, with: {name: 'shard-\${{ matrix.n }}', path: out}}
  collect:
    needs: shard
    runs-on: x
    steps:
      - {uses: actions/download-artifact@v8, with: {pattern: shard-*, merge-multiple: true, path: all}}
      - run: cat all/*.txt | tr '\\n' ' '
      - {uses: actions/upload-artifact/merge@v7, with: {name: merged, pattern: shard-*, delete-merged: true}}
      - run: echo '{}' > report.json
      - {uses: actions/upload-artifact@v7, with: {path: report.json, archive: false}}
      - {uses: actions/download-artifact@v8, with: {name: report.json, path: whole, skip-decompress: true}}
      - run: cmp report.json whole/report.json
      - {uses: actions/upload-artifact@v7, with: {name: merged, path: report.json}, continue-on-error: true}
      - {uses: actions/download-artifact@v8, with: {path: everything}}
      - run: find everything -type f | sort | tr '\\n' ' '
      - {uses: actions/upload-artifact@v7, with: {name: merged, path: report.json, overwrite: true}}
`,
    onServer(rig),
  )
  expect(run.conclusion).toBe('success')
  const log = run.log('collect')
  expect(log).toContain('1 2 3 4')
  expect(log).toContain(
    'everything/merged/1.txt everything/merged/2.txt everything/merged/3.txt everything/merged/4.txt everything/report.json/report.json',
  )
  expect(log).toContain("This run already has an artifact 'merged'.")
})
