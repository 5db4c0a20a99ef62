/** `trove settings`. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()
await server.put('1/a', { body: 'a' })

async function settings(scope: 'read' | 'admin', ...args: string[]): Promise<Outcome> {
  const project = scope === 'admin' ? undefined : 'octo/app'
  return await runTroveInside(['settings', ...args], await server.access({ project, scope }))
}

const change = async (...args: string[]): Promise<Outcome> =>
  await settings('admin', '--project', 'octo/app', ...args)

async function readSettings(): Promise<unknown> {
  return await (await server.send('/api/v1/projects/octo/app')).json()
}

test('shows all settings, of the project of the token too', async () => {
  const shown = await settings('read')
  expect(shown).toMatchObject({ status: 0, stderr: '' })
  expect(shown.text.trimEnd().split('\n')).toEqual([
    '  project             octo/app',
    '  on-conflict         default',
    '  strict              default',
    '  quota               default',
    '  retention-days      default',
    '  retention-min-days  default',
    '  retention-max-days  default',
    '  keep-latest         default',
  ])
  expect(JSON.parse((await settings('read', '--json')).text)).toEqual(await readSettings())
})

test('changes what is given, leaves the rest, and resets to the server', async () => {
  const all =
    '--on-conflict replace --strict on --quota 50GiB --retention-days 30 --retention-min-days 0.5 ' +
    '--retention-max-days 60 --keep-latest main/* --keep-latest release/*/site'
  expect((await change(...all.split(' '))).text.trimEnd().split('\n').slice(1)).toEqual([
    '  on-conflict         replace',
    '  strict              on',
    '  quota               50GiB',
    '  retention-days      30',
    '  retention-min-days  0.5',
    '  retention-max-days  60',
    '  keep-latest         main/*',
    '  keep-latest         release/*/site',
  ])
  const rest = { onConflict: 'replace', quotaBytes: 50 * 2 ** 30, retentionMinDays: 0.5 }
  expect(await change('--strict', 'off', '--keep-latest', 'none')).toMatchObject({ status: 0 })
  expect(await readSettings()).toMatchObject({ ...rest, strict: false, keepLatest: [] })
  const reset = ['on-conflict', 'strict', 'quota', 'keep-latest'].map((flag) => `--${flag}=default`)
  expect(await change(...reset, '--retention-max-days=default')).toMatchObject({ status: 0 })
  expect(await readSettings()).toMatchObject({
    onConflict: null,
    strict: null,
    quotaBytes: null,
    keepLatest: null,
    retentionDays: 30,
    retentionMaxDays: null,
  })
})

test.each([
  [['--quota', '5 apples'], 2, '--quota must be a size such as 500MB or 64GiB, or default'],
  [['--retention-days', '0'], 2, '--retention-days must be a number of days, at most 36500'],
  [['--retention-max-days', '36501'], 2, '--retention-max-days must be a number of days, at most'],
  [['--strict', 'yes'], 2, '--strict must be on, off or default'],
  [['--keep-latest', 'none', '--keep-latest', 'a/b'], 2, '--keep-latest none cannot be combined'],
  [['--keep-latest', ''], 2, '--keep-latest is empty'],
  [['--keep-latest', 'main'], 2, '--keep-latest: "main" must be BRANCH/NAME'],
  [
    ['--retention-min-days', '40', '--retention-max-days', '20'],
    2,
    '--retention-min-days must not be above --retention-max-days',
  ],
])('%j is refused, and changes nothing', async (args, status, reason) => {
  const before = await readSettings()
  const stderr = expect.stringContaining(reason)
  expect(await change('--on-conflict', 'reject', ...args)).toMatchObject({ status, stderr })
  expect(await readSettings()).toEqual(before)
})

test('changes need scope admin, and one project', async () => {
  const stderr = expect.stringContaining('project settings require a token of scope admin')
  expect(await settings('read', '--strict', 'on')).toMatchObject({ status: 6, stderr })
  expect(await settings('admin')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('set --project or TROVE_PROJECT'),
  })
})
