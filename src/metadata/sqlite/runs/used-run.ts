/** Whether a run is more than a row. */

/** The condition that a row of `runs`, called `run` in the statement, has an artifact, a
 *  tombstone or a record. One without was made for an upload that was refused, broke off or
 *  still goes on. */
export function isUsedRun(run: string): string {
  return `(EXISTS (SELECT 1 FROM artifacts u WHERE u.run_id = ${run}.id)
    OR EXISTS (SELECT 1 FROM run_records t WHERE t.run_id = ${run}.id))`
}
