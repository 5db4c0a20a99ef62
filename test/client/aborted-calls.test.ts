/** Calls that are aborted before what they wait for is there. */
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { listen } from './listen.ts'
import { makeDirectory } from './tree.ts'

test.each(['download', 'verify'] as const)(
  'an aborted %s fails with the reason while its artifact is still being found',
  async (call) => {
    const client = createClient({ url: await listen(createServer()), cacheDir: null })
    const directory = await makeDirectory()
    const ending = new AbortController()
    const { signal } = ending
    const artifact = new Promise<never>(() => {})
    const going = client[call]({ artifact, directory, destination: directory, signal })
    setTimeout(() => ending.abort(new Error('enough')), 50)
    await expect(going).rejects.toThrow('enough')
  },
)
