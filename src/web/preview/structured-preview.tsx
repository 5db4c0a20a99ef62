/** Previews of files with structure: Markdown documents, JSON trees, tables. */
import { parentOf } from '../../core/manifest/entry.ts'
import { counted } from '../../core/units.ts'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { filePath } from '../../api/paths.ts'
import { takeFitting } from '../fitting.ts'
import type { Html } from '../parts/html.ts'
import { type ArtifactPlace, blobPath } from '../paths.ts'
import { foldableJson, JsonTree, parseJsonLines } from './json.tsx'
import type { StructuredKind } from './kind.ts'
import type { LinkTargets } from './markdown-links.tsx'
import { markdownOf } from './markdown.tsx'
import {
  type Preview,
  previewBytesMax,
  type ShownFile,
  wholePath,
  withoutSource,
} from './shown-file.ts'
import { coveragePreview, testsPreview } from '../reports/report-preview.tsx'
import { parseCoverage, parseTests } from '../reports/report-summary.ts'
import { csvPreview } from './table-preview.tsx'
import { decodeText } from './text.ts'
import { textPreview } from './text-preview.tsx'

const jsonLinesMax = 500

/** Falls back to text if the file cannot be parsed as that kind, or is too large for it. */
export async function structuredPreview(
  shown: ShownFile,
  kind: StructuredKind,
  bytes: Uint8Array,
): Promise<Preview> {
  const parsed = await parsedPreview(shown, kind, bytes)
  return parsed ?? withoutSource(await textPreview(shown, bytes))
}

async function parsedPreview(
  shown: ShownFile,
  kind: StructuredKind,
  bytes: Uint8Array,
): Promise<Preview | undefined> {
  const { artifact, file, isMember = false } = shown
  const decoded = bytes.length === file.sizeBytes ? decodeText(bytes) : undefined
  if (decoded === undefined) return undefined
  const { text } = decoded
  if (kind === 'csv') return withSource(await csvPreview(shown, text))
  if (kind === 'xml' || kind === 'lcov') return await reportPreview(shown, text)
  if (kind === 'json') return await jsonPreview(shown, text, bytes)
  const structure = structureOf(kind, text, linkTargets(artifact, file.path, isMember))
  if (structure === undefined) return undefined
  const { parts, frame } = structure
  const { pieces } = await takeFitting(parts, (part) => part, previewBytesMax(shown))
  if (pieces.length === parts.length) return withSource(frame(raw(pieces.join(''))))
  return await largePreview(shown, bytes, kind === 'markdown' ? 'a document' : 'a tree')
}

function withSource(shown: Html): Preview {
  return { shown, hasSource: true }
}

/** Undefined if the text is neither test results nor coverage. */
async function reportPreview(shown: ShownFile, text: string): Promise<Preview | undefined> {
  const results = parseTests(text)
  if (results !== undefined) return withSource(await testsPreview(shown, results))
  const coverage = parseCoverage(text)
  return coverage && withSource(await coveragePreview(shown, coverage))
}

/** The file as text, with a link to its other form. */
async function largePreview(shown: ShownFile, bytes: Uint8Array, form: string): Promise<Preview> {
  return withoutSource(
    <>
      <p class="note">
        Shown as text, because this file is large. <a href={wholePath(shown)}>Show it as {form}</a>
      </p>
      {await textPreview(shown, bytes)}
    </>,
  )
}

/** Shows as many members of each object and list as fit on the page. */
async function jsonPreview(
  shown: ShownFile,
  text: string,
  bytes: Uint8Array,
): Promise<Preview | undefined> {
  const trees = foldableJson(text)
  const [most] = trees
  if (most === undefined) return undefined
  for (const tree of trees) {
    const { pieces } = await takeFitting([tree], (part) => part, previewBytesMax(shown))
    if (pieces.length === 0) continue
    return withSource(
      <>
        <div class="json">{raw(pieces.join(''))}</div>
        {tree !== most && (
          <p class="note">
            Long lists are cut. <a href={wholePath(shown)}>Show more</a>
          </p>
        )}
      </>,
    )
  }
  return await largePreview(shown, bytes, 'a tree')
}

/** The rendered parts in order, and the element around them. */
interface Structure {
  parts: Child[]
  frame(parts: Child): Html
}

/** Undefined if the text cannot be parsed as that kind, or has too many elements. */
function structureOf(
  kind: 'markdown' | 'jsonLines',
  text: string,
  targets: LinkTargets,
): Structure | undefined {
  if (kind === 'jsonLines') {
    const lines = parseJsonLines(text, jsonLinesMax)
    return lines && jsonLines(lines)
  }
  const parts = markdownOf(text, targets)
  return parts && { parts, frame: (blocks) => <div class="prose">{blocks}</div> }
}

function jsonLines({ values, total }: { values: unknown[]; total: number }): Structure {
  return {
    parts: values.map((value) => (
      <li>
        <JsonTree value={value} depth={3} />
      </li>
    )),
    frame: (items) => (
      <>
        {total > values.length && (
          <p class="quiet">
            Showing the first {values.length} of {counted(total, 'value')}.
          </p>
        )}
        <ol class="json">{items}</ol>
      </>
    ),
  }
}

/** Relative links of a text lead to pages of the same artifact, relative images to its files. */
function linkTargets(artifact: ArtifactPlace, path: string, isMember: boolean): LinkTargets {
  const resolve = (relative: string): string | undefined => resolveBelow(parentOf(path), relative)
  return {
    hasHeadings: true,
    page: (relative) => {
      const target = resolve(relative)
      return target === undefined ? undefined : blobPath(artifact, target)
    },
    raw: (relative) => {
      const target = resolve(relative)
      return target === undefined || isMember ? undefined : filePath(artifact.id, target)
    },
  }
}

/** Resolves a relative path; undefined if it leaves the artifact or names its root. */
function resolveBelow(directory: string, relative: string): string | undefined {
  const segments = relative.startsWith('/') || directory === '' ? [] : directory.split('/')
  for (const segment of relative.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (segments.pop() === undefined) return undefined
    } else {
      segments.push(segment)
    }
  }
  return segments.length === 0 ? undefined : segments.join('/')
}
