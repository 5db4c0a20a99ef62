/** The steps that the README gives for GitHub's actions, in the environment that GitHub's runner
 *  makes for a JavaScript action: it sets the variables of its own service, whatever `env` says. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openStockClient, stockLibraries, type StockLibrary } from './stock-client.ts'
import { openStore } from './store.ts'
import { digestsOf, readDigests, smallTree, writeTree } from './trees.ts'

const store = await openStore()
const scratch = await makeDirectory()
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')

/** The folded NODE_OPTIONS of the README's step that uses `action`. */
function nodeOptionsOf(action: string, token: string): string {
  const step = readme.split(`- uses: ${action}@`)[1]!.split('\n```')[0]!
  const [, folded] = /NODE_OPTIONS: >-\n((?:\s+--import=.*\n?)+)/.exec(step)!
  return folded!
    .trim()
    .replaceAll(/\n\s+/g, ' ')
    .replaceAll('https://store.example.com', store.url)
    .replaceAll('${{ steps.trove.outputs.token }}', token)
}

const openOnGithub = (library: StockLibrary, nodeOptions: string) =>
  openStockClient(
    {
      url: 'http://127.0.0.1:1',
      token: 'of GitHub',
      serverUrl: 'https://github.corp.example',
      environment: { GITHUB_API_URL: 'http://127.0.0.1:1/api/v3', NODE_OPTIONS: nodeOptions },
    },
    library,
  )

test.each(stockLibraries)('%s reaches the store, in the job and across runs', async (library) => {
  const run = 1 + stockLibraries.indexOf(library)
  const root = await mkdtemp(join(scratch, 'tree-'))
  const files = await writeTree(root, smallTree)
  const client = await openOnGithub(
    library,
    nodeOptionsOf('actions/upload-artifact', await store.token({ run })),
  )
  const { id } = await client.uploadArtifact('site', files, root)
  await client.downloadArtifact(id!, { path: join(scratch, library, 'same') })
  await client.close()
  expect(await readDigests(join(scratch, library, 'same'))).toEqual(digestsOf(smallTree))

  const reader = await openOnGithub(library, nodeOptionsOf('actions/download-artifact', ''))
  const findBy = {
    token: await store.token({ run: undefined, job: undefined, scope: 'read' }),
    workflowRunId: run,
    repositoryOwner: 'octo',
    repositoryName: 'demo',
  }
  const { artifacts } = await reader.listArtifacts({ findBy })
  expect(artifacts.map(({ name }) => name)).toEqual(['site'])
  await reader.downloadArtifact(id!, { findBy, path: join(scratch, library, 'other') })
  await reader.close()
  expect(await readDigests(join(scratch, library, 'other'))).toEqual(digestsOf(smallTree))
})
