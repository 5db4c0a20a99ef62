/** `trove audit`, and what other commands report about an artifact that somebody deleted. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { WireAct } from '../../src/api/audit.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer({ TROVE_MIN_FREE: '0' })
const directory = await makeDirectory()

async function trove(args: string[], as: TokenRequest = {}): Promise<Outcome> {
  return await runTroveInside(args, await server.access(as))
}

test('shows who replaced, kept and deleted what, as a table and as JSON', async () => {
  const file = join(directory, 'a')
  const job = { scope: 'job', run: 7, job: 'build' } as const
  for (const content of ['one', 'two']) {
    await writeFile(file, content)
    const args = ['upload', 'site', file, '--overwrite']
    expect(await trove(args, job)).toMatchObject({ status: 0 })
  }
  await trove(['keep', '7/site'])
  await trove(['rm', '7/site'])
  const { status, text } = await trove(['audit'])
  expect(status).toBe(0)
  const [header, ...lines] = text.trimEnd().split('\n')
  expect(header).toMatch(/^WHEN +PROJECT +WHO +TOKEN +VIA +WHAT$/)
  expect(lines.map((line) => line.replaceAll(/ {2,}/g, '|').slice(21))).toEqual([
    expect.stringMatching(/^octo\/app\|a person\|[0-9a-f]{12}\|API\|deleted site of run 7$/),
    expect.stringMatching(/^octo\/app\|a person\|[0-9a-f]{12}\|API\|kept site of run 7$/),
    expect.stringMatching(
      /^octo\/app\|job build of run 7\|[0-9a-f]{12}\|API\|replaced site of run 7 by artifact 2$/,
    ),
  ])
  const json = await trove(['audit', '--json', '--kind', 'replace', '--since', '1h'])
  expect(JSON.parse(json.text) as WireAct[]).toMatchObject([
    { kind: 'replace', artifactIds: [1], by: { kind: 'job', run: 7 } },
  ])
  const gone = await trove(['ls', '7/site'])
  expect(gone.status).toBe(4)
  expect(gone.stderr).toContain('artifact site was deleted by a person at ')
})

test('says how to see more entries, and when there are none', async () => {
  const two = await trove(['audit', '--limit', '2'])
  expect(two.text.split('\n')).toHaveLength(1 + 2 + 1)
  expect(two.stderr).toBe('showing the newest 2; use --limit to show more\n')
  const none = await trove(['audit', '--artifact', '99'])
  expect([none.status, none.text, none.stderr]).toEqual([0, '', 'no matching entries\n'])
})

test('rejects unknown kinds, what is no id of a token, and tokens that may only read', async () => {
  expect(await trove(['audit', '--kind', 'deleted'])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--kind must be .*, got "deleted"/),
  })
  expect(await trove(['audit', '--token-id', 'zz'])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^trove: --token-id must be the id .*, got "zz"/),
  })
  expect(await trove(['audit'], { scope: 'read' })).toMatchObject({ status: 6 })
})
