/** `concurrency` of jobs: the jobs of one group run one at a time. Only jobs of this run are
 *  considered, and none is cancelled in favour of another. */
import pLimit, { type LimitFunction } from 'p-limit'
import { textOf, type Scope } from './expression.ts'
import { evaluateTemplate } from './template.ts'
import type { Template } from './template.ts'

/** The concurrency groups of a run. A job holds its group while it runs, which is as long as the
 *  workflow that it calls. */
export interface Groups {
  /** Whether a job whose callers hold `held` would wait for `group` forever, because a job that
   *  holds it waits for one of them. */
  wouldDeadlock(group: string, held: ReadonlySet<string>): boolean
  run<T>(group: string, held: ReadonlySet<string>, work: () => Promise<T>): Promise<T>
}

export function createGroups(): Groups {
  const limits = new Map<string, LimitFunction>()
  const waiting = new Set<{ group: string; held: ReadonlySet<string> }>()
  return {
    wouldDeadlock: (group, held) => {
      // A group has one holder, so whoever waits under that holder blocks the group.
      const blocked = new Set([group])
      for (const each of blocked) {
        for (const wait of waiting) if (wait.held.has(each)) blocked.add(wait.group)
      }
      return [...held].some((each) => blocked.has(each))
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
  const group =
    value !== null && typeof value === 'object' && 'group' in value ? value.group : value
  // Group names are case-insensitive.
  const name = (textOf(group ?? '') ?? '').toLowerCase()
  return name === '' ? undefined : name
}
