/** What a server does with the store at start, before it takes requests, and what it logs. */
import { dropRefusedUploads } from '../../ingest/staging/refused-uploads.ts'
import type { Staging } from '../../ingest/staging/staging.ts'
import type { Log } from '../../log.ts'
import type { ClockWatch } from '../clock-watch.ts'
import type { LifecyclePorts } from '../ports.ts'
import { recover, sweepAtStart } from './recover.ts'

/** Errors: those of `recover`. */
export async function recoverAtStart(
  {
    metadata,
    packs,
    staging,
    clock,
  }: Pick<LifecyclePorts, 'metadata' | 'packs'> & {
    staging: Staging
    clock: Pick<ClockWatch, 'believedNow'>
  },
  log: Log,
): Promise<void> {
  await dropRefusedUploads(metadata, staging)
  const ports = { metadata, packs, now: clock.believedNow }
  const onStuck = (pack: string, error: Error): void => {
    log.warn('cannot remove an unregistered pack', { pack, error })
  }
  const recovery = {
    ...(await recover({ ...ports, staging, onStuck })),
    ...(await sweepAtStart(ports)),
  }
  if (Object.values(recovery).some((figure) => figure > 0)) log.info('recovered', { ...recovery })
}
