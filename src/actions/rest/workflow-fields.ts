/** Workflow fields of GitHub's REST API, derived from the name under which runs are recorded. */
import { digestOf } from '../../core/bytes/digest.ts'

/** GITHUB_WORKFLOW is the path of the workflow file if that sets no name. If it does, the path
 *  is unknown. */
export function workflowFields(name: string | null): {
  workflow_id: number | null
  path: string | null
} {
  if (name === null) return { workflow_id: null, path: null }
  return { workflow_id: workflowNumber(name), path: /\/[^/]+\.ya?ml$/.test(name) ? name : null }
}

/** Workflows are not stored, but `gh` accepts only numbers as ids: returns the first 48 bits of
 *  the SHA-256 of the name. */
export function workflowNumber(name: string): number {
  return Number.parseInt(digestOf(name).slice(0, 12), 16)
}
