import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AnnotationLevel } from '../../src/core/run/run-record.ts'
import { listFiles } from './disk-artifacts.ts'
import { createPlayground, facts, oneJob, type Playground } from './playground.ts'

function messages(place: Playground, level: AnnotationLevel): string[] {
  return place.events.flatMap((event) =>
    event.type === 'annotation' && event.annotation.level === level
      ? [event.annotation.message]
      : [],
  )
}

const build = `
  build:
    runs-on: ubuntu-latest
    outputs:
      id: \${{ steps.up.outputs.artifact-id }}
      url: \${{ steps.up.outputs.artifact-url }}
      digest: \${{ steps.up.outputs.tree-digest }}
    steps:
      - run: mkdir -p dist/sub && echo app > dist/app.js && echo deep > dist/sub/deep.js
      - id: up
        uses: actions/upload-artifact@v4
        with:
          name: dist
          path: dist/
          retention-days: 30
`

test('one job downloads what another uploads, and ids pass through job outputs', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:${build}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - id: down
        uses: actions/download-artifact@v4
        with: {name: dist, path: dist}
      - run: cat dist/app.js dist/sub/deep.js && echo "\${{ steps.down.outputs.download-path }}"
      - uses: actions/download-artifact@v5
        with: {artifact-ids: '\${{ needs.build.outputs.id }}', path: by-id}
      - run: cat by-id/app.js
      - uses: actions/download-artifact@0123456789012345678901234567890123456789
        with: {path: all}
      - run: cat all/app.js
`)
  expect(run.conclusions).toEqual({ build: 'success', test: 'success' })
  expect(place.artifacts.stored).toMatchObject([
    {
      name: 'dist',
      paths: ['app.js', 'sub/deep.js'],
      request: { retentionDays: 30, compressionLevel: 6, overwrite: false, archive: true },
    },
  ])
  expect(run.outputs('build')).toEqual({
    id: '1001',
    url: 'http://trove.test/artifacts/1001',
    digest: place.artifacts.stored[0]?.treeDigest,
  })
  expect(run.log('test')).toMatch(/app\ndeep\n.*\/test\/demo\/dist$/m)
})

test('up to v4, a download without a name creates a subdirectory even for a single artifact', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:${build}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/download-artifact@v4, with: {path: v4}}
      - {uses: actions/download-artifact@v3.1.0-node20, with: {path: v3, pattern: d*}}
      - {uses: actions/download-artifact@v4.3.0, with: {path: ids, artifact-ids: '\${{ needs.build.outputs.id }}'}}
      - {uses: actions/download-artifact@v4, with: {path: named, name: dist}}
      - {uses: actions/download-artifact@v4, with: {path: merged, merge-multiple: true}}
      - run: ls */app.js */*/app.js
`)
  expect(run.log('test')).toContain(
    'ids/dist/app.js\nmerged/app.js\nnamed/app.js\nv3/dist/app.js\nv4/dist/app.js',
  )
})

test('four shards upload, merge combines them, and a pattern downloads them into one directory', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  shard:
    runs-on: x
    strategy:
      matrix: {n: [1, 2, 3, 4]}
    steps:
      - run: mkdir out && echo "shard \${{ matrix.n }}" > out/result-\${{ matrix.n }}.txt && echo \${{ matrix.n }} > out/last
      - uses: actions/upload-artifact@v4
        with: {name: 'result-\${{ matrix.n }}', path: out}
  collect:
    needs: shard
    runs-on: x
    steps:
      - uses: actions/download-artifact@v5
        with: {pattern: result-*, merge-multiple: true, path: flat}
      - run: ls flat
      - uses: actions/download-artifact@v5
        with: {pattern: 'result-[12]', path: apart}
      - run: ls apart && cat apart/result-2/last
      - uses: actions/upload-artifact/merge@v4
        with: {name: together, pattern: result-*, separate-directories: true}
      - id: merge
        uses: actions/upload-artifact/merge@v4
        with: {name: all, pattern: result-*, delete-merged: true, retention-days: 2, compression-level: 9}
      - run: echo "merged \${{ steps.merge.outputs.artifact-id }}"
`)
  expect(run.conclusion).toBe('success')
  expect(run.log('collect')).toContain(
    'last\nresult-1.txt\nresult-2.txt\nresult-3.txt\nresult-4.txt',
  )
  expect(run.log('collect')).toContain('result-1\nresult-2\n2')
  const [together, all, ...others] = place.artifacts.stored
  expect(others).toEqual([])
  expect(together).toMatchObject({ name: 'together' })
  expect(together?.paths).toEqual(
    [1, 2, 3, 4].flatMap((n) => [`result-${n}/last`, `result-${n}/result-${n}.txt`]),
  )
  expect(all).toMatchObject({ name: 'all', request: { retentionDays: 2, compressionLevel: 9 } })
  expect(all?.paths).toEqual([
    'last',
    'result-1.txt',
    'result-2.txt',
    'result-3.txt',
    'result-4.txt',
  ])
  expect(run.log('collect')).toContain(`merged ${all?.id}`)
})

test('logs of a failed test are uploaded with if: always()', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- run: echo broken > test.log; exit 1
- {uses: actions/upload-artifact@v4, if: always(), with: {name: logs, path: '*.log'}}
`),
  )
  expect(run.conclusion).toBe('failure')
  expect(place.artifacts.stored).toMatchObject([{ name: 'logs', paths: ['test.log'] }])
})

test('if-no-files-found gives a warning, an error or a log line', async () => {
  const place = await createPlayground()
  const step = (value: string): string =>
    `- {uses: actions/upload-artifact@v4, with: {path: none/, if-no-files-found: ${value}}}`
  const warned = await place.run(oneJob(step('warn')))
  expect(warned.conclusion).toBe('success')
  expect(messages(place, 'warning')).toEqual([
    'No files were found with the provided path: none/. No artifacts will be uploaded.',
  ])
  expect((await place.run(oneJob(step('error')))).conclusion).toBe('failure')
  const ignored = await place.run(oneJob(step('ignore')))
  expect(ignored.conclusion).toBe('success')
  expect(messages(place, 'warning')).toEqual([])
  expect((await place.run(oneJob(step('maybe')))).log('job')).toContain(
    'Unrecognized if-no-files-found input',
  )
})

test('a taken name fails, and overwrite replaces the artifact under a new id', async () => {
  const place = await createPlayground()
  const upload = (extra: string): string =>
    `- {uses: actions/upload-artifact@v4, with: {name: a, path: file${extra}}, continue-on-error: true}`
  const run = await place.run(
    oneJob(
      `- run: echo 1 > file\n${upload('')}\n${upload('')}\n- run: echo 2 > file\n${upload(', overwrite: true')}`,
    ),
  )
  expect(run.log('job')).toContain("This run already has an artifact 'a'.")
  expect(place.artifacts.stored).toMatchObject([{ id: 1002, name: 'a' }])
})

test('archive: false stores exactly one file under its own name', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- run: mkdir d && echo 1 > d/one.json && echo 2 > d/two.json
- {uses: actions/upload-artifact@v7, with: {name: ignored, path: d/one.json, archive: false}}
- {uses: actions/upload-artifact@v7, with: {path: d, archive: false}}
`),
  )
  expect(place.artifacts.stored).toMatchObject([
    { name: 'one.json', paths: ['one.json'], request: { archive: false } },
  ])
  expect(run.log('job')).toContain(
    "When 'archive' is set to false, only a single file can be uploaded. Found 2 files",
  )
})

test('invalid inputs fail the step with the messages of the stock actions', async () => {
  const place = await createPlayground()
  const steps = [
    'actions/upload-artifact@v4, with: {name: x}',
    'actions/upload-artifact@v4, with: {path: f, compression-level: 10}',
    'actions/upload-artifact@v4, with: {path: f, retention-days: soon}',
    'actions/upload-artifact@v4, with: {path: f, retention-days: -3}',
    "actions/upload-artifact@v4, with: {path: f, overwrite: 'yes'}",
    'actions/download-artifact@v8, with: {digest-mismatch: maybe}',
    'actions/download-artifact@v8, with: {name: a, artifact-ids: 1}',
    'actions/download-artifact@v8, with: {artifact-ids: x}',
    'actions/download-artifact@v8, with: {name: absent}',
    'actions/download-artifact@v8, with: {artifact-ids: 99}',
    'actions/upload-artifact/merge@v4, with: {pattern: nothing-*}',
    'actions/download-artifact@v8, with: {github-token: t, repository: odd}',
  ]
  await place.run(
    oneJob(
      steps
        .map((step) => `- {uses: ${step.replace(/\}$/, '}')}, continue-on-error: true}`)
        .join('\n'),
    ),
  )
  expect(messages(place, 'error')).toEqual([
    'Input required and not supplied: path',
    'Invalid compression-level. Valid values are 0-9',
    'Input retention-days must be a number, got "soon"',
    'Invalid retention-days: -3 is less than 0',
    'Input overwrite must be true or false, got "yes"',
    "Invalid value for 'digest-mismatch': 'maybe'. Valid options are: ignore, info, warn, error",
    "Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.",
    "Invalid artifact ID: 'x'. Must be a number.",
    'Unable to download artifact(s): Artifact not found for name: absent',
    'None of the provided artifact IDs were found',
    "No artifacts found matching pattern 'nothing-*'",
    "Invalid repository: 'odd'. Must be in format owner/repo",
  ])
})

test('unknown inputs cause a warning, and an excessive retention is lowered to the maximum of the project', async () => {
  const place = await createPlayground()
  await place.run(
    oneJob(
      '- run: echo > f\n- {uses: actions/upload-artifact@v4, with: {path: f, retention-days: 30, pth: x}}',
    ),
    {
      facts: { ...facts(), retentionDays: 7 },
    },
  )
  expect(messages(place, 'warning')).toEqual([
    expect.stringContaining(
      "Unexpected input(s) 'pth', valid inputs are ['name', 'path', 'if-no-files-found'",
    ),
    'Retention days are greater than the maximum value allowed. Using 7 days instead.',
  ])
  expect(place.artifacts.stored[0]?.request.retentionDays).toBe(7)
})

test('digest-mismatch decides what happens with a damaged artifact', async () => {
  const place = await createPlayground()
  place.artifacts.damaged.add('dist')
  const job = (value: string): string => `
  ${value}:
    needs: build
    runs-on: x
    steps: [{uses: actions/download-artifact@v8, with: {name: dist, digest-mismatch: ${value}}}]`
  const run = await place.run(
    `on: push\njobs:${build}${['ignore', 'info', 'warn', 'error'].map(job).join('')}\n`,
  )
  expect(run.conclusions).toMatchObject({
    ignore: 'success',
    info: 'success',
    warn: 'success',
    error: 'failure',
  })
  const text =
    "Artifact 'dist' digest validation failed. Please verify the integrity of the artifact."
  expect(run.log('ignore')).not.toContain(text)
  expect(run.log('info')).toContain(text)
  expect(messages(place, 'warning')).toEqual([text])
  expect(run.log('error')).toContain('Digest validation failed for artifact(s): dist')
})

test('a merge of a damaged artifact fails and deletes nothing', async () => {
  const place = await createPlayground()
  place.artifacts.damaged.add('two')
  const run = await place.run(
    oneJob(`
- run: echo one > one && echo two > two
- {uses: actions/upload-artifact@v7, with: {name: one, path: one}}
- {uses: actions/upload-artifact@v7, with: {name: two, path: two}}
- {name: merge, uses: actions/upload-artifact/merge@v7, with: {delete-merged: true}}
`),
  )
  expect(run.steps('job')).toMatchObject({ merge: 'failure' })
  expect(messages(place, 'error')).toEqual(['Digest validation failed for artifact(s): two.'])
  expect(place.artifacts.stored.map(({ name }) => name)).toEqual(['one', 'two'])
})

test('a merge removes what it downloaded, read-only directories included', async () => {
  const place = await createPlayground()
  const stored = join(place.root, 'artifacts/1001/d')
  const run = await place.run(
    oneJob(`
- run: mkdir d && echo one > d/one && echo two > two
- {uses: actions/upload-artifact@v7, with: {name: one, path: "d\\ntwo"}}
- run: chmod 555 ${stored}
- {name: merge, uses: actions/upload-artifact/merge@v7}
- run: ls $RUNNER_TEMP; chmod 755 ${stored}
`),
  )
  expect(run.steps('job')).toMatchObject({ merge: 'success' })
  expect(run.log('job')).not.toContain('merge-artifact')
})

test('skip-decompress keeps the archive, ~ is the home directory, and a token gives access to another run', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:${build}
  fetch:
    needs: build
    runs-on: x
    steps:
      - {uses: actions/download-artifact@v8, with: {name: dist, path: kept, skip-decompress: true}}
      - run: test -e kept/dist.zip
      - {uses: actions/download-artifact@v8, with: {name: dist, path: ~/inbox}}
      - {uses: actions/download-artifact@v8, with: {pattern: d*, path: there, github-token: good, run-id: 5, repository: a/b/c}}
      - run: test -e there/app.js
      - {uses: actions/download-artifact@v8, with: {path: there, github-token: bad}}
`)
  expect(run.conclusion).toBe('success')
  expect(await listFiles(join(place.root, 'home/inbox'))).toEqual(['app.js', 'sub/deep.js'])
  expect(await readFile(join(place.root, 'home/inbox/app.js'), 'utf8')).toBe('app\n')
  expect(run.log('fetch')).toContain('Total of 0 artifact(s) downloaded')
})
