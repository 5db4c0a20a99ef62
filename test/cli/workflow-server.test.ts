/** Tokens for the jobs of `trove run`, when the server is restarted meanwhile. */
import { expect, test } from 'vitest'
import { mintAcrossRestarts } from '../../src/cli/run/workflow-server.ts'
import { NetworkError } from '../../src/client/transport/network-error.ts'
import { storeError } from '../../src/core/errors.ts'

const request = { project: 'octo/app', run: 1, job: 'build', scope: 'job' } as const

function failing(errors: Error[]) {
  const retried: unknown[] = []
  const stop = new AbortController()
  const mint = mintAcrossRestarts(
    {
      mint: async () => {
        const error = errors.shift()
        if (error !== undefined) throw error
        return 'token'
      },
    },
    { signal: stop.signal, onRetry: (error) => void retried.push(error) },
  )
  return { mint, retried, stop }
}

test('a token is minted once the server is back', async () => {
  const errors = [new NetworkError('refused'), storeError('shutting_down', 'stopping', {})]
  const { mint, retried } = failing([...errors])
  expect(await mint(request)).toBe('token')
  expect(retried).toEqual(errors)
})

test('a refusal is final', async () => {
  const refusal = storeError('forbidden', 'no', { reason: 'no' })
  const { mint, retried } = failing([refusal])
  await expect(mint(request)).rejects.toBe(refusal)
  expect(retried).toEqual([])
})

test('an interrupted run waits no longer', async () => {
  const { mint, stop } = failing([new NetworkError('refused')])
  const minting = mint(request)
  stop.abort(new Error('interrupted'))
  await expect(minting).rejects.toThrow(/abort|interrupted/i)
})
