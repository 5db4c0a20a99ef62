/** `trove why` as people and scripts see it. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { pseudoRandom } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer({ TROVE_KEEP_LATEST: 'kept/*' })

const app = { name: 'dist/app.js', content: 'app' }
const native = (length: number, seed: string) => {
  return { name: 'node_modules/sharp/lib/a.node', content: pseudoRandom(length, seed) }
}

beforeAll(async () => {
  await server.put('41/build?branch=main', { tar: [app, native(50_000, 'a')] })
  const tar = [app, { name: 'dist/new.js', content: 'x'.repeat(1024) }, native(70_000, 'b')]
  await server.put('42/build?branch=main&retentionDays=7', { tar })
  // A later attempt of the same run is not compared with the first.
  await server.put('42/build?branch=main&attempt=2', { tar })
})

async function why(args: string[], asker: TokenRequest = { scope: 'read' }): Promise<Outcome> {
  return await runTroveInside(['why', ...args], await server.access(asker))
}

async function linesOf(...args: string[]): Promise<string[]> {
  const { status, text, stderr } = await why(args)
  expect([status, stderr]).toEqual([0, ''])
  return text.split('\n')
}

describe('trove why', () => {
  test('shows growth, space, and how long the artifact is kept', async () => {
    expect(await linesOf('latest:main/build')).toEqual([
      expect.stringMatching(/^id:\d+ build of run 42 on main: 3 files, 69\.4 KiB$/),
      '',
      '+20.5 KiB since run 41 (2 of 3 entries differ), 95 % of it from node_modules/sharp/.',
      '  +19.5 KiB  changed  node_modules/sharp/lib/a.node',
      '   +1.0 KiB  added    dist/new.js',
      '',
      expect.stringMatching(/^Its upload added 0 B to the store; its zip is 68\.\d KiB\.$/),
      expect.stringMatching(
        /^Deleting it frees 0 B of 69\.4 KiB; 68\.\d KiB is shared and stays, 9\d\d B is saved by compression and deduplication\.$/,
      ),
      '1 other artifact has exactly these files.',
      '',
      expect.stringMatching(/^Expires at 20\S+Z \(90 days from its upload, the default\)\.$/),
      '',
    ])
  })

  test('compares with --against, and totals directories', async () => {
    await server.put('43/build?branch=topic&pullRequest=34', { tar: [native(70_000, 'b')] })
    const lines = await linesOf('43/build', '--against', 'latest:main/build')
    expect(lines[0]).toContain(' of run 43 on topic (pull request 34): ')
    expect(lines[2]).toMatch(/^−1\.0 KiB since id:\d+ of run 42 \(2 of 3 entries differ\)\.$/)
    expect(lines.slice(3, 6)).toEqual([
      '  −1.0 KiB  2 entries  dist/',
      '  −1.0 KiB  removed    dist/new.js',
      '      −3 B  removed    dist/app.js',
    ])
    await server.put('43/flat', {
      tar: [native(70_000, 'b'), { name: 'top', content: 'x'.repeat(50) }],
    })
    expect((await linesOf('43/flat', '--against', '43/build'))[2]).toMatch(
      /^\+50 B since id:\d+ of run 43 \(1 of 2 entries differ\), 100 % of it from files at the root\.$/,
    )
    expect((await linesOf('42/build', '--against', '42/build'))[2]).toMatch(
      /^Identical to id:\d+ of run 42: 3 entries, byte for byte\.$/,
    )
  })

  test('of a run explains each of its artifacts, by name', async () => {
    for (const name of ['shard-10', 'shard-2']) await server.put(`60/${name}`)
    const heads = (await linesOf('@60')).filter((line) => line.startsWith('id:'))
    expect(heads.map((line) => line.split(' ')[1])).toEqual(['shard-2', 'shard-10'])
    const { text } = await why(['octo/app@60', '--json'])
    expect(JSON.parse(text)).toMatchObject([
      { artifact: { name: 'shard-2', run: 60 }, space: { logicalBytes: 7 } },
      { artifact: { name: 'shard-10' } },
    ])
    expect(await why(['@61'])).toMatchObject({ status: 3, text: '' })
    expect(await why(['@60', '--against', '42/build'])).toMatchObject({ status: 2, text: '' })
  })

  test('of the first artifact with its name says so', async () => {
    const lines = await linesOf('41/build')
    expect(lines[2]).toBe(
      'Nothing to compare with: this is the first live artifact named build on main.',
    )
    expect(lines[3]).toBe('')
  })

  test('says who or what keeps it, and when the retention is not the default', async () => {
    const short = await server.put('44/build?branch=short&retentionDays=7')
    expect((await linesOf(`id:${short}`)).at(-2)).toMatch(
      /^Expires at 20\S+Z \(7 days from its upload; the default is 90 days\)\.$/,
    )
    await server.put('45/build?branch=kept')
    expect((await linesOf('45/build')).at(-2)).toBe('It is kept until its branch has a newer one.')
    await server.send(`/api/v1/artifacts/${short}`, { method: 'PATCH', json: { pinned: true } })
    expect((await linesOf('44/build')).at(-2)).toBe('It is kept until someone stops keeping it.')
  })

  test('--json has the same as fields; a run token does not see facts about other artifacts', async () => {
    const { text } = await why(['42/build', '--json'])
    expect(JSON.parse(text)).toEqual({
      artifact: {
        id: expect.any(Number),
        name: 'build',
        run: 42,
        branch: 'main',
        pullRequest: null,
        files: 3,
      },
      against: { id: expect.any(Number), run: 41 },
      growth: {
        bytes: 21_024,
        totals: expect.objectContaining({ added: 1, changed: 1, unchanged: 1 }),
        cause: { directory: 'node_modules/sharp/', share: 20_000 / 21_024 },
        directories: [
          { directory: 'node_modules/sharp/lib/', bytes: 20_000, files: 1 },
          { directory: 'dist/', bytes: 1024, files: 1 },
        ],
        paths: [
          { kind: 'changed', path: 'node_modules/sharp/lib/a.node', bytes: 20_000 },
          { kind: 'added', path: 'dist/new.js', bytes: 1024 },
        ],
      },
      space: {
        logicalBytes: 71_027,
        zipBytes: expect.any(Number),
        newBytes: 0,
        exclusiveBytes: 0,
        sharedBytes: expect.any(Number),
        sameTree: 1,
      },
      kept: {
        expiresAt: expect.stringMatching(/^20\S+Z$/),
        pinned: false,
        keptLatest: false,
        reason: '90 days from its upload, the default',
      },
    })
    const narrow = await why(['42/build'], { scope: 'run', run: 42, job: 'build' })
    expect(narrow.text).toContain('is not shown to a token that may read only one run')
    expect(narrow.text).not.toMatch(/run 41|other artifact/)
  })

  test('of an ended artifact says when and by what rule, with its exit status', async () => {
    const deleted = await server.put('50/build')
    await server.send(`/api/v1/artifacts/${deleted}`, { method: 'DELETE' })
    await server.put('51/build?retentionDays=1')
    await server.put('52/build')
    server.clock.now += 86_400_000
    for (const [args, status, told] of [
      [['50/build'], 4, /^trove: artifact build was deleted by a person at 20\S+Z$/m],
      [['51/build'], 4, /^trove: artifact build expired at 20\S+Z, 1 day from its upload$/m],
      [['52/build', '--against', '51/build'], 4, /build expired at/],
      [['52/build', '--against', '53/build'], 3, /there is no artifact 53\/build/],
      [['52'], 2, /is not a reference/],
    ] as const) {
      const outcome = await why([...args])
      expect(outcome).toMatchObject({ status, text: '', stderr: expect.stringMatching(told) })
    }
  })
})
