/** Limits the number of open uploads of a project. Triggers of the schema count them in the
 *  project's row. */
import { tooLarge } from '../../../core/errors.ts'
import type { Connection } from '../connection/connection.ts'

/** Runs inside the transaction that created an upload; throwing rolls it back.
 *  Errors: too_large. */
export type OpenUploadsCheck = (projectId: number) => void

export function createOpenUploadsCheck({ prepare }: Connection, max: number): OpenUploadsCheck {
  const find = prepare<[number], { name: string; openUploads: number }>(
    'SELECT owner_repo AS name, open_uploads AS openUploads FROM projects WHERE id = ?',
  )
  return (projectId) => {
    const { name, openUploads } = find.get(projectId)!
    if (openUploads <= max) return
    const setting = 'TROVE_MAX_OPEN_UPLOADS'
    const reason = `${name} has ${max} open uploads, the most a project may have (${setting}); an abandoned one expires after a day`
    throw tooLarge('open uploads of a project', max, reason, setting)
  }
}
