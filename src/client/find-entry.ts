/** Finds one entry of an artifact by path. */
import type { WireArtifact, WireEntry } from '../api/messages.ts'
import { notFound } from '../core/errors.ts'
import { readEntries } from './read-entries.ts'
import type { ServerAccess } from './transport/http.ts'
import { unreadableAnswer } from './transport/foreign-answer.ts'

export type WireFile = Extract<WireEntry, { kind: 'file' }>

type Place = Pick<WireArtifact, 'id' | 'name'>

/** Returns the entry at a path, or null for a directory that is no entry itself and only has
 *  entries below it. Errors: not_found, and those of `openAnswer`. */
export async function findEntry(
  server: ServerAccess,
  { id }: Place,
  path: string,
  signal: AbortSignal,
): Promise<WireEntry | null> {
  const entries = readEntries(server, id, { under: path, signal })
  const first = await entries.next()
  const entry = first.done !== true && first.value.path === path ? first.value : null
  // Only a directory has more below it. A response read to its end keeps the connection.
  if (entry === null || entry.kind === 'directory') await entries.return()
  else await entries.next()
  return entry
}

/** Errors: not_found (also when the path is not a file), and those of `openAnswer`. */
export async function findFile(
  server: ServerAccess,
  artifact: Place,
  path: string,
  signal: AbortSignal,
): Promise<WireFile> {
  const entry = await findEntry(server, artifact, path, signal)
  if (entry?.kind !== 'file') throw noFile(artifact, entry, path)
  return entry
}

/** Returns the file of a raw artifact. Errors: those of `openAnswer`. */
export async function onlyFile(
  server: ServerAccess,
  { id }: Pick<Place, 'id'>,
  signal: AbortSignal,
): Promise<WireFile> {
  for await (const entry of readEntries(server, id, { under: '', signal }))
    if (entry.kind === 'file') return entry
  throw unreadableAnswer(server, `artifact ${id} should hold one file but holds none`)
}

/** The error for a path where a file is wanted but `entry` is found. */
export function noFile({ name }: Place, entry: WireEntry | null, path: string): Error {
  const instead =
    entry?.kind === 'symlink'
      ? `it is a symlink to ${entry.target}`
      : 'it is a directory (list it with `trove ls`)'
  return notFound(path, `${name} has no file ${JSON.stringify(path)}: ${instead}`)
}
