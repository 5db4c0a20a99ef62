/** Downloads across runs with the published client and `findBy`, which is how download-artifact
 *  passes its `github-token` and `run-id` inputs. The client then uses GitHub's REST API and needs
 *  no runtime token. */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openStockClient, stockLibraries } from './stock-client.ts'
import { openStore } from './store.ts'
import { digestsOf, readDigests, smallTree, writeTree } from './trees.ts'

const store = await openStore()
const scratch = await makeDirectory()

describe.each(stockLibraries)('%s', (library) => {
  test('another run of the project is listed, downloaded and deleted over REST', async () => {
    const run = library === 'artifact-v2' ? 41 : 42
    const root = await mkdtemp(join(scratch, 'tree-'))
    const files = await writeTree(root, smallTree)
    const uploader = await openStockClient(
      { url: store.url, token: await store.token({ run }) },
      library,
    )
    const { id } = await uploader.uploadArtifact('site', files, root)
    await uploader.close()

    const reader = await openStockClient(
      { url: store.url, token: '', environment: { GITHUB_API_URL: store.url } },
      library,
    )
    try {
      const findBy = {
        token: await store.token({ run: undefined, job: undefined, scope: 'write' }),
        workflowRunId: run,
        repositoryOwner: 'octo',
        repositoryName: 'demo',
      }
      const { artifacts } = await reader.listArtifacts({ findBy })
      expect(artifacts.map(({ name }) => name)).toEqual(['site'])
      expect((await reader.getArtifact('site', { findBy })).artifact.id).toBe(id)
      const path = join(scratch, `run-${run}`)
      await reader.downloadArtifact(id!, { findBy, path })
      expect(await readDigests(path)).toEqual(digestsOf(smallTree))
      expect(await reader.deleteArtifact('site', { findBy })).toEqual({ id })
      expect((await reader.listArtifacts({ findBy })).artifacts).toEqual([])
    } finally {
      await reader.close()
    }
  })
})
