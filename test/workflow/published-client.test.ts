/** The published `@actions/artifact`, as a JavaScript action that knows nothing of us, against a real server. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ArtifactEndpoint } from '../../src/workflow/engine.ts'
import { openRig, type Rig } from '../actions/rig.ts'
import { createPlayground, type Playground } from './playground.ts'

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
})
afterAll(async () => {
  await rig.close()
})

function endpoint(): ArtifactEndpoint {
  const token = (job: { key: string }): Promise<string> =>
    rig.token({ project: 'octo/demo', run: 77, job: job.key, scope: 'job' })
  return { url: rig.url, runtimeToken: token }
}

/** An action that uploads or downloads with the library, as GitHub's own actions do. */
async function writeAction(place: Playground): Promise<string> {
  await place.write(
    'artifact/action.yml',
    `
name: Artifact
description: d
inputs:
  do: {description: d, required: true}
  name: {description: d, required: true}
  directory: {description: d, required: true}
outputs:
  id: {description: d}
  digest: {description: d}
runs: {using: node20, main: main.mjs}
`,
  )
  await place.write(
    'artifact/main.mjs',
    `
import { appendFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DefaultArtifactClient } from ${JSON.stringify(import.meta.resolve('@actions/artifact'))}
const client = new DefaultArtifactClient()
const { INPUT_DO: todo, INPUT_NAME: name, INPUT_DIRECTORY: directory } = process.env
if (todo === 'upload') {
  const root = resolve(directory)
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const { id, digest } = await client.uploadArtifact(name, files, root, { retentionDays: 3 })
  appendFileSync(process.env.GITHUB_OUTPUT, 'id=' + id + '\\ndigest=' + digest + '\\n')
} else {
  const { artifact } = await client.getArtifact(name)
  await client.downloadArtifact(artifact.id, { path: resolve(directory), expectedHash: artifact.digest })
}
`,
  )
  return join(place.repository, 'artifact')
}

test('the library of the published actions uploads in one job and downloads in the next', async () => {
  const place = await createPlayground()
  const directory = await writeAction(place)
  const run = await place.run(
    `
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    outputs: {id: '\${{ steps.up.outputs.id }}'}
    steps:
      - run: mkdir -p dist/sub && echo app > dist/app.js && head -c 300000 /dev/urandom > dist/sub/data.bin && sha256sum dist/sub/data.bin
      - {id: up, uses: octo/artifact@v1, with: {do: upload, name: dist, directory: dist}}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - {uses: octo/artifact@v1, with: {do: download, name: dist, directory: dist}}
      - run: cat dist/app.js && sha256sum dist/sub/data.bin
`,
    { actions: new Map([['octo/artifact', directory]]), service: endpoint() },
  )
  expect(run.conclusions).toEqual({ build: 'success', test: 'success' })
  const [sent, received] = ['build', 'test'].map(
    (job) => /^[0-9a-f]{64}  dist\/sub\/data\.bin$/m.exec(run.log(job))?.[0],
  )
  expect(sent).toBeDefined()
  expect(received).toBe(sent)
  const caller = await rig.as({ project: 'octo/demo', run: 77, job: 'look' })
  const [listed] = await caller.list({ name_filter: 'dist' })
  expect(listed).toMatchObject({ database_id: run.outputs('build')['id'] })
  // The runtime token is a secret like any other.
  expect(JSON.stringify(place.events)).not.toContain('eyJ')
})
