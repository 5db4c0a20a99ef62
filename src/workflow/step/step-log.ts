/** A step's log: turns lines of output into events and executes the commands among them. */
import type { Annotation, AnnotationLevel } from '../../core/run/run-record.ts'
import type { Emit, JobReference, LineKind, StepReference } from '../events.ts'
import { parseLogCommand, type LogCommand } from './log-commands.ts'
import type { Masker } from './mask.ts'

export interface StepLog {
  /** A line written by a process: a command, or text to show. */
  output: (line: string) => void
  /** Text of the engine, never a command. May have several lines. */
  say: (text: string, kind?: LineKind) => void
  /** Shows the message and keeps it as an annotation. */
  annotate: (annotation: Annotation) => void
  /** Groups do not nest: starting one ends the one before. */
  startGroup: (title: string) => void
  endGroup: () => void
  /** The step's summary, in Markdown. */
  summarize: (markdown: string) => void
  /** Returns what the commands of a process have set. Those of the next one are processed again,
   *  even if this one has stopped them. */
  takeCommands: () => LoggedCommands
}

/** What commands in the output have set, the older form of file commands. `faults` fail the
 *  step. */
interface LoggedCommands {
  outputs: Record<string, string>
  state: Record<string, string>
  faults: string[]
}

export interface StepLogOptions {
  emit: Emit
  job: JobReference
  step: StepReference
  masker: Masker
  /** Directory that the files of annotations are relative to. */
  workspace: string
  debug: boolean
}

/** State that commands change. */
interface CommandState {
  log: StepLog
  masker: Masker
  workspace: string
  set: LoggedCommands
  /** The token that resumes command processing; undefined unless commands are stopped. */
  resumeToken: string | undefined
  echo: boolean
}

export function createStepLog(options: StepLogOptions): StepLog {
  const { emit, job, step, masker, workspace, debug } = options
  let groupOpen = false
  const say = (text: string, kind: LineKind = 'output'): void => {
    if (kind === 'debug' && !debug) return
    for (const line of text.split(/\r?\n/)) emit({ type: 'line', job, step, kind, text: line })
  }
  const endGroup = (): void => {
    if (groupOpen) emit({ type: 'group-finished', job, step })
    groupOpen = false
  }
  const log: StepLog = {
    say,
    endGroup,
    startGroup: (title) => {
      endGroup()
      groupOpen = true
      emit({ type: 'group-started', job, step, title })
    },
    annotate: (annotation) => {
      say(annotation.message, annotation.level)
      emit({ type: 'annotation', job, step, annotation })
    },
    summarize: (markdown) => emit({ type: 'summary', job, step, markdown }),
    output: (line) => {
      const command =
        line.includes('::') || line.includes('##[') ? parseLogCommand(line) : undefined
      if (command === undefined || !execute(state, command, line)) say(line)
    },
    takeCommands: () => {
      const { set } = state
      Object.assign(state, initialState())
      return set
    },
  }
  const initialState = (): Pick<CommandState, 'set' | 'resumeToken' | 'echo'> => ({
    set: { outputs: {}, state: {}, faults: [] },
    resumeToken: undefined,
    echo: debug,
  })
  const state: CommandState = { log, masker, workspace, ...initialState() }
  return log
}

/** Executes a command. Returns false for unknown commands, which are ordinary lines. */
function execute(state: CommandState, command: LogCommand, line: string): boolean {
  if (state.resumeToken !== undefined) {
    if (command.name !== state.resumeToken.toLowerCase()) return false
    state.resumeToken = undefined
    state.log.say(line)
    return true
  }
  const handler = handlers.get(command.name)
  if (handler === undefined) return false
  if (state.echo && echoed.has(command.name)) state.log.say(line)
  handler(state, command, line)
  return true
}

/** Commands whose lines are shown after `::echo::on`; the others have a visible effect. */
const echoed = new Set([
  'set-output',
  'save-state',
  'set-env',
  'add-path',
  'add-matcher',
  'remove-matcher',
])

type Handler = (state: CommandState, command: LogCommand, line: string) => void

const annotate =
  (level: AnnotationLevel): Handler =>
  ({ log, workspace }, { properties, data: message }) =>
    log.annotate({ level, message, ...placeIn(workspace, properties) })

const setValue =
  (kind: 'outputs' | 'state'): Handler =>
  (state, { name, properties, data }) => {
    const key = properties['name'] ?? ''
    if (key === '') fail(state, `Required field 'name' is missing in ##[${name}] command.`)
    else state.set[kind][key] = data
  }

/** GitHub has disabled these, since any text that a step prints could set them. */
const disabled: Handler = (state, { name }) =>
  fail(state, `The '${name}' command is disabled. Write to $GITHUB_ENV or $GITHUB_PATH instead.`)

const ignored: Handler = ({ log }, { name, data }) =>
  log.say(`${name} ${data}: trove run ignores problem matchers`, 'debug')

const handlers = new Map<string, Handler>([
  ['error', annotate('error')],
  ['warning', annotate('warning')],
  ['notice', annotate('notice')],
  ['debug', ({ log }, { data }) => log.say(data, 'debug')],
  ['group', ({ log }, { data }) => log.startGroup(data)],
  ['endgroup', ({ log }) => log.endGroup()],
  ['add-mask', addMask],
  ['set-output', setValue('outputs')],
  ['save-state', setValue('state')],
  ['stop-commands', stopCommands],
  ['set-env', disabled],
  ['add-path', disabled],
  ['add-matcher', ignored],
  ['remove-matcher', ignored],
  [
    'echo',
    (state, { data }) => {
      state.echo = data.toLowerCase() === 'on'
    },
  ],
])

function addMask({ log, masker }: CommandState, { data }: LogCommand): void {
  if (data === '')
    log.annotate({ level: 'warning', message: 'add-mask was called without a value' })
  else masker.add(data)
}

function stopCommands(state: CommandState, { data: token }: LogCommand, line: string): void {
  if (
    token === '' ||
    handlers.has(token.toLowerCase()) ||
    token.toLowerCase() === 'pause-logging' ||
    /\s/.test(token)
  ) {
    fail(state, `'${token}' is not a valid stop-commands token`)
    return
  }
  state.resumeToken = token
  // The token resumes commands, so a script that prints untrusted text must be able to hide it.
  if (token.length > 6) state.masker.add(token)
  state.log.say(line)
}

function fail({ log, set }: CommandState, message: string): void {
  set.faults.push(message)
  log.annotate({ level: 'error', message })
}

/** Reads the place of an annotation, and corrects it as GitHub's runner does: columns count only
 *  within one line. */
function placeIn(
  workspace: string,
  properties: LogCommand['properties'],
): Omit<Annotation, 'level' | 'message'> {
  const { title, file } = properties
  const numberOf = (name: string): number | undefined => {
    const value = Number(properties[name])
    return Number.isSafeInteger(value) && value > 0 ? value : undefined
  }
  const [line, endLine] = spanOf(numberOf('line'), numberOf('endline'))
  const isOneLine = line !== undefined && (endLine ?? line) === line
  const [column, endColumn] = isOneLine ? spanOf(numberOf('col'), numberOf('endcolumn')) : []
  const root = `${workspace}/`
  const path = file?.startsWith(root) === true ? file.slice(root.length) : file
  return { title, file: path, line, endLine, column, endColumn }
}

/** An end alone is also the start; an end before the start makes both invalid. */
function spanOf(start: number | undefined, end: number | undefined): (number | undefined)[] {
  return start !== undefined && end !== undefined && end < start ? [] : [start ?? end, end]
}
