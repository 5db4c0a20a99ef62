/** The published client in a step of GitHub's own runner, which sets the address and the token of
 *  its own service after the step's `env`: NODE_OPTIONS is what it passes on. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTrove } from '../cli/run-trove.ts'
import { makeDirectory } from '../client/tree.ts'
import { openStockClient, stockLibraries } from './stock-client.ts'
import { openStore } from './store.ts'
import { digestsOf, readDigests, smallTree, writeTree } from './trees.ts'

const store = await openStore()
const scratch = await makeDirectory()

test.each(stockLibraries)('%s uses the store on a runner that names another', async (library) => {
  const root = await mkdtemp(join(scratch, 'tree-'))
  const files = await writeTree(root, smallTree)
  const outputs = join(root, '..', `outputs-${library.length}`)
  const run = String(library.length)
  const minted = await runTrove(['token', '--url', store.url, '--outputs'], {
    TROVE_TOKEN: await store.token({ run: undefined, job: undefined, scope: 'write' }),
    GITHUB_REPOSITORY: 'octo/demo',
    GITHUB_RUN_ID: run,
    GITHUB_JOB: 'build',
    GITHUB_OUTPUT: outputs,
  })
  expect(minted).toMatchObject({ status: 0, stderr: '' })
  const text = await readFile(outputs, 'utf8')
  const [, token = '', options = ''] = /^token=(.*)\nnode-options=(.*)\n$/.exec(text) ?? []
  const client = await openStockClient(
    {
      url: 'https://results.invalid',
      token: 'not.a.token',
      serverUrl: 'https://forge.invalid',
      environment: { GITHUB_API_URL: 'https://api.invalid', NODE_OPTIONS: options },
    },
    library,
  )
  try {
    const { id } = await client.uploadArtifact('site', files, root)
    const here = join(root, 'here')
    await client.downloadArtifact(id!, { path: here })
    expect(await readDigests(here)).toEqual(digestsOf(smallTree))
    // As with the inputs `run-id` and `github-token`.
    const findBy = {
      token,
      workflowRunId: Number(run),
      repositoryOwner: 'octo',
      repositoryName: 'demo',
    }
    const { artifacts } = await client.listArtifacts({ findBy })
    expect(artifacts).toMatchObject([{ name: 'site', id }])
  } finally {
    await client.close()
  }
})
