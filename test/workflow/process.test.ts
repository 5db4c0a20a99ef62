/** Processes of steps that cannot be started. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

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
