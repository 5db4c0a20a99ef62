/** Lists of runs in GitHub's REST API. */
import { expect } from 'vitest'
import type { Caller } from './rig.ts'

export interface ListedRun {
  id: number
  run_number: number | null
  workflow_id: number | null
  head_branch: string | null
  created_at: string
  status: string | null
  conclusion: string | null
  run_attempt: number
  head_repository: { full_name: string | null }
}

export async function runsOf(reader: Caller, path: string): Promise<ListedRun[]> {
  const response = await reader.rest(path)
  expect(response.status).toBe(200)
  const { total_count, workflow_runs } = (await response.json()) as {
    total_count: number
    workflow_runs: ListedRun[]
  }
  expect(total_count).toBe(workflow_runs.length)
  return workflow_runs
}
