/** `trove gc` with and without a server; and what commands that run as a job of the server have
 *  in common. */
import { randomBytes } from 'node:crypto'
import { readdir, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { backupReportSchema, scrubReportSchema } from '../../src/api/admin-messages.ts'
import type { Command } from '../../src/cli/command.ts'
import { backupCommand } from '../../src/cli/commands/backup.ts'
import { scrubCommand } from '../../src/cli/commands/scrub.ts'
import { limits } from '../../src/core/limits.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'

const server = await openSharedServer({ TROVE_MIN_FREE: '0' })

async function deletedArtifact(): Promise<void> {
  const body = randomBytes(50_000)
  const id = await server.put('1/a', { body })
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
}

test('a dry run shows what gc then frees, as text and as JSON', async () => {
  await deletedArtifact()
  const environment = await server.access({ scope: 'admin' })
  const dry = await runTroveInside(['gc', '--now', '--dry-run'], environment)
  expect([dry.status, dry.text]).toEqual([0, expect.stringMatching(/would free 4\d\.\d KiB/)])
  const done = await runTroveInside(['gc', '--now', '--json'], environment)
  expect(JSON.parse(done.text)).toMatchObject({ expired: 0, deletedArtifacts: 1, waitingBytes: 0 })
})

test('what was deleted but can still be restored is why nothing is freed, and --now frees it', async () => {
  await deletedArtifact()
  const environment = await server.access({ scope: 'admin' })
  const told = 'kept because it can still be restored: 48.8 KiB of deleted artifacts'
  expect((await runTroveInside(['gc'], environment)).text).toContain(told)
  expect(JSON.parse((await runTroveInside(['gc', '--json'], environment)).text)).toMatchObject({
    restorableBytes: 50_000,
  })
  expect((await runTroveInside(['gc', '--now'], environment)).text).not.toContain('can still')
})

test('rewritten packs do not count as negative freed bytes, and waiting packs are not named', async () => {
  for (let run = 1; run <= limits.tinyPacksMin; run++) {
    await server.put(`${run}/tiny`, { body: randomBytes(1000) })
  }
  const { text: shown } = await runTroveInside(['gc'], await server.access({ scope: 'admin' }))
  expect(shown).toMatch(/\nfreed 0 B\nwaiting for readers or a grace period: [1-9]\S* \w+\n$/)
})

test("on a data directory held by a server, asks that server, using the directory's key", async () => {
  await deletedArtifact()
  const args = ['gc', '--now', '--json', '--data', server.dataDir, '--url', server.url]
  const done = await runTroveInside(args)
  expect([done.status, done.stderr]).toEqual([0, ''])
  expect(JSON.parse(done.text)).toMatchObject({ deletedArtifacts: 1 })
})

test.each([['gc'], ['scrub'], ['recover', '--from-packs'], ['backup', 'copy']])(
  '%s on a directory without a store does not create one',
  async (...args) => {
    const root = await makeDirectory()
    expect(await runTroveInside([...args, '--data', 'typo'], {}, root)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/no (store|packs) in \S+typo\n/),
    })
    expect(await readdir(root)).toEqual([])
  },
)

test('a data directory that cannot be examined does not count as empty', async () => {
  const loop = join(await makeDirectory(), 'loop')
  await symlink('loop', loop)
  const refused = await runTroveInside(['gc', '--data', loop], {})
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('ELOOP') as string })
})

test('requires an admin token', async () => {
  const refused = await runTroveInside(['gc'], await server.access())
  expect(refused.status).toBe(6)
})

const scrubbing = {
  packs: 3,
  copies: 700,
  readBytes: 2048,
  damagedCopies: 0,
  foundCopies: 0,
  healedCopies: 0,
  healedBlobs: 0,
  rewrittenPacks: 0,
  drifts: 0,
  damagedArtifacts: 0,
  damaged: [],
}
const backingUp = {
  path: '/b',
  packs: 3,
  packBytes: 2048,
  linkedPacks: 2,
  copiedPacks: 1,
  reusedPacks: 0,
  damagedCopies: 0,
  missingPacks: 0,
}

test.each([
  ['scrub', scrubCommand, scrubReportSchema.parse(scrubbing), 'read 3 packs, 700 copies, 2.0 KiB'],
  [
    'backup',
    backupCommand,
    backupReportSchema.parse(backingUp),
    '3 packs, 2.0 KiB: 2 linked, 1 copied, 0 already there',
  ],
])('%s reports progress of the server when it takes long', async (kind, command, report, told) => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  // No progress at first, then the same report every five seconds, then the job is done.
  let asked = 0
  const slow = createServer((_, response) => {
    asked += 1
    if (asked > 2) vi.advanceTimersByTime(5_000)
    const state = asked > 5 ? 'done' : 'running'
    response.end(JSON.stringify({ id: 'j', kind, state, progress: asked === 1 ? {} : report }))
  })
  const url = await listen(slow)
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const flags = { url, data: undefined, copies: false, json: true }
  const { signal } = new AbortController()
  const invocation = { flags, operands: kind === 'backup' ? ['/b'] : [], stdout, stderr, signal }
  await (command as Command<never>).run(invocation as never)
  stderr.end()
  expect(await text(stderr)).toBe(`${told}\n`)
})

test('a report that this version cannot read, as of a server of another version, is no bug', async () => {
  const other = createServer((_, response) => {
    response.end(JSON.stringify({ id: 'j', kind: 'gc', state: 'done', progress: { expired: 0 } }))
  })
  const url = await listen(other)
  const { status, stderr } = await runTroveInside(['gc'], { TROVE_URL: url, TROVE_TOKEN: 'a.b.c' })
  const [told, hint] = stderr.split('\n')
  expect([status, told, hint]).toEqual([
    10,
    `trove: ${url} sent a response that this version cannot read: the report of the gc lacks deletedArtifacts`,
    expect.stringMatching(/^hint: /),
  ])
})

test('what stays for lack of room to rewrite packs is said, and why', async () => {
  const kept = { name: 'kept', content: randomBytes(50_000) }
  const both = [kept, { name: 'gone', content: randomBytes(100_000) }]
  const id = await server.put('900/both', { tar: both })
  await server.put('901/kept', { body: kept.content })
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
  const copy = join(await makeDirectory(), 'copy')
  await runTroveInside(['backup', copy], await server.access({ scope: 'admin' }))
  const full = { TROVE_MIN_FREE: '1000TiB' }
  expect(await runTroveInside(['gc', '--now', '--data', copy], full)).toMatchObject({
    status: 0,
    text: expect.stringMatching(
      /\nnot freed: 9\d\.\d KiB, because the disk has no room to rewrite .*TROVE_MIN_FREE\n/,
    ),
  })
})
