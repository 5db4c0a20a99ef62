/** The lease of maintenance that reads on a thread of its own, beside the thread that collects
 *  garbage. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { openMaintenanceLease } from '../../src/lifecycle/maintenance-lease.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'

const { newDatabase } = temporaryDatabases()
const leaseMs = 60_000

async function openBoth(): Promise<{ collector: Metadata; reader: Metadata }> {
  const path = await newDatabase()
  const collector = openSqliteMetadata({ path })
  const reader = openSqliteMetadata({ path, isCollector: false })
  onTestFinished(async () => {
    vi.restoreAllMocks()
    await reader.close()
    await collector.close()
  })
  return { collector, reader }
}

// Goal: a backup or scrub never continues with a lease that the collector does not know, or after
// packs it still has to read may have been deleted; and it does not fail because nothing could be
// written for a moment.
test('a lease that cannot be renewed ends its reader while the collector still honours it', async () => {
  const { collector, reader } = await openBoth()
  const start = 1_000_000
  let elapsed = 0
  vi.spyOn(performance, 'now').mockImplementation(() => elapsed)
  const lease = await openMaintenanceLease(
    { metadata: reader, now: () => start + elapsed },
    leaseMs,
  )
  elapsed += leaseMs * 0.3
  await whileDiskRefuses(() => lease.renew())
  await lease.renew()
  elapsed += leaseMs * 0.3
  await whileDiskRefuses(() => lease.renew())
  elapsed += leaseMs * 0.3
  await expect(whileDiskRefuses(() => lease.renew())).rejects.toMatchObject({
    code: 'storage_failed',
  })
  expect(await collector.listReadLeases(start + elapsed, 1)).toEqual([lease.id])
})

test('a lease that is renewed lasts, and is written only once in a while', async () => {
  const { collector, reader } = await openBoth()
  let at = 1_000_000
  vi.spyOn(performance, 'now').mockImplementation(() => at)
  let written = 0
  const renewReadLeases: Metadata['renewReadLeases'] = async (leases, until) => {
    written += 1
    await reader.renewReadLeases(leases, until)
  }
  const metadata = { ...reader, renewReadLeases }
  const lease = await openMaintenanceLease({ metadata, now: () => at }, leaseMs)
  for (const end = at + 3 * leaseMs; at < end; at += leaseMs / 100) await lease.renew()
  expect(await collector.listReadLeases(at, 1)).toEqual([lease.id])
  expect(written).toBeLessThanOrEqual(12)
})

// Goal: after a machine slept, whichever of its clocks stood still, a reader does not continue
// after the collector could delete.
test.each([
  ['asleep', 0, 'before'],
  ['asleep', leaseMs * 0.3, 'while it is renewed'],
  ['stopped', leaseMs, 'before'],
])(
  'a lease whose end passed while its reader was %s (%d ms of it measured, %s) is not resumed',
  async (_how, measuredMs, when) => {
    const { collector, reader } = await openBoth()
    let at = 1_000_000
    let elapsed = 0
    vi.spyOn(performance, 'now').mockImplementation(() => elapsed)
    const renewReadLeases: Metadata['renewReadLeases'] = async (leases, until) => {
      if (when !== 'before') at += leaseMs
      await reader.renewReadLeases(leases, until)
    }
    const metadata = { ...reader, renewReadLeases }
    const lease = await openMaintenanceLease({ metadata, now: () => at }, leaseMs)
    elapsed += measuredMs
    if (when === 'before') at += leaseMs
    await expect(lease.renew()).rejects.toMatchObject({ code: 'session_ended' })
    await lease.close()
    expect(await collector.listReadLeases(0, 1)).toEqual([])
  },
)

test('a lease that cannot be written is refused', async () => {
  const { reader } = await openBoth()
  const opening = whileDiskRefuses(() =>
    openMaintenanceLease({ metadata: reader, now: () => 0 }, leaseMs),
  )
  await expect(opening).rejects.toMatchObject({
    code: 'storage_failed',
    message: expect.stringContaining('the disk of the metadata cannot be written'),
  })
})
