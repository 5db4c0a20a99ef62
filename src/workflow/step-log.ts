/** A step's log: lines of output become events, and the commands among them are obeyed. */
import type { Annotation, AnnotationLevel, Emit, JobReference, LineKind, StepReference } from './events.ts'
import { parseLogCommand, type LogCommand } from './log-commands.ts'
import type { Masker } from './mask.ts'

export interface StepLog {
  /** A line that a process wrote: a command, or text to be shown. */
  output(line: string): void
  /** Text of the engine itself, never a command. May have several lines. */
  say(text: string, kind?: LineKind): void
  /** Shown, and kept as an annotation. */
  annotate(annotation: Annotation): void
  startGroup(title: string): void
  endGroup(): void
  /** The step's summary, in Markdown. */
  summarize(markdown: string): void
  /** Takes up what commands of one action have set, and forgets it. */
  takeCommands(): LoggedCommands
  /** Closes an open group. */
  close(): void
}

/** What lines asked for: the older way of file commands. `faults` fail the step. */
export interface LoggedCommands {
  outputs: Record<string, string>
  state: Record<string, string>
  faults: string[]
}

export interface StepLogOptions {
  emit: Emit
  job: JobReference
  step: StepReference
  masker: Masker
  debug: boolean
}

/** Commands whose lines are shown when `::echo::on` was given; the others have an effect that shows. */
const echoed = new Set(['set-output', 'save-state', 'set-env', 'add-path', 'add-matcher', 'remove-matcher'])

export function createStepLog(options: StepLogOptions): StepLog {
  const { emit, job, step, masker, debug } = options
  let commands: LoggedCommands = { outputs: {}, state: {}, faults: [] }
  let resumeToken: string | undefined
  let echo = debug
  let groupOpen = false

  const say = (text: string, kind: LineKind = 'output'): void => {
    if (kind === 'debug' && !debug) return
    for (const line of text.split(/\r?\n/)) emit({ type: 'line', job, step, kind, text: line })
  }
  const annotate = (annotation: Annotation): void => {
    say(annotation.message, annotation.level)
    emit({ type: 'annotation', job, step, annotation })
  }
  const endGroup = (): void => {
    if (groupOpen) emit({ type: 'group-finished', job, step })
    groupOpen = false
  }
  const startGroup = (title: string): void => {
    endGroup()
    groupOpen = true
    emit({ type: 'group-started', job, step, title })
  }
  const fault = (text: string): void => {
    commands.faults.push(text)
    annotate({ level: 'error', message: text })
  }

  /** True when the command was known; an unknown one is an ordinary line. */
  const obey = (command: LogCommand, line: string): boolean => {
    if (resumeToken !== undefined) {
      if (command.name !== resumeToken.toLowerCase()) return false
      resumeToken = undefined
      say(line)
      return true
    }
    if (echo && echoed.has(command.name)) say(line)
    const { name, properties, data } = command
    switch (name) {
      case 'error':
      case 'warning':
      case 'notice':
        annotate(readAnnotation(name, command))
        return true
      case 'debug':
        say(data, 'debug')
        return true
      case 'group':
        startGroup(data)
        return true
      case 'endgroup':
        endGroup()
        return true
      case 'add-mask':
        if (data === '') annotate({ level: 'warning', message: 'add-mask was given nothing to hide' })
        else masker.add(data)
        return true
      case 'set-output':
      case 'save-state': {
        const key = properties['name'] ?? ''
        if (key === '') fault(`Required field 'name' is missing in ##[${name}] command.`)
        else commands[name === 'set-output' ? 'outputs' : 'state'][key] = data
        return true
      }
      case 'echo':
        echo = data.toLowerCase() === 'on'
        return true
      case 'stop-commands':
        stopCommands(data)
        say(line)
        return true
      case 'set-env':
      case 'add-path':
        // Any text a step prints could set these, so GitHub has turned them off.
        fault(`The '${name}' command is disabled. Write to $GITHUB_ENV or $GITHUB_PATH instead.`)
        return true
      case 'add-matcher':
      case 'remove-matcher':
        say(`${name} ${data}: problem matchers are not applied here`, 'debug')
        return true
      default:
        return false
    }
  }
  const stopCommands = (token: string): void => {
    if (token === '' || token.toLowerCase() === 'pause-logging' || /\s/.test(token)) {
      fault(`'${token}' cannot be the token that ends stop-commands`)
      return
    }
    resumeToken = token
    // The token resumes commands, so whoever prints text of strangers must be able to keep it from them.
    if (token.length > 6) masker.add(token)
  }

  return {
    output: (line) => {
      const command = line.includes('::') || line.includes('##[') ? parseLogCommand(line) : undefined
      if (command === undefined || !obey(command, line)) say(line)
    },
    say,
    annotate,
    startGroup,
    endGroup,
    summarize: (markdown) => emit({ type: 'summary', job, step, markdown }),
    takeCommands: () => {
      const taken = commands
      commands = { outputs: {}, state: {}, faults: [] }
      return taken
    },
    close: endGroup,
  }
}

function readAnnotation(level: AnnotationLevel, command: LogCommand): Annotation {
  const { properties, data } = command
  const annotation: Annotation = { level, message: data }
  const { title, file } = properties
  if (title !== undefined) annotation.title = title
  if (file !== undefined) annotation.file = file
  for (const [key, property] of [
    ['line', 'line'],
    ['endLine', 'endline'],
    ['column', 'col'],
    ['endColumn', 'endcolumn'],
  ] as const) {
    const value = Number(properties[property])
    if (Number.isSafeInteger(value) && value > 0) annotation[key] = value
  }
  return annotation
}
