/** The log in systemd's journal, which a file stands in for. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mainProgram } from './cli/run-trove.ts'
import { makeDirectory } from './client/tree.ts'

/** Starts a server that warns of a setting and then cannot listen; returns its stderr. */
async function logOfFailedStart(isJournal: boolean): Promise<string[]> {
  const directory = await makeDirectory()
  const path = join(directory, 'stderr')
  const file = await open(path, 'w')
  const { dev, ino } = await file.stat()
  const { PATH = '' } = process.env
  const child = spawn(
    process.execPath,
    [mainProgram, 'serve', '--data', join(directory, 'data'), '--host', '192.0.2.1'],
    {
      stdio: ['ignore', 'ignore', file.fd],
      env: { PATH, TROVE_NO_SUCH: 'x', JOURNAL_STREAM: `${dev}:${isJournal ? ino : ino + 1}` },
    },
  )
  await once(child, 'close')
  await file.close()
  return (await readFile(path, 'utf8')).split('\n')
}

test('lines begin with their priority in the journal, as do errors that end the process', async () => {
  expect(await logOfFailedStart(true)).toEqual([
    expect.stringMatching(/^<4>\{"time":.*TROVE_NO_SUCH/),
    expect.stringMatching(/^<3>trove: listen EADDRNOTAVAIL/),
    expect.stringMatching(/^<3>hint: /),
    '',
  ])
})

test('other output has no priorities, even if the journal is that of a parent', async () => {
  expect(await logOfFailedStart(false)).toEqual([
    expect.stringMatching(/^\{"time":.*TROVE_NO_SUCH/),
    expect.stringMatching(/^trove: listen EADDRNOTAVAIL/),
    expect.stringMatching(/^hint: /),
    '',
  ])
})
