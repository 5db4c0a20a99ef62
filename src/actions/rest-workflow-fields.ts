/** What GitHub's REST API tells of a workflow, from the name under which runs of it are known. */
import { digestOf } from '../core/digest.ts'

/** GITHUB_WORKFLOW is the path of the file where that gives no name; with a name, the file is not known. */
export function workflowFields(name: string | null): {
  workflow_id: number | null
  path: string | null
} {
  if (name === null) return { workflow_id: null, path: null }
  return { workflow_id: workflowNumber(name), path: /\/[^/]+\.ya?ml$/.test(name) ? name : null }
}

/** The store has no rows of workflows, and `gh` takes nothing but numbers: the first 48 bits of the name's SHA-256. */
export function workflowNumber(name: string): number {
  return Number.parseInt(digestOf(name).slice(0, 12), 16)
}
