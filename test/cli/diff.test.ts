/** `trove diff` as a gate in scripts. */
import { beforeAll, describe, expect, test } from 'vitest'
import { tarOf } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()
beforeAll(async () => {
  const put = async (run: number, files: Parameters<typeof tarOf>[0]): Promise<number> =>
    await server.put(`${run}/build?branch=b${run}`, {
      tar: files,
    })
  await put(1, [
    { name: 'changed', content: 'x'.repeat(1000) },
    { name: 'from', content: 'it moves' },
    { name: 'gone', content: 'g' },
    { name: 'mode', content: 'm' },
    { name: 'same', content: 's' },
  ])
  await put(2, [
    { name: 'changed', content: 'x'.repeat(1100) },
    { name: 'mode', content: 'm', mode: 0o755 },
    { name: 'new', content: 'n' },
    { name: 'same', content: 's' },
    { name: 'to', content: 'it moves' },
  ])
})

async function diff(...args: string[]): Promise<Outcome> {
  return await runTroveInside(['diff', ...args], await server.access({ scope: 'read' }))
}

const counts = '1 added, 1 removed, 1 changed, 1 moved, 1 mode only, 1 unchanged; +100 B\n'

describe('trove diff', () => {
  test('prints one line per difference, totals on stderr, and exits with 1', async () => {
    const outcome = await diff('1/build', 'latest:b2/build')
    expect(outcome.status).toBe(1)
    expect(outcome.text.split('\n').map((line) => line.replaceAll(/ +/g, ' ').trim())).toEqual([
      'M 1000 B -> 1.1 KiB changed',
      'D 1 B -> - gone',
      'C 1 B -> 1 B mode (0644 -> 0755)',
      'A - -> 1 B new',
      'R 8 B -> 8 B to (from from)',
      '',
    ])
    expect(outcome.stderr).toBe(counts)
  })

  test('of identical artifacts prints nothing on stdout and exits with 0', async () => {
    expect(await diff('1/build', '1/build')).toMatchObject({
      status: 0,
      text: '',
      stderr: expect.stringContaining('5 unchanged; ±0'),
    })
  })

  test('--name-only prints only paths, --stat only totals', async () => {
    const names = await diff('1/build', '2/build', '--name-only')
    expect(names).toMatchObject({ status: 1, text: 'changed\ngone\nmode\nnew\nto\n', stderr: '' })
    expect(await diff('1/build', '2/build', '--stat')).toMatchObject({ text: counts, stderr: '' })
  })

  test('--json prints both', async () => {
    const { text } = await diff('1/build', '2/build', '--json')
    expect(JSON.parse(text)).toMatchObject({
      base: { run: 1, name: 'build' },
      head: { run: 2, name: 'build' },
      totals: {
        added: 1,
        removed: 1,
        changed: 1,
        moved: 1,
        mode: 1,
        baseBytes: 1011,
        headBytes: 1111,
      },
      complete: true,
      items: [
        { kind: 'changed', path: 'changed', beforeBytes: 1000, afterBytes: 1100 },
        { kind: 'removed', path: 'gone', afterBytes: null },
        { kind: 'mode', path: 'mode' },
        { kind: 'added', path: 'new', beforeBytes: null },
        { kind: 'moved', path: 'to', from: 'from' },
      ],
    })
  })

  test.each([
    ['+5%', 11],
    ['5%', 11],
    ['+10%', 1],
    ['99B', 11],
    ['+100B', 1],
    ['+1KiB', 1],
  ])('--fail-over %s with a growth of 100 B or 9.9 %% ends with %d', async (limit, status) => {
    const outcome = await diff('1/build', '2/build', '--stat', '--fail-over', limit)
    expect(outcome.status).toBe(status)
    if (status === 11)
      expect(outcome.stderr).toMatch(/build of run 2 compared with run 1 grew by 100 B/)
  })

  test('an artifact that shrank is never over budget', async () => {
    expect((await diff('2/build', '1/build', '--fail-over', '0%')).status).toBe(1)
  })

  test.each([
    [['1/build'], 2, /B is missing/],
    [['1/build', '2/build', '--fail-over', 'much'], 2, /--fail-over must be/],
    // Bytes, or percent?
    [['1/build', '2/build', '--fail-over', '5'], 2, /--fail-over must be a limit with its unit/],
    [['1/build', '2/build', '--stat', '--name-only'], 2, /cannot be combined/],
    [['1/build', '9/none'], 3, /9\/none/],
  ])('%j ends with %d', async (args, status, message) => {
    expect(await diff(...args)).toMatchObject({
      status,
      text: '',
      stderr: expect.stringMatching(message),
    })
  })
})
