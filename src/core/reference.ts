/** References: the one way to name an artifact in commands, queries and pages.
 *
 *    RUN/NAME · O/R@RUN/NAME · latest:BRANCH/NAME · id:123        each optionally followed by :PATH
 *
 *  The grammar needs no escapes: artifact names contain neither `/` nor `:`, branches no `:` (git
 *  check-ref-format), and projects neither `@` nor `:`. So a branch ends at the last `/` before the
 *  path, and a path may contain anything. Commands also take NAME alone, for the run of the job. */
import { type ArtifactName, parseArtifactName } from './artifact.ts'
import { withoutEndSlashes } from './manifest/entry.ts'
import { hasCode, invalidRequest } from './errors.ts'
import { branchOfTag, type ProjectName, parsePositiveInteger, parseProjectName } from './run/run.ts'

export type Reference =
  /** `project` null: the project of the context. */
  | { kind: 'run'; project: ProjectName | null; run: number; name: ArtifactName }
  /** The newest live artifact of that name from that branch, in the project of the context:
   *  see `latestPlaces`. */
  | { kind: 'latest'; branch: string; name: ArtifactName }
  | { kind: 'id'; id: number }

/** Where to look for the artifact of `latest:BRANCH/NAME`, in this order: artifacts that can be the
 *  latest of the branch, or else of the tag of that name, or else any of the branch. A pull request
 *  from a fork can call its branch `main`, and whoever may push a tag `main` may not push to the
 *  branch. */
export function latestPlaces(branch: string): ({ latestOf: string } | { branch: string })[] {
  return [{ latestOf: branch }, { latestOf: branchOfTag(branch) }, { branch }]
}

/** NAME alone: an artifact of the run of the context. Not for a server, which has no such run. */
export interface NameReference {
  kind: 'name'
  name: ArtifactName
}

/** All artifacts of a run: `@RUN` or `O/R@RUN`. */
export interface RunReference {
  kind: 'all'
  project: ProjectName | null
  run: number
}

/** A reference and a path inside it; '' is the root. The path is kept as written and is not checked
 *  here. */
export interface EntryReference {
  reference: Reference | NameReference
  path: string
}

/** Errors: invalid_request, invalid_name. */
export function parseReference(text: string): Reference {
  return withoutPath(text, splitReference(text))
}

/** Parses `REF` as commands take it. Errors: invalid_request, invalid_name. */
export function parseReferenceOrName(text: string): Reference | NameReference {
  return withoutPath(text, splitReferenceOrName(text))
}

function withoutPath<R>(text: string, { reference, path }: Split<R>): R {
  if (path !== null) throw faulty(text, 'a path is not allowed here')
  return reference
}

/** Parses `@RUN` or `O/R@RUN`; returns undefined for any other form.
 *  Errors: invalid_request, invalid_name. */
export function parseRunOnly(text: string): RunReference | undefined {
  const [, project, run] = /^([^@:]*)@([0-9]+)$/.exec(text) ?? []
  if (project === undefined || run === undefined) return undefined
  return {
    kind: 'all',
    project: project === '' ? null : parseProjectName(project),
    run: parsePositiveInteger(run, 'run'),
  }
}

/** Parses `REF[:PATH]` as commands take it. Trailing slashes of the path are dropped.
 *  Errors: invalid_request, invalid_name. */
export function parseEntryReference(text: string): EntryReference {
  const { reference, path } = splitReferenceOrName(text)
  return { reference, path: withoutEndSlashes(path ?? '') }
}

export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case 'id':
      return `id:${reference.id}`
    case 'latest':
      return `latest:${reference.branch}/${reference.name}`
    case 'run': {
      const project = reference.project === null ? '' : `${reference.project}@`
      return `${project}${reference.run}/${reference.name}`
    }
  }
}

/** Whether the text has the form of a reference, valid or not, with or without a path, or of a
 *  whole run. */
export function isMeantAsReference(text: string): boolean {
  if (keywordOf(text) !== '') return true
  // No project begins like this.
  if (/^\.{0,2}\//.test(text)) return false
  try {
    if (parseRunOnly(text) === undefined) splitReference(text)
    return true
  } catch (error) {
    if (hasCode(error, 'invalid_name')) return true
    if (hasCode(error, 'invalid_request')) return false
    throw error
  }
}

function keywordOf(text: string): string {
  return /^(id|latest):/.exec(text)?.[0] ?? ''
}

interface Split<R> {
  reference: R
  path: string | null
}

function splitReferenceOrName(text: string): Split<Reference | NameReference> {
  // Digits are a run without a name, more likely than a name; `https://…` is a URL.
  const [, name, path = null] = /^([^@:/]*[^@:/0-9][^@:/]*)(?::(?!\/\/)(.*))?$/s.exec(text) ?? []
  if (name === undefined || keywordOf(text) !== '') return splitReference(text)
  return { reference: { kind: 'name', name: parseArtifactName(name) }, path }
}

function splitReference(text: string): Split<Reference> {
  const keyword = keywordOf(text)
  const colon = text.indexOf(':', keyword.length)
  const body = colon === -1 ? text.slice(keyword.length) : text.slice(keyword.length, colon)
  const path = colon === -1 ? null : text.slice(colon + 1)
  if (keyword === 'id:') {
    if (!/^[0-9]+$/.test(body)) throw faulty(text, 'write id:123')
    return { reference: { kind: 'id', id: parsePositiveInteger(body, 'id') }, path }
  }
  if (keyword === 'latest:') return { reference: parseLatest(text, body), path }
  return { reference: parseRunReference(text, body), path }
}

function parseLatest(text: string, body: string): Reference {
  const slash = body.lastIndexOf('/')
  if (slash < 1) throw faulty(text, 'write latest:BRANCH/NAME')
  const branch = body.slice(0, slash)
  return { kind: 'latest', branch, name: parseArtifactName(body.slice(slash + 1)) }
}

function parseRunReference(text: string, body: string): Reference {
  // Names may contain an `@` but no slash, so an `@` that is followed by `RUN/` always ends a
  // project.
  const match = /^(?:([^@]*)@)?([0-9]+)\/([^/]*)$/.exec(body)
  if (match === null)
    throw faulty(text, 'write RUN/NAME, O/R@RUN/NAME, latest:BRANCH/NAME or id:123')
  const [, project, run, name] = match as unknown as [string, string | undefined, string, string]
  return {
    kind: 'run',
    project: project === undefined ? null : parseProjectName(project),
    run: parsePositiveInteger(run, 'run'),
    name: parseArtifactName(name),
  }
}

function faulty(text: string, remedy: string): Error {
  return invalidRequest('ref', `${JSON.stringify(text)} is not a reference: ${remedy}`)
}
