/** Pages whose slow part is sent after the rest. */
import { Hono } from 'hono'
import { jsx } from 'hono/jsx'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readServerConfig } from '../../src/config.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import type { Log } from '../../src/log.ts'
import { loadAssets } from '../../src/web/assets.ts'
import { createRenderer } from '../../src/web/renderer.ts'
import { sendSlowPage } from '../../src/web/slow-page.tsx'

describe.each(['gzip', 'identity'])('a late part that fails to render (%s)', (encoding) => {
  test('is replaced by an error, is logged, and the page is complete', async () => {
    const logged: unknown[] = []
    const log = { error: (_: string, { error }: { error: unknown }) => logged.push(error) }
    const context = { config: readServerConfig({ data: '/nowhere' }, {}) } as AppContext
    const web = { context, assets: loadAssets(), renderer: createRenderer() }
    const Broken = (): never => {
      throw new Error('on purpose')
    }
    const app = new Hono<AppEnv>()
    app.get('/', async (c) => {
      c.set('requestId', 'the request')
      c.set('log', log as unknown as Log)
      return await sendSlowPage(web, c, {
        title: 'Slow',
        frame: (part) => part,
        waiting: 'Waiting…',
        part: async () => {
          await sleep(200)
          return jsx(Broken, {})
        },
      })
    })
    const response = await app.request('/', { headers: { 'accept-encoding': encoding } })
    const bytes = Buffer.from(await response.arrayBuffer())
    const page = (encoding === 'gzip' ? gunzipSync(bytes) : bytes).toString()
    expect(page).toContain('Waiting…')
    expect(page).toContain('Something went wrong')
    expect(page).toContain('the request')
    expect(page).not.toContain('on purpose')
    expect(page).toMatch(/<\/html>$/)
    expect(logged).toEqual([new Error('on purpose')])
  })
})
