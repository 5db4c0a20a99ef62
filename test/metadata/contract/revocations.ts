import { expect, test } from 'vitest'
import { limits } from '../../../src/core/limits.ts'
import { parseProjectName } from '../../../src/core/run.ts'
import type { Store } from '../metadata-contract.ts'

const app = parseProjectName('octo/app')
const other = parseProjectName('octo/other')

export function revocationsContract(store: Store): void {
  test('a revoked token is listed once, until it is forgotten some time after its end', async () => {
    for (const [id, expiresAt] of [['b', 20] as const, ['a', 10] as const, ['a', 10] as const])
      await store().revokeToken({ id, project: null, expiresAt })
    expect((await store().listRevocations()).tokenIds.toSorted()).toEqual(['a', 'b'])
    expect(await store().purgeRevocations(10, 5)).toBe(0)
    expect(await store().purgeRevocations(21, 1)).toBe(1)
    expect(await store().purgeRevocations(20, 5)).toBe(0)
    expect(await store().listRevocations()).toEqual({ tokenIds: ['b'], projects: [] })
  })

  test('what a project had until a moment takes the place of its single ones', async () => {
    await store().revokeToken({ id: 'a', project: app, expiresAt: 10 })
    await store().revokeToken({ id: 'b', project: other, expiresAt: 10 })
    await store().revokeProjectTokens(parseProjectName('Octo/App'), 1000)
    const projects = [{ project: 'Octo/App', issuedUntil: 1000 }]
    expect(await store().listRevocations()).toEqual({ tokenIds: ['b'], projects })
    // A clock that went back takes nothing back.
    await store().revokeProjectTokens(app, 999)
    expect((await store().listRevocations()).projects).toEqual(projects)
    await store().revokeProjectTokens(app, 1001)
    expect((await store().listRevocations()).projects).toMatchObject([{ issuedUntil: 1001 }])
  })

  test('a project has a bounded number of single ones, and those of others do not count', async () => {
    for (let at = 0; at < limits.revokedTokensMax; at++)
      await store().revokeToken({ id: String(at), project: app, expiresAt: 10 })
    await expect(
      store().revokeToken({ id: 'one more', project: app, expiresAt: 10 }),
    ).rejects.toMatchObject({ code: 'too_large' })
    // One that is revoked already needs no room.
    await store().revokeToken({ id: '0', project: app, expiresAt: 10 })
    await store().revokeToken({ id: 'b', project: other, expiresAt: 10 })
    expect((await store().listRevocations()).tokenIds).toHaveLength(limits.revokedTokensMax + 1)
  })
}
