/** Translates events of the engine into those of a run's record. */
import { limits } from '../../core/limits.ts'
import type { LogKind, RecordedEvent } from '../../core/run/run-record.ts'
import type { JobReference, RunEvent, RunSink, StepReference } from '../../workflow/events.ts'

/** Names each job once, before any other event of it. While `isFull`, lines are counted instead of
 *  pushed, and annotations and summaries are left out. */
export function createTranslator(
  push: (event: RecordedEvent) => void,
  isFull: () => boolean,
): RunSink {
  const named = new Set<string>()
  /** Number of dropped lines, by job. */
  const missing = new Map<string, number>()

  const name = ({ key, id, name: shown }: JobReference, at: number): void => {
    if (named.has(key)) return
    named.add(key)
    push({ type: 'job-named', at, job: { key, id: shorten(id), name: shorten(shown) } })
  }
  const line: PushLine = ({ job, step, at }, kind, text) => {
    const lost = missing.get(job.key) ?? 0
    if (isFull()) {
      missing.set(job.key, lost + 1)
      return
    }
    const place = { type: 'line', at, job: job.key, step: step?.number ?? 0 } as const
    if (lost > 0) {
      missing.delete(job.key)
      push({ ...place, kind: 'cut', text: `${lost} lines came too fast and were not kept.` })
    }
    for (const piece of piecesOf(text)) push({ ...place, kind, text: piece })
  }
  const mayAnnotate = createAnnotationBound()
  return (event) => {
    if ('job' in event) name(event.job, event.at)
    if (event.type === 'annotation') {
      // The log of a step has its annotations already.
      if (event.step === null) line(event, event.annotation.level, event.annotation.message)
      if (!isFull() && mayAnnotate(event)) push(annotationOf(event))
    } else if (event.type === 'summary') {
      const text = isFull() ? 'This summary came too fast and was not kept.' : event.markdown
      const place = { type: 'summary', at: event.at, job: event.job.key } as const
      // The steps of a composite action share a summary.
      for (const piece of piecesOf(text.endsWith('\n') ? text : `${text}\n`))
        push({ ...place, step: event.step.number, text: piece })
    } else {
      translate(event, push, line)
    }
  }
}

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>

/** Returns a function that tells whether the server will keep an annotation, so that a step that
 *  prints thousands of warnings does not send each of them twice. */
function createAnnotationBound(): (event: EventOf<'annotation'>) => boolean {
  const counts = new Map<string, number>()
  const take = (key: string, max: number): boolean => {
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    return count <= max
  }
  return ({ job, step, annotation: { level } }) =>
    take(`${job.key} ${step?.number ?? 0} ${level}`, limits.annotationsPerStepMax) &&
    take(job.key, limits.annotationsPerJobMax)
}

/** Texts are already masked, so cutting them reveals nothing. */
function annotationOf({ at, job, step, annotation }: EventOf<'annotation'>): RecordedEvent {
  const { message, title, file, ...rest } = annotation
  return {
    type: 'annotation',
    at,
    job: job.key,
    step: step?.number ?? 0,
    ...rest,
    message: cut(message, limits.annotationCharactersMax),
    title: title && shorten(title),
    file: file && cut(file, limits.pathBytesMax),
  }
}

/** Cuts text to what one event can hold; yields an empty text as it is. */
function* piecesOf(text: string): Generator<string, void, undefined> {
  let start = 0
  do {
    const piece = cut(text, limits.logLineCharactersMax, start)
    yield piece
    start += piece.length
  } while (start < text.length)
}

/** Returns at most `max` characters from `start` on, and no half of a surrogate pair. */
function cut(text: string, max: number, start = 0): string {
  const end = start + max
  return text.slice(start, /[\ud800-\udbff]/.test(text[end - 1] ?? '') ? end - 1 : end)
}

type PushLine = (
  place: { job: JobReference; step: StepReference | null; at: number },
  kind: LogKind,
  text: string,
) => void

function translate(
  event: Exclude<RunEvent, { type: 'annotation' | 'summary' }>,
  push: (event: RecordedEvent) => void,
  line: PushLine,
): void {
  const { at } = event
  switch (event.type) {
    case 'run-started':
      return push({ type: event.type, at })
    case 'job-started':
      return push({ type: event.type, at, job: event.job.key })
    case 'step-started':
      return push({ type: event.type, at, job: event.job.key, step: stepOf(event.step) })
    case 'line':
      return line(event, event.kind, event.text)
    case 'group-started':
      return line(event, 'group', event.title)
    case 'group-finished':
      return line(event, 'endgroup', '')
    case 'step-finished': {
      const step = stepOf(event.step)
      return push({ type: event.type, at, job: event.job.key, step, ...ended(event) })
    }
    case 'job-finished':
      return push({ type: event.type, at, job: event.job.key, ...ended(event) })
    case 'run-finished':
      return push({ type: event.type, at, ...ended(event) })
  }
}

function ended({
  conclusion,
  durationMs,
}: EventOf<'run-finished' | 'job-finished' | 'step-finished'>): {
  conclusion: typeof conclusion
  durationMs: number
} {
  return { conclusion, durationMs: Math.max(0, Math.round(durationMs)) }
}

function stepOf({ number, name }: StepReference): { number: number; name: string } {
  return { number, name: shorten(name) }
}

function shorten(name: string): string {
  return cut(name, limits.recordedNameCharactersMax)
}
