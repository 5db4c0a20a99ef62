import { expect, test } from 'vitest'
import { parseProjectName } from '../../../src/core/run/run.ts'
import type { Store } from '../metadata-contract.ts'

const app = parseProjectName('octo/app')
const token = { holder: null, isSession: false, issuedAt: 5, endsAt: 10 }
const other = parseProjectName('octo/other')

export function revocationsContract(store: Store): void {
  test('a revoked token is listed once, until its revocation is deleted some time after its end', async () => {
    for (const [id, endsAt] of [['b', 20] as const, ['a', 10] as const, ['a', 10] as const])
      await store().revokeToken({ ...token, id, project: null, endsAt })
    await store().revokeToken({ ...token, id: 'c', project: null, endsAt: Infinity })
    const { tokens } = await store().listRevocations()
    expect(new Map(tokens.map(({ id, endsAt }) => [id, endsAt]))).toEqual(
      new Map([
        ['a', 10],
        ['b', 20],
        ['c', Number.MAX_SAFE_INTEGER],
      ]),
    )
    expect(await store().purgeRevocations(10, 5)).toBe(0)
    expect(await store().purgeRevocations(20, 5)).toBe(1)
    expect(await store().purgeRevocations(1e15, 5)).toBe(1)
    expect(await store().listRevocations()).toMatchObject({ tokens: [{ id: 'c' }], projects: [] })
  })

  test('revoking all tokens of a project up to an instant replaces its individual revocations', async () => {
    await store().revokeToken({ ...token, id: 'a', project: app })
    await store().revokeToken({ ...token, id: 'b', project: other })
    // Issued by a clock that was ahead.
    await store().revokeToken({ ...token, id: 'c', project: app, issuedAt: 2000 })
    await store().revokeProjectTokens(parseProjectName('Octo/App'), 1000)
    const projects = [{ project: 'Octo/App', issuedUntil: 1000 }]
    const { tokens, ...listed } = await store().listRevocations()
    expect([tokens.map(({ id }) => id).toSorted(), listed]).toEqual([['b', 'c'], { projects }])
    // A clock that went back undoes nothing.
    await store().revokeProjectTokens(app, 999)
    expect((await store().listRevocations()).projects).toEqual(projects)
    await store().revokeProjectTokens(app, 1001)
    expect((await store().listRevocations()).projects).toMatchObject([{ issuedUntil: 1001 }])
  })
}
