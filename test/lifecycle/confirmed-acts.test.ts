/** Acts that are acknowledged only when the bucket has them. */
import { expect, test } from 'vitest'
import { storeError } from '../../src/core/errors.ts'
import { confirmingActs } from '../../src/lifecycle/snapshot/confirmed-acts.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'

const author = { at: 1, by: null }
const token = { id: 'x', scope: 'read', run: null, job: null, expiresAt: 2 }
const revoked = { id: 'x', project: null, holder: null, isSession: false, issuedAt: 0, endsAt: 2 }

/** Notes what is called, in order. */
function createNoted(confirm: () => void = () => {}): { metadata: Metadata; calls: string[] } {
  const calls: string[] = []
  const noted = (name: string, result: unknown): (() => Promise<unknown>) => {
    return async () => {
      calls.push(name)
      return await Promise.resolve(result)
    }
  }
  const metadata = {
    removeArtifacts: noted('remove', [7]),
    revokeToken: noted('revoke', undefined),
    recordAct: noted('record', undefined),
  } as unknown as Metadata
  const confirming = confirmingActs(metadata, async () => {
    calls.push('confirm')
    confirm()
    await Promise.resolve()
  })
  return { metadata: confirming, calls }
}

test('an act on behalf of somebody resolves after it is confirmed', async () => {
  const { metadata, calls } = createNoted()
  const removal = { state: 'deleted', reason: 'request', now: 1, undoMs: 0 } as const
  expect(await metadata.removeArtifacts([7], removal, author)).toEqual([7])
  await metadata.revokeToken(revoked, { ...author, token })
  expect(calls).toEqual(['remove', 'confirm', 'revoke', 'confirm'])
})

test('signing out and in does not wait', async () => {
  const { metadata, calls } = createNoted()
  await metadata.revokeToken(revoked)
  await metadata.recordAct(author, { kind: 'sign-in', project: null })
  expect(calls).toEqual(['revoke', 'record'])
})

test('an act that is not confirmed fails', async () => {
  const { metadata, calls } = createNoted(() => {
    throw storeError('busy', 'the bucket does not respond', { what: 'bucket' })
  })
  const act = metadata.revokeToken(revoked, { ...author, token })
  await expect(act).rejects.toMatchObject({ code: 'busy' })
  expect(calls).toEqual(['revoke', 'confirm'])
})
