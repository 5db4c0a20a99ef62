/** Where nothing is acknowledged before its changes are in the bucket, acts on behalf of somebody
 *  wait for that. */
import type { Author, Metadata } from '../../metadata/metadata.ts'

type Method = Exclude<keyof Metadata, 'close'>
type Arguments<M extends Method> = Parameters<Metadata[M]>[number]
type Act = {
  [M in Method]: Extract<NonNullable<Arguments<M>>, Author> extends never ? never : M
}[Method]

/** Position of the author among the arguments. Null: does not wait, since logs come in great
 *  numbers, and signing in must be possible while the bucket does not respond. The record type
 *  turns a missing act into a compile error. */
const authorAt: Record<Act, number | null> = {
  setProjectPolicy: 3,
  removeRunRecords: 2,
  removeRunJob: 2,
  setRetention: 2,
  setRetentionOfMany: 3,
  removeArtifacts: 2,
  restoreArtifact: 2,
  restoreArtifacts: 2,
  addToken: 1,
  revokeToken: 1,
  revokeProjectTokens: 2,
  dismissSecrets: 2,
  recordAct: null,
  appendRunEvents: null,
}

/** Returns metadata whose acts resolve after `confirm`. An act without an author, such as signing
 *  out, concerns nobody else and does not wait. */
export function confirmingActs(metadata: Metadata, confirm: () => Promise<void>): Metadata {
  const acts = Object.entries(authorAt).flatMap(([name, at]) => {
    if (at === null) return []
    const act = metadata[name as Act] as (...args: unknown[]) => Promise<unknown>
    const confirmed = async (...args: unknown[]): Promise<unknown> => {
      const result = await act(...args)
      if (args[at] !== undefined) await confirm()
      return result
    }
    return [[name, confirmed]]
  })
  return { ...metadata, ...(Object.fromEntries(acts) as Pick<Metadata, Act>) }
}
