/** `concurrency` of jobs: the jobs of one group run one at a time. Only jobs of this run are
 *  considered, and none is cancelled in favour of another. */
import pLimit, { type LimitFunction } from 'p-limit'
import { isObject, textOf, type Scope } from '../expression/expression.ts'
import { evaluateTemplate, type Template } from '../file/template.ts'

/** The concurrency groups of a run. A job holds its group while it runs, which includes the
 *  workflow that it calls; a workflow holds its own while its jobs run. */
export interface Groups {
  /** Returns the holder of a group of `held` if a job under these groups would wait for `group`
   *  forever, because the holder of `group` waits for that one; else undefined. */
  findDeadlock(group: string, held: HeldGroups): string | undefined
  /** Runs `work` when the group is free. */
  run<T>(group: string, held: HeldGroups, work: () => Promise<T>): Promise<T>
}

/** Names of holders, by group. */
type HeldGroups = ReadonlyMap<string, string>

export function createGroups(): Groups {
  const limits = new Map<string, LimitFunction>()
  const waiting = new Set<{ group: string; held: HeldGroups }>()
  return {
    findDeadlock: (group, held) => {
      // A group has one holder, so whoever waits under that holder blocks the group.
      const blocked = new Set([group])
      for (const each of blocked) {
        for (const wait of waiting) if (wait.held.has(each)) blocked.add(wait.group)
      }
      return [...held].find(([each]) => blocked.has(each))?.[1]
    },
    run: async (group, held, work) => {
      const limit = limits.get(group) ?? pLimit(1)
      limits.set(group, limit)
      const wait = { group, held }
      waiting.add(wait)
      return await limit(async () => {
        waiting.delete(wait)
        return await work()
      })
    },
  }
}

/** Returns the name of a job's group, or undefined without one. Errors: EvaluationError. */
export async function readGroup(
  template: Template | undefined,
  scope: Scope,
): Promise<string | undefined> {
  if (template === undefined) return undefined
  const value = await evaluateTemplate(template, scope)
  const group = isObject(value) ? value['group'] : value
  // Group names are case-insensitive.
  const name = (textOf(group ?? '') ?? '').toLowerCase()
  return name === '' ? undefined : name
}
