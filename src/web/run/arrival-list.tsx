/** Uploads in progress: how far each is, and when a stalled one will be cleaned up. */
import { limits } from '../../core/limits.ts'
import type { Arrival } from '../../http/upload/arrivals.ts'
import { Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'

/** How long a client may be silent before its upload is shown as stalled. */
const silentMs = 60_000

export function ArrivalList({ arrivals, now }: { arrivals: Arrival[]; now: number }): Html {
  return (
    <ul class="arrivals" aria-label="Uploads in progress">
      {arrivals.map((arrival) => (
        <li>
          <strong>{arrival.name}</strong>
          {now - arrival.heardAt < silentMs ? (
            <Arriving arrival={arrival} />
          ) : (
            <Silent arrival={arrival} now={now} />
          )}
        </li>
      ))}
    </ul>
  )
}

function Arriving({ arrival: { name, receivedBytes, totalBytes } }: { arrival: Arrival }) {
  return (
    <>
      <span class="badge running">uploading</span>
      {totalBytes !== null && (
        <progress aria-label={name} max={Math.max(1, totalBytes)} value={receivedBytes} />
      )}
      <span>
        <Size bytes={receivedBytes} />{' '}
        {totalBytes === null ? '' : <>of {<Size bytes={totalBytes} />} </>}
        received
      </span>
    </>
  )
}

function Silent({ arrival: { heardAt, receivedBytes }, now }: { arrival: Arrival; now: number }) {
  return (
    <>
      <span class="badge">upload not finished</span>
      <span class="quiet">
        <Size bytes={receivedBytes} /> received, last activity <Time at={heardAt} now={now} />; will
        be cleaned up <Time at={heardAt + limits.leaseMs} now={now} /> unless it resumes.
      </span>
    </>
  )
}
