/** GitHub's schemas of workflow and action files, and reading a YAML file against one of them.
 *  `@actions/workflow-parser` loads its schemas with a JSON import that has no import attribute, which Node refuses
 *  (`ERR_IMPORT_ASSERTION_TYPE_MISSING`), so its entry point cannot be imported as published (0.3.61). Its parts can:
 *  the readers are imported from their own files and the schemas, data beside them, are read from disk. */
import { readFileSync } from 'node:fs'
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
import type { Position, Problem } from './problem.ts'

/** What a file is read as: the schema and the definition in it. */
type FileKind = 'workflow' | 'action'

const roots = { workflow: 'workflow-root-strict', action: 'action-root' } as const
const schemas = new Map<FileKind, TemplateSchema>()

function schemaOf(kind: FileKind): TemplateSchema {
  const known = schemas.get(kind)
  if (known !== undefined) return known
  const anchor = import.meta.resolve('@actions/workflow-parser/workflows/workflow-parser')
  const text = readFileSync(new URL(`../${kind}-v1.0.min.json`, anchor), 'utf8')
  const schema = TemplateSchema.load(new JSONObjectReader(undefined, text))
  schemas.set(kind, schema)
  return schema
}

/** A file that was read: its root, and the parser's context, to which converters add further errors. */
export interface ReadFile {
  file: string
  root: MappingToken | undefined
  context: TemplateContext
}

/** Reads YAML against GitHub's schema. The root is undefined when the text is not even a mapping.
 *
 *  It is read twice, because the parser (0.3.61) takes a string of several lines from the YAML source as soon as there
 *  is an expression in it: with its indentation, with its escapes, unfolded. That gives the right places, so the first
 *  reading finds the problems; the second one keeps the source from it and gives the right values. */
export function readYaml(kind: FileKind, file: string, text: string): ReadFile {
  const first = readOnce(kind, file, text, (reader) => reader)
  return first.context.errors.count > 0 ? first : readOnce(kind, file, text, withoutSource)
}

function readOnce(
  kind: FileKind,
  file: string,
  text: string,
  adapt: (reader: YamlObjectReader) => ObjectReader,
): ReadFile {
  const context = new TemplateContext(
    new TemplateValidationErrors(),
    schemaOf(kind),
    new NoOperationTraceWriter(),
  )
  const fileId = context.getFileId(file)
  const reader = new YamlObjectReader(fileId, text)
  const [fault] = reader.errors
  if (fault !== undefined) {
    // The others mostly follow from it: after a brace too many, each word of the file is one.
    context.error(fileId, fault.message, fault.range)
    return { file, root: undefined, context }
  }
  // The library types the result as always present; it is not when the file is empty.
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

/** Everything the parser and its converters found so far, in order of place. */
export function problemsOf(read: ReadFile): Problem[] {
  const problems = read.context.errors.getErrors().map((error) => ({
    file: read.file,
    line: error.range?.start.line ?? 1,
    column: error.range?.start.column ?? 1,
    message: error.rawMessage,
  }))
  if (problems.length === 0 && read.root === undefined) {
    problems.push({
      file: read.file,
      line: 1,
      column: 1,
      message: 'the file has no mapping at its root',
    })
  }
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

/** What a mapping has under `key`; undefined also for what is no mapping. */
export function propertyOf(
  token: TemplateToken | undefined,
  key: string,
): TemplateToken | undefined {
  return token !== undefined && isMapping(token) ? token.find(key) : undefined
}

/** Text of the scalar that a mapping has under `key`; undefined also for what is none. */
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
