/** Pages whose slow part is sent after the rest. */
import { Hono } from 'hono'
import { type Child, jsx } from 'hono/jsx'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readServerConfig } from '../../src/config/config.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import type { Log } from '../../src/log.ts'
import { loadAssets } from '../../src/web/assets.ts'
import { createRenderer } from '../../src/web/renderer.ts'
import { sendSlowPage } from '../../src/web/slow-page.tsx'
import { openServer } from '../http/open-server.ts'

interface Slow {
  page: string
  logged: unknown[]
}

/** Requests a page whose slow part is late. */
async function openSlowPage(encoding: string, part: () => Child): Promise<Slow> {
  const logged: unknown[] = []
  const log = { error: (_: string, { error }: { error: unknown }) => logged.push(error) }
  const context = { config: readServerConfig({ data: '/nowhere' }, {}) } as AppContext
  const web = { context, assets: loadAssets(), renderer: createRenderer() }
  const app = new Hono<AppEnv>()
  app.get('/', async (c) => {
    c.set('requestId', 'the request')
    c.set('log', log as unknown as Log)
    return await sendSlowPage(web, c, {
      title: 'Slow',
      frame: (each) => each,
      waiting: 'Waiting…',
      part: async () => {
        await sleep(200)
        return await part()
      },
    })
  })
  const response = await app.request('/', { headers: { 'accept-encoding': encoding } })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { page: (encoding === 'gzip' ? gunzipSync(bytes) : bytes).toString(), logged }
}

describe.each(['gzip', 'identity'])('a late part (%s)', (encoding) => {
  test('that fails to render is replaced by an error, is logged, and the page is complete', async () => {
    const Broken = (): never => {
      throw new Error('on purpose')
    }
    const { page, logged } = await openSlowPage(encoding, () => jsx(Broken, {}))
    expect(page).toContain('Waiting…')
    expect(page).toContain('Something went wrong')
    expect(page).toContain('the request')
    expect(page).not.toContain('on purpose')
    expect(page).toMatch(/<\/html>$/)
    expect(logged).toEqual([new Error('on purpose')])
  })

  test('shows bidirectional control characters as U+FFFD', async () => {
    const { page } = await openSlowPage(encoding, () => jsx('p', {}, 'a\u202ecod.exe'))
    expect(page).toContain('<p>a\ufffdcod.exe</p>')
  })
})

// Each takes seconds where there are a million artifacts.
test.each([
  {
    path: '/octo/app/storage',
    first: 'Deduplication ratio',
    whole: /Calculating.+Disk space that deleting.+<\/html>$/s,
  },
  {
    path: '/octo/app/settings/retention?days=0',
    first: 'value="0"',
    whole: /Calculating.+1 artifact with .+ would have expired.+<\/html>$/s,
  },
])(
  '$path is shown before it is known what deletions would free',
  async ({ path, first, whole }) => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const server = await openServer({}, undefined, async (step) => {
      if (step === 'measuring') await held
    })
    onTestFinished(server.close)
    await server.put('1/site', { body: 'x' })
    const response = await server.visit(path)
    let shown = ''
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      shown += piece
      if (!shown.includes('Calculating')) continue
      expect(shown).toContain(first)
      release()
    }
    expect(shown).toMatch(whole)
  },
)
