import { expect, test } from 'vitest'
import type { Actor } from '../../../src/core/audit.ts'
import { limits } from '../../../src/core/limits.ts'
import { parseProjectName, type ProjectName } from '../../../src/core/run/run.ts'
import type { MintedToken } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'

const app = parseProjectName('octo/app')
const by: Actor = {
  kind: 'person',
  run: null,
  job: null,
  person: null,
  tokenIds: ['m'],
  origin: 'api',
}

function tokenOf(id: string, more: Partial<MintedToken> = {}): MintedToken {
  return {
    id,
    project: app,
    scope: 'write',
    run: null,
    job: null,
    isSession: false,
    mintedAt: 5,
    issuedAt: 4,
    endsAt: 10,
    access: [],
    personId: null,
    lineage: [id, 'm'],
    mintedBy: by,
    ...more,
  }
}

export function mintedTokensContract(store: Store): void {
  const ids = async (project: ProjectName | null = null): Promise<string[]> =>
    (await store().listTokens({ project }, { limit: 10 })).map(({ id }) => id)

  test('tokens are listed by project, newest first, page by page', async () => {
    await store().addToken(tokenOf('a'))
    await store().addToken(tokenOf('b', { project: null }))
    await store().addToken(tokenOf('c', { project: parseProjectName('Octo/App') }))
    expect(await ids(app)).toEqual(['c', 'a'])
    expect(await ids()).toEqual(['c', 'b', 'a'])
    const [first] = await store().listTokens({}, { limit: 1 })
    const rest = await store().listTokens({}, { limit: 1, before: first!.number })
    expect(rest).toMatchObject([tokenOf('b', { project: null })])
    expect(await store().findToken('a')).toMatchObject(tokenOf('a'))
    expect(await store().findToken('z')).toBeUndefined()
  })

  test('a token and its audit log entry are added together, and neither is added twice', async () => {
    const author = { at: 5, by }
    await store().addToken(tokenOf('a'), author)
    await expect(store().addToken(tokenOf('a'), author)).rejects.toThrow('UNIQUE')
    await store().addToken(tokenOf('session', { isSession: true }))
    const token = { id: 'a', scope: 'write', run: null, job: null, expiresAt: 10 }
    expect(await store().listActs({}, { limit: 10 })).toMatchObject([
      { kind: 'token', project: 'octo/app', details: { token }, by },
    ])
  })

  test('of the sessions opened by one token the newest are listed, and other tokens are unaffected', async () => {
    const session = (id: string, parent: string): MintedToken =>
      tokenOf(id, { isSession: true, scope: 'read', lineage: [id, parent] })
    await store().addToken(tokenOf('p'))
    await store().addToken(session('other', 'q'))
    for (let i = 0; i <= limits.sessionsListedMax; i++) await store().addToken(session(`${i}`, 'p'))
    const listed = (await store().listTokens({ project: app }, { limit: 1000 })).map(({ id }) => id)
    expect(listed).toHaveLength(limits.sessionsListedMax + 2)
    expect(listed.slice(-3)).toEqual(['1', 'other', 'p'])
    for (let i = 0; i <= limits.sessionsListedMax; i++)
      await store().addToken({ ...session(`a${i}`, 'r'), project: null, scope: 'admin' })
    expect(await store().findToken('a0')).toBeUndefined()
    expect(await store().findToken('a1')).toBeDefined()
  })

  test('of the sessions of one person the newest are listed, whoever else signs in', async () => {
    const session = (id: string, personId: string): MintedToken =>
      tokenOf(id, { isSession: true, project: null, personId, lineage: [id] })
    await store().addToken(session('other', 'q'))
    await store().addToken({ ...session('own', 'p'), isSession: false })
    for (let i = 0; i <= limits.sessionsListedMax; i++) await store().addToken(session(`${i}`, 'p'))
    for (const [id, isListed] of Object.entries({ other: true, own: true, 0: false, 1: true }))
      expect([id, (await store().findToken(id)) !== undefined]).toEqual([id, isListed])
    const listed = await store().listTokens({ personId: 'p' }, { limit: 1000 })
    expect(listed).toHaveLength(limits.sessionsListedMax + 1)
    expect(new Set(listed.map(({ personId }) => personId))).toEqual(new Set(['p']))
  })

  test('the tokens that one person makes are bounded, not counting those of projects and of others', async () => {
    const own = { project: null, personId: 'p' }
    for (let i = 0; i < limits.personalTokensMax; i++) await store().addToken(tokenOf(`${i}`, own))
    const another = store().addToken(tokenOf('another', own))
    await expect(another).rejects.toMatchObject({ code: 'too_large' })
    await store().addToken(tokenOf('child', { personId: 'p' }))
    await store().addToken(tokenOf('other', { ...own, personId: 'q' }))
    await store().purgeTokens(11, 1)
    await store().addToken(tokenOf('another', own))
  })

  test('people are known by their last sign-in, until long after it', async () => {
    const jane = { id: 'j', name: 'jane', rules: ['groups:dev', '*'], signedInAt: 5 }
    await store().noteSignIn({ ...jane, name: 'jane before', rules: [] })
    await store().noteSignIn(jane)
    await store().noteSignIn({ ...jane, id: 'k', signedInAt: 9 })
    expect(await store().listPeople()).toContainEqual(jane)
    expect(await store().purgePeople(5, 5)).toBe(0)
    expect(await store().purgePeople(6, 5)).toBe(1)
    expect((await store().listPeople()).map(({ id }) => id)).toEqual(['k'])
  })

  test('ended tokens are deleted in batches', async () => {
    for (const [id, endsAt] of [['a', 10] as const, ['b', 20] as const, ['c', 10] as const])
      await store().addToken(tokenOf(id, { endsAt }))
    expect(await store().purgeTokens(10, 5)).toBe(0)
    expect(await store().purgeTokens(11, 1)).toBe(1)
    expect(await store().purgeTokens(11, 5)).toBe(1)
    expect(await ids(app)).toEqual(['b'])
  })
}
