/** The settings pages of a project: their texts, and that their forms change the same settings as
 *  `PATCH`, by the same rules. */
import { beforeEach, beforeAll, describe, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const uploads = '/octo/app/settings'
const retention = '/octo/app/settings/retention'
const nothing = {
  onConflict: null,
  strict: null,
  keepLatest: null,
  retentionDays: null,
  retentionMinDays: null,
  retentionMaxDays: null,
  quotaBytes: null,
}

const server = await openSharedServer({ TROVE_RETENTION_DAYS: '30', TROVE_PROJECT_QUOTA: '10GiB' })
beforeAll(async () => {
  await server.put('1/build?branch=main', {
    body: 'x'.repeat(2048),
  })
})
beforeEach(async () => {
  expect(await patch(nothing)).toMatchObject(nothing)
})

async function patch(settings: object): Promise<unknown> {
  const token = await server.token({ project: undefined, scope: 'admin' })
  const path = '/api/v1/projects/octo/app'
  return await (await server.send(path, { method: 'PATCH', json: settings, token })).json()
}

async function open(
  path: string,
  { form, scope = 'admin' }: { form?: Record<string, string>; scope?: 'admin' | 'write' } = {},
): Promise<{ status: number; html: string; text: string }> {
  const project = scope === 'admin' ? undefined : 'octo/app'
  const headers = { origin: server.url, 'content-type': 'application/x-www-form-urlencoded' }
  const visitor = { project, scope }
  const response = await server.visit(path, visitor, {
    headers,
    ...(form !== undefined && { method: 'POST', body: new URLSearchParams(form).toString() }),
  })
  const html = await response.text()
  return { status: response.status, html, text: html.replace(/<[^>]+>/g, '') }
}

/** The fields that a browser would send if the form is submitted unchanged. */
function fieldsOf(html: string): Record<string, string> {
  const [form = ''] = /<form class="filter" method="post".*?<\/form>/s.exec(html) ?? []
  const fields: Record<string, string> = {}
  for (const [, name = '', rest = ''] of form.matchAll(/<input name="(\w+)"([^>]*)>/g))
    fields[name] = unescaped(/value="([^"]*)"/.exec(rest)?.[1] ?? '')
  for (const [, name = '', options = ''] of form.matchAll(
    /<select name="(\w+)"[^>]*>(.*?)<\/select>/gs,
  ))
    fields[name] = /value="(\w*)" selected/.exec(options)?.[1] ?? ''
  for (const [, name = '', text = ''] of form.matchAll(
    /<textarea name="(\w+)"[^>]*>(.*?)<\/textarea>/gs,
  ))
    fields[name] = unescaped(text)
  return fields
}

function unescaped(html: string): string {
  const characters: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' }
  return html.replace(/&(#?\w+);/g, (_, name: string) => characters[name] ?? '')
}

describe('the settings of a project', () => {
  test('are those of the server until the project has its own, and are described in words', async () => {
    const of = await open(uploads)
    expect(of.text).toContain('is rejected (set on the server: TROVE_ON_CONFLICT).')
    expect(of.text).toContain('all artifacts of its own run (set on the server: TROVE_STRICT).')
    expect(of.text).toContain(
      'The quota of the project is 10.0 GiB (set on the server: TROVE_PROJECT_QUOTA)',
    )
    expect(of.text).toContain('Its live artifacts hold 2.0 KiB.')
    const form = { onConflict: 'replace', strict: 'on', quotaBytes: '1.5 GiB' }
    expect((await open(uploads, { form })).status).toBe(303)
    expect(await patch({})).toMatchObject({
      onConflict: 'replace',
      strict: true,
      quotaBytes: 1.5 * 1024 ** 3,
      retentionDays: null,
    })
    const own = await open(uploads)
    expect(own.text).toContain('replaces it (set for this project).')
    expect(own.text).toContain('only artifacts that it made itself (set for this project).')
    expect(own.text).toContain('The quota of the project is 1.5 GiB (set for this project)')
    expect(fieldsOf(own.html)).toEqual({
      onConflict: 'replace',
      strict: 'on',
      quotaBytes: '1536MiB',
    })
    expect(
      (await open(uploads, { form: { onConflict: '', strict: '', quotaBytes: ' ' } })).status,
    ).toBe(303)
    expect(await patch({})).toMatchObject(nothing)
  })

  // Otherwise submitting a form would lose settings made with `PATCH`.
  test('do not change when the form is submitted unchanged', async () => {
    const set = {
      ...nothing,
      strict: false,
      quotaBytes: 123_457,
      retentionDays: 0.4,
      retentionMinDays: 0.25,
      keepLatest: ['main/my build', 'release/*/<dist>'],
    }
    await patch(set)
    for (const page of [uploads, retention]) {
      const form = fieldsOf((await open(page)).html)
      expect((await open(page, { form })).status).toBe(303)
      expect(await patch({})).toMatchObject(set)
    }
    expect((await open(retention)).text).toContain('kept for 10 hours (set for this project)')
  })

  test.each([
    [retention, 'retentionDays', { retentionDays: '0' }, 'expected number to be >0'],
    [retention, 'retentionDays', { retentionDays: 'a <week>' }, 'expected number'],
    [retention, 'retentionMaxDays', { retentionMaxDays: '99999' }, '<=36500'],
    [
      retention,
      'retentionMinDays',
      { retentionMinDays: '9', retentionMaxDays: '3' },
      'must not be above retentionMaxDays',
    ],
    [
      retention,
      'keepLatest',
      { latestFrom: 'project', keepLatest: 'main/build\r\nmain' },
      '"main" must be BRANCH/NAME',
    ],
    [retention, 'keepLatest', { latestFrom: 'project', keepLatest: '!main/a' }, 'it is a negation'],
    [
      retention,
      'keepLatest',
      { latestFrom: 'project', keepLatest: `main/${'x'.repeat(600)}` },
      'expected string to have <=512 characters',
    ],
    [uploads, 'quotaBytes', { strict: 'on', quotaBytes: '5 <lots>' }, 'must be a size such as'],
    [uploads, 'quotaBytes', { strict: 'on', quotaBytes: '0' }, 'expected number to be >0'],
    [uploads, 'onConflict', { strict: 'on', onConflict: 'merge' }, 'Invalid option'],
  ])(
    'at %s, an invalid %s is reported beside its field, and nothing is changed or lost',
    async (page, name, form: Record<string, string>, reason) => {
      const refused = await open(page, { form })
      expect(refused.status).toBe(400)
      const [, id] =
        new RegExp(
          `name="${name}" aria-invalid="true" aria-describedby="(\\S+)" autofocus=""`,
        ).exec(refused.html) ?? []
      const [, told = ''] =
        new RegExp(`<p class="refused" id="${id}">([^<]*)</p>`).exec(refused.html) ?? []
      expect(unescaped(told)).toContain(reason)
      const { onConflict: _, ...texts } = form
      expect(fieldsOf(refused.html)).toMatchObject(texts)
      expect(await patch({})).toMatchObject(nothing)
    },
  )

  test('can be read by anyone who reads the project, and changed only by administrators', async () => {
    for (const page of [uploads, retention]) {
      const { html } = await open(page, { scope: 'write' })
      expect(html).toContain('To change these settings, sign in with a token of scope admin.')
      expect(html).not.toContain('method="post" action="/octo')
      const form = { strict: 'on', retentionDays: '1' }
      expect((await open(page, { scope: 'write', form })).status).toBe(403)
    }
    expect(await patch({})).toMatchObject(nothing)
  })
})

test('the page says when bounds limit a retention', async () => {
  await patch({ ...nothing, retentionMaxDays: 10 })
  expect((await open(retention)).text).toContain(
    'All other artifacts are kept for 10 days (set on the server: TROVE_RETENTION_DAYS, limited by the bounds).',
  )
  await patch({ ...nothing, retentionMaxDays: 5000 })
  expect((await open(retention)).text).toMatch(
    /at most \d+ days \(set for this project, limited by the bounds\)\./,
  )
})
