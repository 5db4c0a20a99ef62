/** Action files (`action.yml`): the inputs and outputs of an action, and what it runs. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { convertToIfCondition } from '@actions/workflow-parser/model/converter/if-condition'
import type { MappingToken, TemplateToken } from '@actions/workflow-parser/templates/tokens/index'
import { isMapping, isSequence } from '@actions/workflow-parser/templates/tokens/type-guards'
import type { Position, Problem } from './problem.ts'
import { positionOf, problemsOf, readYaml, type ReadFile, textOfToken, textIn } from './schema.ts'
import { template, type Condition, type Template } from './template.ts'
import { readStep, type Step } from './workflow-file.ts'

interface ActionInput {
  name: string
  default: Template | undefined
  deprecationMessage: string | undefined
}

/** A script of a JavaScript action, relative to the action's directory. */
interface ActionScript {
  path: string
  condition: Condition
}

export type ActionRuns =
  | {
      kind: 'javascript'
      using: string
      pre: ActionScript | undefined
      main: string
      post: ActionScript | undefined
    }
  | { kind: 'composite'; steps: Step[] }
  | { kind: 'unsupported'; using: string; position: Position }

export interface ActionFile {
  file: string
  directory: string
  name: string
  inputs: ActionInput[]
  outputs: { name: string; value: Template | undefined }[]
  runs: ActionRuns
}

export type ParsedAction = { action: ActionFile } | { problems: Problem[] }

/** Reads `action.yml` or `action.yaml` in `directory`. Returns undefined when neither exists. */
export async function findAction(directory: string): Promise<ParsedAction | undefined> {
  for (const name of ['action.yml', 'action.yaml']) {
    const file = join(directory, name)
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    })
    if (text !== undefined) return parseAction(file, directory, text)
  }
  return undefined
}

function parseAction(file: string, directory: string, text: string): ParsedAction {
  const read = readYaml('action', file, text)
  const { root, context } = read
  if (root === undefined || context.errors.count > 0) return { problems: problemsOf(read) }
  const runs = readRuns(read, root)
  if (context.errors.count > 0) return { problems: problemsOf(read) }
  return {
    action: {
      file,
      directory,
      name: textIn(root, 'name') ?? directory,
      inputs: pairsIn(root, 'inputs').map(([name, input]) => ({
        name,
        default: template(file, input?.find('default')),
        deprecationMessage: textIn(input, 'deprecationMessage'),
      })),
      outputs: pairsIn(root, 'outputs').map(([name, output]) => ({
        name,
        value: template(file, output?.find('value')),
      })),
      runs,
    },
  }
}

function readRuns(read: ReadFile, root: MappingToken): ActionRuns {
  const { file, context } = read
  const token = root.find('runs')
  if (token === undefined || !isMapping(token)) {
    context.error(root, new Error('Required property is missing: runs'))
    return { kind: 'composite', steps: [] }
  }
  const using = textIn(token, 'using') ?? ''
  if (using === 'composite') return { kind: 'composite', steps: readCompositeSteps(read, token) }
  if (!/^node\d+$/.test(using)) {
    return { kind: 'unsupported', using, position: positionOf(file, token.find('using') ?? token) }
  }
  const main = textIn(token, 'main')
  if (main === undefined) context.error(token, new Error('Required property is missing: main'))
  const script = (key: 'pre' | 'post'): ActionScript | undefined => {
    const path = textIn(token, key)
    const condition = token.find(`${key}-if`)
    if (path === undefined) return undefined
    // As on a runner, these conditions are used as written; a missing one means always().
    const expression = condition === undefined ? 'always()' : stripMarks(textOfToken(condition))
    return { path, condition: { expression, position: positionOf(file, condition ?? token) } }
  }
  return { kind: 'javascript', using, pre: script('pre'), main: main ?? '', post: script('post') }
}

function stripMarks(expression: string): string {
  return /^\s*\$\{\{(.*)\}\}\s*$/s.exec(expression)?.[1]?.trim() ?? expression
}

function readCompositeSteps(read: ReadFile, runs: MappingToken): Step[] {
  const token = runs.find('steps')
  if (token === undefined || !isSequence(token)) {
    read.context.error(runs, new Error('Required property is missing: steps'))
    return []
  }
  const taken = new Map<string, number>()
  return [...token].filter(isMapping).map((raw) => {
    const condition = raw.find('if')
    const expression =
      condition === undefined
        ? undefined
        : convertToIfCondition(read.context, condition)?.expression
    return readStep(read.file, raw, textIn(raw, 'id') ?? generateId(raw, taken), expression)
  })
}

/** Generates ids as a runner does: `__run`, `__run_2`, `__actions_checkout`. */
function generateId(raw: MappingToken, taken: Map<string, number>): string {
  const uses = textIn(raw, 'uses')
  const base =
    uses === undefined
      ? '__run'
      : `__${(uses.split('@')[0] ?? '').replaceAll(/[^A-Za-z0-9_-]+/g, '_')}`
  const count = (taken.get(base) ?? 0) + 1
  taken.set(base, count)
  return count === 1 ? base : `${base}_${count}`
}

function pairsIn(
  root: MappingToken,
  key: string,
): [name: string, value: MappingToken | undefined][] {
  const token: TemplateToken | undefined = root.find(key)
  if (token === undefined || !isMapping(token)) return []
  return [...token].map((pair) => [
    pair.key.toString(),
    isMapping(pair.value) ? pair.value : undefined,
  ])
}
