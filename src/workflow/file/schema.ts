/** GitHub's schemas of workflow and action files, and reading YAML files against them.
 *  `@actions/workflow-parser` loads its schemas with a JSON import without an import attribute,
 *  which Node rejects (`ERR_IMPORT_ASSERTION_TYPE_MISSING`), so its published entry point cannot be
 *  imported (0.3.61). Its parts can: the readers are imported from their own files, and the
 *  schemas, which are data beside them, are read from disk. */
import { readFileSync } from 'node:fs'
import { FeatureFlags } from '@actions/expressions/features'
import { JSONObjectReader } from '@actions/workflow-parser/templates/json-object-reader'
import type { ObjectReader } from '@actions/workflow-parser/templates/object-reader'
import { TemplateSchema } from '@actions/workflow-parser/templates/schema/index'
import {
  TemplateContext,
  TemplateValidationErrors,
} from '@actions/workflow-parser/templates/template-context'
import { readTemplate } from '@actions/workflow-parser/templates/template-reader'
import {
  StringToken,
  type MappingToken,
  type TemplateToken,
} from '@actions/workflow-parser/templates/tokens/index'
import {
  isMapping,
  isScalar,
  isString,
} from '@actions/workflow-parser/templates/tokens/type-guards'
import { NoOperationTraceWriter } from '@actions/workflow-parser/templates/trace-writer'
import { YamlObjectReader } from '@actions/workflow-parser/workflows/yaml-object-reader'
import { problemAt, startOf, type Position, type Problem } from './problem.ts'

/** Kind of file, which selects the schema and its root definition. */
type FileKind = 'workflow' | 'action'

const roots = { workflow: 'workflow-root-strict', action: 'action-root' } as const
const schemas = new Map<FileKind, TemplateSchema>()

function schemaOf(kind: FileKind): TemplateSchema {
  const known = schemas.get(kind)
  if (known !== undefined) return known
  const anchor = import.meta.resolve('@actions/workflow-parser/workflows/workflow-parser')
  const text = readFileSync(new URL(`../${kind}-v1.0.min.json`, anchor), 'utf8')
  const read = new JSONObjectReader(undefined, kind === 'workflow' ? withLooseFilters(text) : text)
  const schema = TemplateSchema.load(read)
  schemas.set(kind, schema)
  return schema
}

/** GitHub ignores filters of events that take none, such as `create: {tags: [v1]}` and
 *  `pull_request: {tags-ignore: ['**']}`; this schema, made for editors, rejects them. */
function withLooseFilters(text: string): string {
  const schema = JSON.parse(text) as { definitions: Record<string, Definition> }
  const { definitions } = schema
  const events = definitions['on-mapping-strict']?.mapping?.properties ?? {}
  for (const [event, type] of Object.entries(events)) {
    if (definitions[type]?.null !== undefined) events[event] = 'any'
  }
  for (const name of ['pull-request-mapping', 'pull-request-target-mapping']) {
    const filters = definitions[name]?.mapping?.properties ?? {}
    Object.assign(filters, { tags: 'any', 'tags-ignore': 'any' })
  }
  return JSON.stringify(schema)
}

/** What `withLooseFilters` reads of a definition. */
interface Definition {
  null?: object
  /** Types by name. */
  mapping?: { properties?: Record<string, string> }
}

/** A parsed file: its root, and the parser's context, to which converters add further errors. */
export interface ReadFile {
  file: string
  root: MappingToken | undefined
  context: TemplateContext
}

/** Reads YAML against GitHub's schema. The root is undefined when the text is not a mapping.
 *
 *  The file is read twice. For a multi-line string with an expression the parser (0.3.61) takes the
 *  text from the YAML source: indented, escaped and unfolded. That gives the right positions, so
 *  the first pass reports the problems. The second pass hides the source from the parser and gives
 *  the right values. */
export function readYaml(kind: FileKind, file: string, text: string): ReadFile {
  const first = readOnce(kind, file, text, (reader) => reader)
  return first.context.errors.count > 0 ? first : readOnce(kind, file, text, withoutSource)
}

/** A context of the parser, which collects problems. */
export function createContext(kind: FileKind): TemplateContext {
  const trace = new NoOperationTraceWriter()
  const context = new TemplateContext(new TemplateValidationErrors(), schemaOf(kind), trace)
  // GitHub has them; without the flag, `background` would be reported as an unexpected value.
  context.state['featureFlags'] = new FeatureFlags({ allowBackgroundSteps: true })
  return context
}

function readOnce(
  kind: FileKind,
  file: string,
  text: string,
  adapt: (reader: YamlObjectReader) => ObjectReader,
): ReadFile {
  const context = createContext(kind)
  const fileId = context.getFileId(file)
  const reader = new YamlObjectReader(fileId, text)
  const [fault] = reader.errors
  if (fault !== undefined) {
    // Further errors mostly follow from the first: after a surplus brace, every word of the file is
    // one.
    context.error(fileId, fault.message, fault.range)
    return { file, root: undefined, context }
  }
  // The library's type says that a result is always present; for an empty file it is not.
  const value: TemplateToken | undefined = readTemplate(context, roots[kind], adapt(reader), fileId)
  return { file, root: value !== undefined && isMapping(value) ? value : undefined, context }
}

function withoutSource(reader: YamlObjectReader): ObjectReader {
  return {
    allowLiteral: () => {
      const token = reader.allowLiteral()
      if (token === undefined || !isString(token)) return token
      return new StringToken(token.file, token.range, token.value, token.definitionInfo)
    },
    allowSequenceStart: () => reader.allowSequenceStart(),
    allowSequenceEnd: () => reader.allowSequenceEnd(),
    allowMappingStart: () => reader.allowMappingStart(),
    allowMappingEnd: () => reader.allowMappingEnd(),
    validateStart: () => reader.validateStart(),
    validateEnd: () => reader.validateEnd(),
  }
}

/** Everything that the parser and its converters have found so far, ordered by position. */
export function problemsOf(read: ReadFile): Problem[] {
  const problems = read.context.errors.getErrors().map((error) => ({
    file: read.file,
    line: error.range?.start.line ?? 1,
    column: error.range?.start.column ?? 1,
    message: error.rawMessage,
  }))
  if (problems.length === 0 && read.root === undefined) {
    const message = 'the file must contain a mapping at the top level'
    problems.push(problemAt(startOf(read.file), message))
  }
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

/** Value of `key` in a mapping; undefined when absent or when `token` is not a mapping. */
export function propertyOf(
  token: TemplateToken | undefined,
  key: string,
): TemplateToken | undefined {
  return token !== undefined && isMapping(token) ? token.find(key) : undefined
}

/** Text of the scalar at `key` in a mapping; undefined when absent or not a scalar. */
export function textIn(token: TemplateToken | undefined, key: string): string | undefined {
  const found = propertyOf(token, key)
  return found !== undefined && isScalar(found) ? found.toString() : undefined
}

/** Text of a scalar; '' for a sequence or mapping. */
export function textOfToken(token: TemplateToken): string {
  return isScalar(token) ? token.toString() : ''
}

export function positionOf(file: string, token: TemplateToken | undefined): Position {
  return { file, line: token?.line ?? 1, column: token?.col ?? 1 }
}
