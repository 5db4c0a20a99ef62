/** What the storage page of the whole store says of the disk. */
import { expect, test } from 'vitest'
import { openServer } from '../http/open-server.ts'

const admin = { project: undefined, scope: 'admin' } as const

test('says how much packs and the database take of the disk, and what frees it', async () => {
  const server = await openServer()
  try {
    await server.put('1/site')
    const html = await server.page('/admin/storage', admin)
    const facts = [...html.matchAll(/<dt>([^<]*)<\/dt><dd>(.*?)<\/dd>/gs)]
    const fact = (term: string): string =>
      facts.find(([, each]) => each === term)?.[2]?.replaceAll(/<[^>]*>/g, '') ?? ''
    expect(fact('Pack files')).toMatch(/^[\d.]+ K?i?B in \d+ packs?$/)
    expect(fact('Database')).toMatch(/^[\d.]+ [KM]iB$/)
    expect(fact('Free disk space')).toMatch(/^[\d.]+ [KMGT]iB of [\d.]+ [KMGT]iB$/)
    expect(fact('Of these no longer needed')).toBe('0 B, freed by garbage collection')
    expect(html).toContain('<a href="/admin/maintenance">garbage collection</a>')
    expect(html).not.toContain('Uploads are refused')
    // A project does not show what all projects share.
    expect(await server.page('/octo/app/storage')).not.toContain('<dt>Database')
  } finally {
    await server.close()
  }
})

test('says why uploads are refused when the disk is nearly full', async () => {
  const server = await openServer({ TROVE_MIN_FREE: '1000TiB' })
  try {
    const html = await server.page('/admin/storage', admin)
    expect(html).toMatch(
      /role="alert">Uploads are refused, because less than .*1,?000.*TROVE_MIN_FREE/s,
    )
  } finally {
    await server.close()
  }
})
