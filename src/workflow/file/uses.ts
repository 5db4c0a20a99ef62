/** Resolves the `uses:` of a step: a built-in action, an action in a directory, or one that cannot
 *  run. */
import { join, normalize } from 'node:path'
import type { RepositoryPlace } from '../expression/contexts.ts'

/** Actions implemented here, whatever their version. */
const builtIns = [
  'actions/checkout',
  'actions/upload-artifact',
  'actions/upload-artifact/merge',
  'actions/download-artifact',
] as const
export type BuiltInName = (typeof builtIns)[number]

/** `home` is the repository of the action. `workspace` actions are looked up in the job's workspace
 *  when their step runs. */
export type ResolvedUses =
  | { kind: 'built-in'; name: BuiltInName }
  | { kind: 'directory'; directory: string; home: RepositoryPlace }
  | { kind: 'workspace'; path: string }
  | { kind: 'unsupported'; reason: string; advice?: string }

/** Resolves `uses` of a file in the repository `home`. `map` holds directories by `owner/repo@ref`
 *  or `owner/repo` (any version). It takes precedence over the built-in actions, so that the
 *  published ones can be run unmodified. */
export function resolveUses(
  uses: string,
  map: ReadonlyMap<string, string>,
  home: RepositoryPlace,
): ResolvedUses {
  if (uses.startsWith('docker://'))
    return { kind: 'unsupported', reason: 'trove run does not support container actions' }
  if (uses.startsWith('./') || uses === '.') {
    const path = normalize(uses)
    if (path === '..' || path.startsWith('../')) {
      return { kind: 'unsupported', reason: 'a local action must be inside the repository' }
    }
    return { kind: 'workspace', path }
  }
  if (uses.startsWith('$/')) {
    const path = normalize(uses.slice(2))
    if (path === '.' || path === '..' || path.startsWith('../') || path.includes('@'))
      return { kind: 'unsupported', reason: 'expected $/DIRECTORY, without a version' }
    return { kind: 'directory', directory: join(home.directory, path), home }
  }
  const parsed = /^([^/@\s]+\/[^/@\s]+)((?:\/[^@\s]+)?)@(\S+)$/.exec(uses)
  if (parsed === null) {
    return { kind: 'unsupported', reason: 'expected ./DIRECTORY, $/DIRECTORY or OWNER/REPO@REF' }
  }
  const [, repository = '', subPath = '', ref = ''] = parsed
  for (const [key, rest] of [
    [`${repository}${subPath}@${ref}`, ''],
    [`${repository}${subPath}`, ''],
    [`${repository}@${ref}`, subPath],
    [repository, subPath],
  ] as const) {
    const directory = map.get(key)
    if (directory === undefined) continue
    return {
      kind: 'directory',
      directory: join(directory, rest),
      home: { repository, ref, directory },
    }
  }
  const called = `${repository}${subPath}`.toLowerCase()
  const name = builtIns.find((each) => each === called)
  if (name !== undefined) return { kind: 'built-in', name }
  return {
    kind: 'unsupported',
    reason: 'trove run does not download actions',
    advice: `pass its directory with --action ${repository}${subPath}@${ref}=DIR`,
  }
}
