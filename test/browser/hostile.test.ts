/** An artifact built to do harm, opened on every page that shows it. Each payload, if it ran, would say so in the console,
 *  change the title, call the API or ask for a pixel; none does, and the policy has nothing to report. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TarEntry } from '../http/archives-of.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig, watchFaults } from './rig.ts'
import { png, putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('hostile artifacts')

/** Notes everything that reaches it. */
async function openTrap(): Promise<{ server: Server; url: string; visits: string[] }> {
  const visits: string[] = []
  const server = createServer((request, response) => {
    visits.push(`${request.method} ${request.url} cookie=${request.headers.cookie ?? ''}`)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, visits }
}

function hostileFiles(trap: string): TarEntry[] {
  const script =
    `document.title='owned';console.log('owned');fetch('/api/v1/artifacts').catch(()=>{});` +
    `fetch('${trap}/from-script').catch(()=>{});try{top.document.title='owned'}catch{}`
  const markup =
    `<script>${script}</script><img src=x onerror="${script}"><img src="${trap}/pixel.png">` +
    `<svg onload="${script}"></svg><iframe src="javascript:${script}"></iframe>` +
    `<form action="${trap}/form"><button id=b>x</button></form><script>b.click()</script>` +
    `<meta http-equiv="refresh" content="0;url=${trap}/refresh">`
  return [
    { name: 'index.html', content: markup },
    {
      name: 'evil.svg',
      content: `<svg xmlns="http://www.w3.org/2000/svg"><script>${script}</script></svg>`,
    },
    { name: 'polyglot.png', content: Buffer.concat([png(4), Buffer.from(markup)]) },
    {
      name: 'README.md',
      content:
        `${markup}\n\n[click](javascript:${encodeURIComponent(script)}) ![x](${trap}/markdown.png) ` +
        `![x](data:text/html,${markup}) [y](  JaVaScRiPt:alert(1)) [z](data:text/html,x) ` +
        `<a href="javascript:alert(1)">raw</a> [up](../../../../../../sign-out) \`${markup}\`\n`,
    },
    { name: 'data.json', content: JSON.stringify({ [markup]: markup, __proto__: { x: 1 } }) },
    {
      name: 'table.csv',
      content: `"${markup.replaceAll('"', '""')}",b\n=cmd|calc,${markup.replaceAll('"', "'").replaceAll(',', '')}\n`,
    },
    {
      name: 'ansi.log',
      content: `\u001b[31m${markup}\u001b[0m\n\u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007\n\u001b]0;owned\u0007\n`,
    },
    { name: `"><img src=x onerror=console.log('owned')>.txt`, content: markup },
    { name: `a/'-alert(1)-'/${'\u202e'}cod.exe`, content: markup },
    { name: 'link', type: 'symlink', linkname: `"><script>console.log('owned')</script>` },
  ]
}

interface Watched {
  owned: string[]
  faults: string[]
  foreign: string[]
}

function watch(page: Page, origin: string): Watched {
  const watched: Watched = { owned: [], faults: watchFaults(page), foreign: [] }
  page.on('console', (message) => {
    if (message.text().includes('owned')) watched.owned.push(message.text())
  })
  page.on('dialog', (dialog) => {
    watched.owned.push(dialog.message())
    void dialog.dismiss()
  })
  // What a policy stops is announced as a request too, but never gets an answer.
  page.on('requestfinished', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
      watched.foreign.push(request.url())
  })
  return watched
}

describe.skipIf(!hasChromium)('a hostile artifact', () => {
  let trap: Awaited<ReturnType<typeof openTrap>>
  let rig: Rig
  let first: number
  let second: number
  const query = `branch=${encodeURIComponent('"><script>console.log("owned")</script>')}&workflow=${encodeURIComponent("'><img src=x onerror=console.log('owned')>")}`
  beforeAll(async () => {
    trap = await openTrap()
    rig = await openRig()
    first = await putTar(
      rig.server,
      `1/artifacts/${encodeURIComponent("'onload='owned' x=")}`,
      hostileFiles(trap.url),
      query,
    )
    second = await putTar(
      rig.server,
      `2/artifacts/${encodeURIComponent("'onload='owned' x=")}`,
      hostileFiles(`${trap.url}/2`),
      query,
    )
  }, 60_000)
  afterAll(async () => {
    await rig.close()
    trap.server.close()
  })

  test('runs no script on any page, reaches no API and sends no cookie', async () => {
    const context = await rig.context()
    const page = await context.newPage()
    const watched = watch(page, rig.server.url)
    const artifact = `/octo/app/actions/runs/2/artifacts/${second}`
    const names = hostileFiles('').map(({ name }) => name)
    const blobs = names
      .filter((name) => name !== 'link')
      .map((name) => `${artifact}/blob/${name.split('/').map(encodeURIComponent).join('/')}`)
    const compare = `/octo/app/compare/${first}...${second}`
    const addresses = [
      '/',
      '/octo/app',
      '/octo/app/artifacts',
      '/octo/app/actions/runs/2',
      artifact,
      `${artifact}/changes`,
      `${artifact}/used`,
      `${artifact}/details`,
      `${artifact}/delete`,
      `${artifact}/tree/a`,
      ...blobs,
      ...blobs.map((blob) => `${blob}?as=text`),
      compare,
      `${compare}?file=README.md`,
      `/find?digest=${encodeURIComponent('"><script>console.log("owned")</script>')}`,
    ]
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    for (const address of addresses) {
      // Documents in frames get time to try; pages have none to wait for.
      const waitUntil = address.endsWith('.html') ? 'networkidle' : 'load'
      await page.goto(address, { waitUntil })
      expect(await page.title(), address).toMatch(/ · Trove$/)
    }
    expect(watched).toEqual({
      owned: [],
      // The frame's own policy and sandbox refusing what the document tries is what is wanted; nothing else is said.
      faults: watched.faults.filter((fault) =>
        /sandboxed|Content Security Policy|Blocked/i.test(fault),
      ),
      foreign: [],
    })
    expect(asked.filter((url) => /\/api\/v1\/artifacts(\?|$)/.test(url))).toEqual([])
    expect(trap.visits).toEqual([])
    await context.close()
  }, 90_000)

  test('does nothing when its files are opened raw', async () => {
    const context = await rig.context()
    const page = await context.newPage()
    const watched = watch(page, rig.server.url)
    for (const name of ['index.html', 'evil.svg', 'polyglot.png', 'README.md', 'data.json']) {
      await page.goto(`/api/v1/artifacts/${second}/files/${name}`, { waitUntil: 'networkidle' })
    }
    expect(watched.owned).toEqual([])
    expect(trap.visits).toEqual([])
    await context.close()
  })
})

describe.skipIf(!hasChromium)('a report on the content origin', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ TROVE_CONTENT_URL: 'http://content.localhost' })
  }, 60_000)
  afterAll(async () => {
    await rig.close()
  })

  test('has no pages, no API and no sign-in', async () => {
    for (const path of ['/', '/sign-in', '/octo/app', '/api/v1/artifacts', '/healthz']) {
      const response = await hostRequest(rig.server.url, 'content.localhost', path)
      expect([path, response.status]).toEqual([path, 404])
    }
  })

  test('answers only whoever has the address, with a sandbox of its own', async () => {
    const id = await putTar(rig.server, '1/artifacts/report', report)
    const response = await rig.server.send(
      `/octo/app/actions/runs/1/artifacts/${id}/blob/index.html`,
      {
        token: null,
        headers: { cookie: `trove_session=${await rig.server.token({}, 'session')}` },
      },
    )
    const html = await response.text()
    const [, path = ''] = /src="http:\/\/content\.localhost(\/content\/[^"]+)"/.exec(html) ?? []
    const answer = await hostRequest(rig.server.url, 'content.localhost', path)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-security-policy']).toMatch(/^sandbox allow-scripts/)
    expect(answer.headers['content-security-policy']).not.toContain('allow-same-origin')
    expect(answer.headers['set-cookie']).toBeUndefined()
    const onOurs = await rig.server.send(path, { token: null })
    expect(onOurs.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
    const forged = path.replace(
      /\.([\w-])([\w-]+)\//,
      (_, head: string, rest: string) => `.${head === 'A' ? 'B' : 'A'}${rest}/`,
    )
    expect((await hostRequest(rig.server.url, 'content.localhost', forged)).status).toBe(403)
    const worker = { 'service-worker': 'script' }
    const asWorker = await hostRequest(rig.server.url, 'content.localhost', path, worker)
    expect(asWorker.status).toBe(403)
  })
})

const report: TarEntry[] = [
  {
    name: 'index.html',
    content:
      '<!doctype html><title>Report</title><link rel="stylesheet" href="report.css"><h1>Report</h1>' +
      '<p id="out">scripts did not run</p><script src="report.js"></script>',
  },
  { name: 'report.css', content: 'h1 { color: rgb(1, 2, 3) }' },
  { name: 'report.js', content: 'document.getElementById("out").textContent = "scripts ran"' },
]

/** `fetch` does not let the Host header be chosen. */
async function hostRequest(
  origin: string,
  host: string,
  path: string,
  more: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, string | string[] | undefined> }> {
  const { request } = await import('node:http')
  return await new Promise((resolve, reject) => {
    const sent = request(new URL(path, origin), { headers: { host, ...more } }, (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
    sent.on('error', reject)
    sent.end()
  })
}
