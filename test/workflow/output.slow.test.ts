/** Output of steps on its way to a sink. */
import { expect, test } from 'vitest'
import { bounds } from '../../src/workflow/bounds.ts'
import { createMasker } from '../../src/workflow/step/mask.ts'
import { runProcess } from '../../src/workflow/step/process.ts'
import { createPlayground, oneJob, type Playground } from './playground.ts'

function numbersIn(place: Playground): number[] {
  return place.events.flatMap((event) =>
    event.type === 'line' && /^\d+$/.test(event.text) ? [Number(event.text)] : [],
  )
}

/** Blocks the event loop, as a slow terminal does. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('all output of a process is reported, even if that takes longer than the process', async () => {
  const place = await createPlayground()
  const count = 30_000
  const run = await place.run(oneJob(`- run: seq 1 ${count}`), {
    sinks: [
      (event) => {
        place.events.push(event)
        // A second and a half for the output that is read in one go.
        if (event.type === 'line' && event.text.endsWith('000')) block(bounds.drainMs / 8)
      },
    ],
  })
  expect(run.conclusion).toBe('success')
  expect(numbersIn(place)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
}, 30_000)

test('a long line is cut between characters', async () => {
  const place = await createPlayground()
  const text = `x${'😀'.repeat(bounds.lineCharactersMax)}`
  await place.write('long', text)
  await place.run(oneJob('- uses: actions/checkout@v6\n- run: cat long'))
  const pieces = place.events.flatMap((event) =>
    event.type === 'line' && /[\ud800-\udfff]/.test(event.text) ? [event.text] : [],
  )
  expect(pieces.length).toBeGreaterThan(2)
  expect(pieces.every((piece) => piece.isWellFormed())).toBe(true)
  expect(pieces.join('')).toBe(text)
})

test('a line that repeats an overlapping secret is masked in pieces, not when it ends', async () => {
  const place = await createPlayground()
  const { lineCharactersMax } = bounds
  const masker = createMasker(['ababa'])
  const lines: string[] = []
  const never = new AbortController().signal
  await runProcess({
    command: 'sh',
    args: ['-c', `yes ab | head -n ${4 * lineCharactersMax} | tr -d '\\n'; echo c`],
    directory: place.root,
    environment: { PATH: '/usr/bin:/bin' },
    stop: never,
    kill: never,
    grace: { interruptMs: 1, terminateMs: 1 },
    takePiece: masker.takePiece,
    onLine: (line) => lines.push(line),
    room: () => undefined,
  })
  // The last piece is what had been read when the line ended.
  const longest = Math.max(...lines.map(({ length }) => length))
  expect(longest).toBeLessThanOrEqual(2 * lineCharactersMax)
  expect(lines.map(masker.mask).join('')).toMatch(/^(?:\*\*\*)+bc$/)
})

test('a background process that keeps writing does not hold up its step', async () => {
  const place = await createPlayground()
  const started: string[] = []
  const run = await place.run(
    oneJob(`
- {name: fast, run: 'while :; do echo more; done & echo started'}
- {name: slow, run: 'while sleep 0.01; do echo more; done & echo started'}
- {name: last, run: echo done}
`),
    { sinks: [(event) => void (event.type === 'step-started' && started.push(event.step.name))] },
  )
  expect(run.conclusion).toBe('success')
  expect(started).toEqual(['fast', 'slow', 'last'])
}, 30_000)

test('nothing is read while there is no room, so a step blocks instead of filling memory', async () => {
  const place = await createPlayground()
  let release: () => void = () => {}
  let room: Promise<void> | undefined
  let readMeanwhile = 0
  const run = await place.run(oneJob('- run: seq 1 100000'), {
    room: () => {
      if (place.events.length > 1000 && readMeanwhile === 0) {
        room ??= new Promise((resolve) => (release = resolve))
        setTimeout(() => {
          readMeanwhile = place.events.length
          room = undefined
          release()
        }, 300)
      }
      return room
    },
  })
  expect(run.conclusion).toBe('success')
  // Of 590 kB, no more was read than one chunk of the stream.
  expect(readMeanwhile).toBeGreaterThan(1000)
  expect(readMeanwhile).toBeLessThan(50_000)
  expect(numbersIn(place)).toHaveLength(100_000)
}, 30_000)

test('a killed run does not wait for room', async () => {
  const place = await createPlayground()
  const kill = new AbortController()
  const run = await place.run(oneJob('- run: seq 1 100000; sleep 60'), {
    kill: kill.signal,
    room: () => {
      kill.abort()
      return new Promise(() => {})
    },
  })
  expect(run.conclusions).toEqual({ job: 'cancelled' })
}, 30_000)
