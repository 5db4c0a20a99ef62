import { readdir } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { commands } from '../../src/cli/command-list.ts'
import { runArguments } from '../../src/cli/program.ts'
import { openRunServer } from '../../src/cli/run/workflow-server.ts'
import { makeDirectory } from '../client/tree.ts'

/** Also sets the clock to 1970. */
async function emptyDirectory(): Promise<string> {
  const data = await makeDirectory()
  onTestFinished(() => void vi.useRealTimers())
  vi.useFakeTimers({ toFake: ['Date'], now: 5000 })
  return data
}

// Goal: on a machine without a battery-backed clock, nothing is stored with the time of 1970, which
// would be expired the moment the clock is set.
test('a server does not start before the clock is set, with an exit status that systemd retries', async () => {
  const data = await emptyDirectory()
  const stream = new PassThrough()
  const status = await runArguments(commands, ['serve', '--data', data, '--port', '0'], {
    stdout: process.stdout,
    stderr: stream as unknown as NodeJS.WriteStream,
    signal: new AbortController().signal,
  })
  stream.end()
  expect([status, await text(stream)]).toEqual([
    1,
    'trove: the clock of this machine shows 1970-01-01T00:00:05.000Z: it is not set\n' +
      'hint: Set it, for example with `timedatectl set-ntp true`, and start it again.\n',
  ])
  expect(await readdir(data)).toEqual([])
})

test('the server of a local workflow run does not start, either', async () => {
  const data = await emptyDirectory()
  const starting = openRunServer({ access: { url: '', token: '' }, isGiven: false, data })
  await expect(starting).rejects.toThrow(/it is not set/)
  expect(await readdir(data)).toEqual([])
})
