/** Processes of steps: that cannot be started, and what is left of those that have ended. */
import { execFile } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runProcess } from '../../src/workflow/step/process.ts'

test('nothing listens for the end of a job on behalf of a process that has ended', async () => {
  const [stop, kill] = [new AbortController().signal, new AbortController().signal]
  const ended = await runProcess({
    command: '/bin/sh',
    // A background process holds the output open.
    args: ['-c', 'sleep 2 &'],
    directory: '/',
    environment: { PATH: process.env.PATH ?? '' },
    stop,
    kill,
    grace: { interruptMs: 1, terminateMs: 1 },
    takePiece: () => undefined,
    onLine: () => {},
    room: () => undefined,
  })
  expect(ended.exitCode).toBe(0)
  for (const signal of [stop, kill]) expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('without a free file descriptor a process is not started, and the program goes on', async () => {
  const built = new URL('../../dist/src/workflow/step/process.js', import.meta.url)
  const script = `
    import { openSync } from 'node:fs'
    import { runProcess } from '${built.href}'
    const never = new AbortController().signal
    try { for (;;) openSync('/dev/null') } catch {}
    await runProcess({
      command: 'true', args: [], directory: '/', environment: {}, stop: never, kill: never,
      takePiece: () => undefined, onLine: () => {}, room: () => undefined,
      grace: { interruptMs: 1, terminateMs: 1 },
    }).catch((error) => console.log(error.message))
    await new Promise((resolve) => setTimeout(resolve, 50))
    console.log('went on')`
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    'ulimit -n 60; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    script,
  ])
  expect(stdout).toBe('spawn true EMFILE\nwent on\n')
})
