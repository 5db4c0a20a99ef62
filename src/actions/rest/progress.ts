/** Progress fields of GitHub's REST API. */
import { instant } from './instant.ts'
import type { Progress } from '../../metadata/metadata.ts'

/** All fields are null for what was not recorded. */
export function progressFields(
  progress: Progress | undefined,
): Record<'status' | 'conclusion' | 'started_at' | 'completed_at', string | null> {
  if (progress === undefined)
    return { status: null, conclusion: null, started_at: null, completed_at: null }
  const { conclusion, startedAt, durationMs } = progress
  const isOpen = startedAt === null ? 'queued' : 'in_progress'
  const endedAt = startedAt === null || durationMs === null ? null : startedAt + durationMs
  return {
    status: conclusion === null ? isOpen : 'completed',
    conclusion,
    started_at: startedAt === null ? null : instant(startedAt),
    completed_at: endedAt === null ? null : instant(endedAt),
  }
}
