/** `trove rm`, `keep` and `expire` as scripts see them. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer({ TROVE_MIN_FREE: '0' })
let runs = 0

async function trove(...args: string[]): Promise<Outcome> {
  return await runTroveInside(args, { TROVE_URL: server.url, TROVE_TOKEN: await server.token() })
}

/** Puts an artifact into a new run; returns the run. */
async function putArtifact(body: Uint8Array = randomBytes(50_000)): Promise<number> {
  runs += 1
  await server.put(`${runs}/build`, { body })
  return runs
}

interface Removed {
  items: { artifactId: number; name: string; logicalBytes: number; deleted: boolean }[]
  freedBytes: number
  undoUntil: string | null
}

function removedOf({ text }: Outcome): Removed {
  return JSON.parse(text) as Removed
}

describe('trove rm', () => {
  test('shows before and after what it frees, and how to undo it', async () => {
    const run = await putArtifact()
    const dry = await trove('rm', '-n', `${run}/build`)
    expect([dry.status, dry.text]).toEqual([0, ''])
    expect(dry.stderr).toMatch(
      /^would delete id:\d+ build \(1 file, 48\.8 KiB\)\nwould free 4\d\.\d KiB\n$/,
    )
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
    const done = await trove('rm', `${run}/build`)
    expect(done.stderr).toMatch(
      /^deleted id:\d+ build .*\nfrees 4\d\.\d KiB; `trove rm --undo` with a token of scope write restores it until 20\S+Z\n$/,
    )
    expect((await trove('ls', `${run}/build`)).status).toBe(4)
  })

  test('says that an artifact is kept, before and after it deletes it', async () => {
    const run = await putArtifact()
    await trove('keep', `${run}/build`)
    const told = /deleted? id:\d+ build, which is kept \(1 file/
    expect((await trove('rm', '-n', `${run}/build`)).stderr).toMatch(told)
    expect((await trove('rm', `${run}/build`)).stderr).toMatch(told)
  })

  test('counts content shared by several once, and content that others hold not at all', async () => {
    const shared = randomBytes(80_000)
    const [a, b, other] = [
      await putArtifact(shared),
      await putArtifact(shared),
      await putArtifact(shared),
    ]
    const both = removedOf(await trove('rm', '--json', '-n', `${a}/build`, `${b}/build`))
    expect(both).toMatchObject({ freedBytes: 0, undoUntil: null })
    expect((await trove('rm', '-n', `${a}/build`)).stderr).toMatch(
      /would free 0 B; 78\.\d KiB is shared and stays\n$/,
    )
    expect(both.items).toMatchObject([{ deleted: false }, { deleted: false }])
    await trove('rm', `${other}/build`)
    const deleted = await trove('rm', '--json', `${a}/build`, `${b}/build`, `${a}/build`)
    expect(deleted.stderr).toContain('restores them until')
    const all = removedOf(deleted)
    expect(all.freedBytes).toBeGreaterThan(80_000)
    expect(all.freedBytes).toBeLessThan(81_000)
  })

  test('reports an artifact that is named twice only once', async () => {
    const run = await putArtifact()
    const twice = [`${run}/build`, `${run}/build`]
    const removed = await trove('rm', ...twice, '--json')
    expect(removedOf(removed).items).toHaveLength(1)
    expect(removed.stderr.match(/^deleted /gm)).toHaveLength(1)
    const back = await trove('rm', '--undo', ...twice)
    expect(back).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^id:\d+ build restored\n$/),
    })
  })

  test('deletes nothing when one of several does not exist', async () => {
    const run = await putArtifact()
    expect((await trove('rm', `${run}/build`, `${run}/nope`)).status).toBe(3)
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
  })

  test('--undo restores by name or id, within the undo period', async () => {
    const run = await putArtifact()
    expect(await trove('rm', '--undo', `${run}/build`)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('there is no deleted artifact'),
    })
    const { items } = removedOf(await trove('rm', '--json', `${run}/build`))
    const back = await trove('rm', '--undo', '--json', `${run}/build`)
    expect([back.status, JSON.parse(back.text)]).toMatchObject([
      0,
      [{ id: items[0]!.artifactId, state: 'available' }],
    ])
    expect((await trove('cat', `${run}/build:build`)).stdout).toHaveLength(50_000)

    await trove('rm', `${run}/build`)
    server.clock.now += 60 * 60 * 1000
    expect(await trove('rm', '--undo', `id:${items[0]!.artifactId}`)).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('too long ago'),
    })
  })

  test('--undo fails when another artifact has taken the name', async () => {
    const run = await putArtifact()
    await trove('rm', `${run}/build`)
    await server.put(`${run}/build`)
    expect((await trove('rm', '--undo', `${run}/build`)).status).toBe(7)
  })

  test('requires permission to delete', async () => {
    const run = await putArtifact()
    const environment = {
      TROVE_URL: server.url,
      TROVE_TOKEN: await server.token({ scope: 'read' }),
    }
    expect((await runTroveInside(['rm', `${run}/build`], environment)).status).toBe(6)
    expect((await trove('rm', '--undo', '-n', `${run}/build`)).status).toBe(2)
  })
})

describe('trove rm @RUN', () => {
  async function recordRun(run: number): Promise<void> {
    const answer = await server.send(`/api/v1/projects/octo/app/runs/${run}/record`, {
      method: 'PUT',
      json: { recording: '0'.repeat(32), sequence: 0, events: [{ type: 'run-started', at: 1 }] },
    })
    expect(answer.status).toBe(200)
  }

  test('deletes the artifacts of a run and its record; --undo restores the artifacts', async () => {
    const run = await putArtifact()
    await server.put(`${run}/logs`, { body: randomBytes(1000) })
    await recordRun(run)
    const dry = await trove('rm', '-n', `@${run}`)
    expect([dry.status, dry.text]).toEqual([0, ''])
    expect(dry.stderr).toMatch(
      /^would delete id:\d+ build \(48\.8 KiB\)\nwould delete id:\d+ logs \(1000 B\)\nwould delete the record of run \d+ for good\nwould free .*\n$/,
    )
    expect((await trove('ls', `${run}/logs`)).status).toBe(0)
    const done = await trove('rm', '--json', `octo/app@${run}`)
    expect(removedOf(done)).toMatchObject({
      items: [
        { name: 'build', deleted: true },
        { name: 'logs', deleted: true },
      ],
      freedBytes: expect.any(Number),
      undoUntil: expect.any(String),
    })
    expect(done.stderr).toContain('`trove rm --undo`')
    expect((await trove('ls', `${run}/build`)).status).toBe(4)
    const again = await trove('rm', `@${run}`)
    expect([again.status, again.stderr]).toEqual([0, `run ${run} has no artifacts\nfrees 0 B\n`])

    const back = await trove('rm', '--undo', '--json', `@${run}`)
    expect(JSON.parse(back.text)).toMatchObject([{ name: 'build' }, { name: 'logs' }])
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
    expect(await trove('rm', '--undo', `@${run}`)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('has no deleted artifacts'),
    })
  })

  test('--undo restores the newest of each name, and reports what was deleted too long ago', async () => {
    const run = await putArtifact()
    await server.put(`${run}/old`)
    await trove('rm', `${run}/old`)
    server.clock.now += 60 * 60 * 1000
    await trove('rm', `${run}/build`)
    await server.put(`${run}/build`, { body: 'second' })
    await trove('rm', `@${run}`)
    const back = await trove('rm', '--undo', `@${run}`)
    expect(back.status).toBe(0)
    expect(back.stderr).toMatch(
      /^id:\d+ old not restored: .*too long ago.*\nid:\d+ build restored\n$/,
    )
    expect((await trove('cat', `${run}/build:build`)).text).toBe('second')
    await trove('rm', `@${run}`)
    server.clock.now += 60 * 60 * 1000
    expect((await trove('rm', '--undo', `@${run}`)).status).toBe(4)
  })

  test('refuses while an artifact is kept, unless --include-kept', async () => {
    const run = await putArtifact()
    await trove('keep', `${run}/build`)
    expect(await trove('rm', `@${run}`)).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('--include-kept'),
    })
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
    expect((await trove('rm', '--include-kept', `@${run}`)).status).toBe(0)
    expect((await trove('ls', `${run}/build`)).status).toBe(4)
  })

  test('takes one run, which must exist', async () => {
    const run = await putArtifact()
    expect((await trove('rm', '@987654')).status).toBe(3)
    expect((await trove('rm', `@${run}`, `${run}/build`)).status).toBe(2)
    expect((await trove('rm', '--include-kept', `${run}/build`)).status).toBe(2)
    expect((await trove('rm', '--include-kept', '--undo', `@${run}`)).status).toBe(2)
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
  })
})

describe('trove expire', () => {
  test('changes the expiry, even to now, and reports it', async () => {
    const run = await putArtifact()
    const later = await trove('expire', `${run}/build`, '--in', '7d')
    expect(later.stderr).toMatch(/^id:\d+ build expires at 20\S+Z\n$/)
    const dry = await trove('expire', `${run}/build`, '--in', '0s', '-n', '--json')
    expect(dry.stderr).toContain('would expire at')
    expect(JSON.parse(dry.text)).toMatchObject({ name: 'build', expiresAt: expect.any(String) })
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
    expect((await trove('expire', `${run}/build`, '--in', '0s')).status).toBe(0)
    expect(await trove('ls', `${run}/build`)).toMatchObject({
      status: 4,
      stderr: expect.stringMatching(/expired at 20\S+Z/),
    })
  })

  test('is limited to the longest retention', async () => {
    const run = await putArtifact()
    const far = await trove('expire', `${run}/build`, '--in', '3650d', '--json')
    const { expiresAt } = JSON.parse(far.text) as { expiresAt: string }
    expect(Date.parse(expiresAt)).toBe(server.clock.now + 400 * 86_400_000)
    expect(far.stderr).toMatch(/ expires at 20\S+Z \(in 400 days, the longest allowed\)\n$/)
    expect((await trove('expire', `${run}/build`, '--in', '400d')).stderr).toMatch(/Z\n$/)
    const dry = await trove('expire', `${run}/build`, '--in', '5000d', '-n', '--json')
    expect(JSON.parse(dry.text)).toMatchObject({ expiresAt })
  })

  // The server's clock is two hours ahead: a time computed by a client with a slow clock would have
  // passed there.
  test("uses the server's clock", async () => {
    const run = await putArtifact()
    const hourMs = 3_600_000
    const ahead = 2 * hourMs
    server.clock.now += ahead
    const soon = await trove('expire', `${run}/build`, '--in', '1h', '--json')
    const { expiresAt } = JSON.parse(soon.text) as { expiresAt: string }
    expect(Date.parse(expiresAt)).toBe(server.clock.now + hourMs)
    server.clock.now -= ahead
  })

  test.each([
    [['--in', 'never'], '--in must be a duration such as 7d'],
    [['never'], 'write when it expires as --in 7d'],
    [['7d'], 'write when it expires as --in 7d'],
    [[], 'write when it expires as --in 7d'],
  ])('says how to write %j, and what keeps an artifact forever', async (words, told) => {
    const { status, stderr } = await trove('expire', '1/build', ...words)
    const line = `trove: ${told}; \`trove keep\` keeps an artifact forever\n`
    expect([status, stderr]).toEqual([2, expect.stringContaining(line)])
  })

  test('--dry-run also requires permission', async () => {
    const run = await putArtifact()
    const reading = { TROVE_URL: server.url, TROVE_TOKEN: await server.token({ scope: 'read' }) }
    expect(
      (await runTroveInside(['expire', `${run}/build`, '--in', '1h', '-n'], reading)).status,
    ).toBe(6)
  })
})

describe('trove keep', () => {
  test('is mentioned by `trove expire`', async () => {
    const run = await putArtifact()
    await trove('keep', `${run}/build`)
    for (const more of [['-n'], []]) {
      const outcome = await trove('expire', `${run}/build`, '--in', '0s', ...more)
      expect(outcome.stderr).toMatch(/^id:\d+ build .*`trove keep --release`: it is kept\n$/)
    }
    expect((await trove('ls', `${run}/build`)).status).toBe(0)
  })

  test('with the token of a job says which token it takes, and how to get one', async () => {
    const run = await putArtifact()
    const environment = await server.access({ scope: 'job', run, job: 'build' })
    const { status, stderr } = await runTroveInside(['keep', `${run}/build`], environment)
    expect([status, stderr]).toEqual([
      6,
      expect.stringMatching(
        /^trove: this requires a token of scope write for octo\/app\nhint: .*`trove token --scope SCOPE`/,
      ),
    ])
  })

  test('outlasts every retention until the artifact is released', async () => {
    const run = await putArtifact()
    expect((await trove('keep', `${run}/build`)).stderr).toMatch(
      /^id:\d+ build is kept until someone stops keeping it\n$/,
    )
    server.clock.now += 1000 * 86_400_000
    const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
    expect((await runTroveInside(['ls', `${run}/build`], access)).status).toBe(0)
    expect((await runTroveInside(['keep', `${run}/build`, '--release'], access)).status).toBe(0)
    expect((await runTroveInside(['ls', `${run}/build`], access)).status).toBe(4)
  })
})
