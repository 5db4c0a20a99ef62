/** The section of `/admin/maintenance` about metadata snapshots, for packs in a bucket. */
import { formatDuration, formatPeriod } from '../../core/units.ts'
import { Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { maintenancePath } from '../paths.ts'

export interface Snapshots {
  /** Least time between scheduled snapshots; null: none are scheduled. */
  everyMs: number | null
  /** When this process last took one; null if it has not. */
  takenAt: number | null
  /** Time between two sends of changes since; null: acknowledgements wait for them. */
  changesEveryMs: number | null
  /** How long the oldest change has waited that is not in the bucket; Infinity: none are sent. */
  lagMs: number
}

export function MetadataSnapshot({
  everyMs,
  takenAt,
  now,
  ...changes
}: Snapshots & { now: number }): Html {
  return (
    <section class="card" aria-labelledby="snapshot">
      <h2 id="snapshot">Metadata snapshot</h2>
      <p id="taken" data-afterwards>
        {takenAt === null ? (
          'None was taken since the server started.'
        ) : (
          <>
            The last one was taken <Time at={takenAt} now={now} />.
          </>
        )}
      </p>
      <p>
        {everyMs === null
          ? 'Does not run automatically: TROVE_SNAPSHOT_INTERVAL is off.'
          : `Another one follows when much has changed, and after a day, at the earliest after ${formatPeriod(everyMs)} (TROVE_SNAPSHOT_INTERVAL).`}
      </p>
      <p>{changesText(changes)}</p>
      <p class="quiet">
        Copies the metadata to the bucket that holds the packs. If the server’s disk is lost,{' '}
        <code>trove recover --from-snapshot</code> restores the store from the bucket.
      </p>
      <form method="post" action={maintenancePath()} class="buttons">
        <button name="action" value="snapshot">
          Take a snapshot
        </button>
      </form>
    </section>
  )
}

/** How late changes may be before it is worth a word. */
const lateMs = 60_000

function changesText({ changesEveryMs, lagMs }: Omit<Snapshots, 'everyMs' | 'takenAt'>): string {
  if (lagMs === Infinity) return 'What changes before the next one is not in the bucket.'
  const follow =
    changesEveryMs === null
      ? 'Uploads and changes are acknowledged once they are in the bucket, too.'
      : `What changes after it follows every ${formatPeriod(changesEveryMs)}.`
  if (lagMs < (changesEveryMs ?? 0) + lateMs) return follow
  return `${follow} The last ${formatDuration(lagMs)} have not been sent yet.`
}
