import { expect, test } from 'vitest'
import type { Actor } from '../../../src/core/audit.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { SecretInTree } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'

const by: Actor = {
  kind: 'person',
  run: null,
  job: null,
  person: null,
  tokenIds: ['m'],
  origin: 'page',
}
const page = { now: 3_000, limit: 10 }

function secretIn(path: string, content: string, line = 1): SecretInTree {
  return { path, digest: digestOf(content), kind: 'github-token', line }
}

export function secretsContract(store: Store): void {
  const countOf = async (id: number): Promise<number | null> =>
    (await store().findArtifact(id))!.secrets

  test('live trees wait to be scanned, newest first, each once', async () => {
    const run = await seedRun(store())
    const old = await seedArtifact(store(), run, { a: 'a' }, { name: 'old' })
    await seedArtifact(store(), run, { a: 'b' }, { name: 'ended', expiresAt: 2_500 })
    const first = await seedArtifact(store(), run, { a: 'c' }, { name: 'first' })
    const again = await seedArtifact(store(), run, { a: 'c' }, { name: 'again' })
    expect(again.manifestId).toBe(first.manifestId)
    expect(await store().listUnscanned(1, page)).toEqual([
      { manifestId: again.manifestId, artifactId: again.id },
      { manifestId: old.manifestId, artifactId: old.id },
    ])
    expect(await store().listUnscanned(1, { ...page, limit: 1 })).toHaveLength(1)
    await store().recordSecrets(again.manifestId, 1, { secrets: [], passedOver: 0 })
    expect(await store().listUnscanned(1, page)).toMatchObject([{ artifactId: old.id }])
    // With rules that find more it is scanned again, after trees never scanned.
    expect(await store().listUnscanned(2, page)).toMatchObject([
      { artifactId: old.id },
      { artifactId: again.id },
    ])
  })

  test('findings apply to every artifact of the tree, and are counted', async () => {
    const run = await seedRun(store())
    const { id, manifestId } = await seedArtifact(store(), run, { a: 'x', b: 'y' })
    expect(await countOf(id)).toBeNull()
    expect(await store().listSecrets(id)).toEqual({ isScanned: false, passedOver: 0, secrets: [] })
    const secrets = [secretIn('b', 'y'), secretIn('a', 'x', 3), secretIn('a', 'x', 2)]
    await store().recordSecrets(manifestId, 1, { secrets, passedOver: 2 })
    const later = await seedArtifact(store(), run, { a: 'x', b: 'y' }, { name: 'later' })
    for (const each of [id, later.id]) {
      expect(await countOf(each)).toBe(3)
      expect(await store().listSecrets(each)).toMatchObject({
        isScanned: true,
        passedOver: 2,
        secrets: [
          { ...secretIn('a', 'x', 2), dismissedAt: null },
          secretIn('a', 'x', 3),
          secretIn('b', 'y'),
        ],
      })
    }
    // Another scan replaces the result.
    await store().recordSecrets(manifestId, 2, { secrets: [], passedOver: 0 })
    expect(await countOf(id)).toBe(0)
  })

  test('the result for a scanned content is known, for the rules it was scanned with', async () => {
    await seedArtifact(store(), await seedRun(store()), { a: 'x', b: 'y' })
    const [x, y, gone] = ['x', 'y', 'gone'].map((content) => digestOf(content))
    const scans = [
      { digest: x!, found: [{ kind: 'npm-token' as const, line: 4 }] },
      { digest: y!, found: [] },
    ]
    await store().recordScans(1, [...scans, { digest: gone!, found: [] }])
    const known = await store().readScans(1, [x!, y!, gone!])
    expect(known.toSorted((a, b) => b.found.length - a.found.length)).toEqual(scans)
    expect(await store().readScans(2, [x!, y!])).toEqual([])
    await store().recordScans(2, [{ digest: x!, found: [] }])
    expect(await store().readScans(2, [x!, y!])).toEqual([{ digest: x, found: [] }])
  })

  test('dismissed findings no longer count in their project, and the dismissal is in the audit log', async () => {
    const run = await seedRun(store())
    const other = await seedRun(store(), { project: 'acme/other' })
    const [mine, theirs] = [
      await seedArtifact(store(), run, { a: 'x', b: 'y' }),
      await seedArtifact(store(), other, { a: 'x', b: 'y' }),
    ]
    for (const { manifestId } of [mine, theirs]) {
      const secrets = [secretIn('a', 'x'), secretIn('b', 'y')]
      await store().recordSecrets(manifestId, 1, { secrets, passedOver: 0 })
    }
    const digest = digestOf('x')
    const change = async (dismissed: boolean, at: number): Promise<void> =>
      await store().dismissSecrets(mine.id, { digest, dismissed }, { at, by })
    await change(true, 70)
    await change(true, 80)
    expect([await countOf(mine.id), await countOf(theirs.id)]).toEqual([1, 2])
    const { secrets } = await store().listSecrets(mine.id)
    expect(secrets).toMatchObject([{ dismissedAt: 70 }, { dismissedAt: null }])
    const dismissed = async ({ projectId }: { projectId: number }): Promise<string[]> =>
      await store().listDismissed(projectId, [digest, digestOf('y'), digestOf('unknown')])
    expect([await dismissed(run), await dismissed(other)]).toEqual([[digest], []])
    // This holds for the same content elsewhere in the project, too.
    const next = await seedArtifact(store(), run, { c: 'x' }, { name: 'next' })
    const found = { secrets: [secretIn('c', 'x')], passedOver: 0 }
    await store().recordSecrets(next.manifestId, 1, found)
    expect(await countOf(next.id)).toBe(0)
    const held = async (now: number): Promise<number[]> => {
      const { artifacts } = await store().listArtifacts(
        { projectId: run.projectId, secrets: true },
        { limit: 10, offset: 0, sort: 'newest', now },
      )
      return artifacts.map(({ id }) => id)
    }
    expect(await held(3_000)).toEqual([mine.id])
    await change(false, 90)
    expect(await held(3_000)).toEqual([next.id, mine.id])
    expect([await countOf(mine.id), await countOf(next.id)]).toEqual([2, 1])
    const acts = await store().listActs({ artifactId: mine.id }, { limit: 10 })
    expect(acts).toMatchObject([
      { kind: 'undismiss-secret', at: 90, details: { path: 'a' } },
      { kind: 'dismiss-secret', at: 70, details: { path: 'a' }, by },
    ])
    const author = { at: 100, by }
    const unknown = { digest: digestOf('z'), dismissed: true }
    await expect(store().dismissSecrets(mine.id, unknown, author)).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('findings are deleted with the tree, and those of others stay', async () => {
    const run = await seedRun(store())
    const { id, manifestId } = await seedArtifact(store(), run, { a: 'x' })
    const outcome = { secrets: [secretIn('a', 'x')], passedOver: 0 }
    await store().recordSecrets(manifestId, 1, outcome)
    await store().recordScans(1, [{ digest: digestOf('x'), found: [] }])
    const other = await seedArtifact(store(), run, { a: 'y' }, { name: 'other' })
    const kept = { secrets: [secretIn('a', 'y')], passedOver: 0 }
    await store().recordSecrets(other.manifestId, 1, kept)
    const removal = { state: 'deleted', reason: 'deleted', now: 3_000, undoMs: 0 } as const
    await store().removeArtifacts([id], removal)
    const place = { after: { at: -1, id: -1 }, limit: 10 }
    await store().releaseRemoved(Infinity, 4_000, place)
    for (let more = true; more;) more = await store().clearRemoved(100)
    expect((await store().listSecrets(id)).secrets).toEqual([])
    expect((await store().listSecrets(other.id)).secrets).toMatchObject(kept.secrets)
    // Null, not zero: the result is no longer known.
    expect(await countOf(id)).toBeNull()
    // Nothing is recorded for a tree that no longer exists.
    await store().recordSecrets(manifestId, 1, outcome)
    expect((await store().listSecrets(id)).secrets).toEqual([])
    await store().removeDeadBlobs(await store().claimDeadBlobs(5_000, 10))
    expect(await store().readScans(1, [digestOf('x')])).toEqual([])
  })
}
