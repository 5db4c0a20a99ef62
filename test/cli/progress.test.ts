/** Progress output of long commands, on a terminal and elsewhere. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { writeOutputs, writeSummary } from '../../src/cli/output/job-report.ts'
import { createProgress, createProgressLines } from '../../src/cli/output/progress.ts'
import { serverContext } from '../../src/cli/server-access.ts'
import { requestJson } from '../../src/client/transport/http.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'

/** A stand-in for stderr. */
function openStderr(isTTY: boolean, columns = 80): { stream: NodeJS.WriteStream; text(): string } {
  let text = ''
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString()
      done()
    },
  })
  return {
    stream: Object.assign(stream, { isTTY, columns }) as unknown as NodeJS.WriteStream,
    text: () => text,
  }
}

const MiB = 1024 * 1024

describe('progress', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test.each([
    ['without a terminal', false, true],
    ['in a CI job that pretends to have one', true, false],
  ])('%s is one line per phase, and at most one every ten seconds', (_, isTTY, bars) => {
    const { stream, text } = openStderr(isTTY)
    const progress = createProgress(stream, { bars })
    for (let second = 0; second < 35; second++) {
      for (let step = 0; step < 50; step++) {
        progress.show([{ label: 'Sending', doneBytes: second * MiB, totalBytes: 40 * MiB }])
        vi.advanceTimersByTime(20)
      }
    }
    progress.phase('sent 40.0 MiB')
    progress.show([{ label: 'Placing', doneBytes: 1, totalBytes: 2 }])
    progress.finish()
    expect(text()).toBe(
      'Sending 10.0 MiB of 40.0 MiB\n' +
        'Sending 20.0 MiB of 40.0 MiB\n' +
        'Sending 30.0 MiB of 40.0 MiB\n' +
        'sent 40.0 MiB\n',
    )
  })

  test('of work without a known end is at most one line every ten seconds', () => {
    const { stream, text } = openStderr(false)
    const report = createProgressLines(stream)
    for (let second = 0; second < 25; second++) {
      report(() => `${second} are gone`)
      vi.advanceTimersByTime(1000)
    }
    expect(text()).toBe('10 are gone\n20 are gone\n')
  })

  test.each([80, 40, 12])(
    'on a terminal of %d columns is bars, or amounts alone, that fit, and that are removed at the end',
    (columns) => {
      const { stream, text } = openStderr(true, columns)
      const progress = createProgress(stream, { bars: true })
      for (let second = 0; second <= 4; second++) {
        progress.show([
          { label: 'Hashing', doneBytes: 40 * MiB, totalBytes: 40 * MiB, note: '9 files' },
          { label: 'Sending', doneBytes: second * 5 * MiB, totalBytes: 40 * MiB },
        ])
        vi.advanceTimersByTime(1000)
      }
      const drawn = text().split('\u001b[2A\u001b[0J').at(-1)!
      const [hashing, sending] = drawn.split('\n')
      const [full, half] =
        columns < 60 ? ['', ''] : ['#################### ', '##########.......... ']
      const whole = [
        `Hashing    ${full}40.0 MiB of 40.0 MiB, 9 files`,
        `Sending    ${half}20.0 MiB of 40.0 MiB  5.0 MiB/s  eta 4 s`,
      ]
      expect([hashing, sending]).toEqual(whole.map((line) => line.slice(0, columns - 1)))
      progress.phase('nothing is said of phases')
      progress.finish()
      expect(text().endsWith('\u001b[2A\u001b[0J')).toBe(true)
    },
  )
})

// Goal: neither the bars nor the message hides the other.
test('an outage of the server is reported on stderr of the command, after its bars are removed', async () => {
  const server = createServer((_, response) => response.writeHead(503).end())
  const { stream, text } = openStderr(true)
  vi.stubEnv('CI', '')
  vi.stubEnv('GITHUB_ACTIONS', '')
  vi.stubEnv('TERM', 'xterm')
  vi.stubEnv('TROVE_RETRY', '60s')
  onTestFinished(() => void vi.unstubAllEnvs())
  const url = await listen(server)
  const context = serverContext({ url }, { stderr: stream, logins: false })
  context.progress.show([{ label: 'Sending', doneBytes: 1, totalBytes: 2 }])
  const asking = new AbortController()
  const asked = requestJson(context.server, { path: '/', signal: asking.signal }, [])
  await vi.waitFor(() => expect(text()).toContain('retrying'), { timeout: 10_000 })
  asking.abort()
  await expect(asked).rejects.toThrow('aborted')
  const [bars, message] = text().split('\u001b[1A\u001b[0J')
  expect(bars).toMatch(/^Sending .*\n$/)
  expect(message).toBe(`trove: ${url} responded with status 503; retrying\n`)
})

describe('a job report', () => {
  test('writes outputs, multi-line ones between delimiters, and a table that cells cannot break', async () => {
    const directory = await makeDirectory()
    const files = { outputFile: join(directory, 'o'), summaryFile: join(directory, 's') }
    await writeOutputs(files, { plain: 'a=b', evil: 'x\nother=1' })
    const text = await readFile(files.outputFile, 'utf8')
    expect(text).toMatch(/^plain=a=b\nevil<<(trove_[0-9a-f-]{36})\nx\nother=1\n\1\n$/)
    await writeSummary(files, 'Artifact a', [
      ['size', 'a|b\nc'],
      ['to', 'D:\\_temp'],
    ])
    expect(await readFile(files.summaryFile, 'utf8')).toBe(
      '### Artifact a\n\n| | |\n|---|---|\n| size | a\\|b c |\n| to | D:\\\\_temp |\n\n',
    )
  })

  test('writes nothing outside a job', async () => {
    const files = { outputFile: null, summaryFile: null }
    await expect(writeOutputs(files, { a: '1' })).resolves.toBeUndefined()
    await expect(writeSummary(files, 'x', [])).resolves.toBeUndefined()
  })
})
