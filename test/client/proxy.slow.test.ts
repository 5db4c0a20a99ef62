/** The client through an HTTP proxy, to an `http` and an `https` server whose names only the
 *  proxy can resolve. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSilentServer } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { exchange } from '../../src/client/transport/answer.ts'
import { requestJson } from '../../src/client/transport/http.ts'
import { type Outcome, runTrove } from '../cli/run-trove.ts'
import { openSharedServer } from '../http/open-server.ts'
import { startFlakyProxy } from './flaky-proxy.ts'
import { startForwardingProxy, startTls } from './forwarding-proxy.ts'
import { listen } from './listen.ts'
import { storeCertificate } from './store-certificate.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from './tree.ts'

const server = await openSharedServer()
let token: string
beforeAll(async () => {
  token = await server.token()
})

const password = 'hunter2'
const secret = { 'p@ss': `user:p%40ss${password}`, header: `user:p@ss${password}` }
const basic = `Basic ${Buffer.from(secret.header).toString('base64')}`
/** Adds user and password, escaped. */
const withSecret = (url: string): string => url.replace('//', `//${secret['p@ss']}@`)

async function makeFiles(count: number): Promise<string> {
  const root = await makeDirectory()
  const names = Array.from({ length: count }, (_, index) => `d${index % 7}/f${index}.txt`)
  await makeTree(root, Object.fromEntries(names.map((name) => [name, `${root} ${name}\n`])))
  return root
}

async function trove(args: string[], environment: Record<string, string>): Promise<Outcome> {
  return await runTrove(args, { TROVE_TOKEN: token, TROVE_RUN: '7', CI: '1', ...environment })
}

/** A file with the certificate of `https://store.test`. */
async function certificateFile(): Promise<string> {
  const path = join(await makeDirectory(), 'store.pem')
  await writeFile(path, storeCertificate)
  return path
}

/** The URL of a port where nothing responds as a proxy: connections are kept open. */
async function startSilent(): Promise<string> {
  const silent = createSilentServer((socket) => socket.resume().on('error', () => {}))
  return await listen(silent)
}

describe('commands', () => {
  test('upload and download through a forwarding proxy, which gets user and password', async () => {
    const proxy = await startForwardingProxy({
      hosts: { 'store.test': server.url },
      refuse: (_asked, given) => (given === basic ? undefined : 407),
    })
    const environment = {
      TROVE_URL: 'http://store.test',
      HTTP_PROXY: withSecret(proxy.url),
      NO_PROXY: 'other.test',
    }
    const root = await makeFiles(300)
    const sent = await trove(['upload', 'plain', root], environment)
    expect(sent).toMatchObject({ status: 0 })
    const copy = await makeDirectory()
    const fetched = await trove(['download', '7/plain', copy], environment)
    expect(fetched).toMatchObject({ status: 0 })
    expect(await describeTree(copy)).toEqual(await describeTree(root))
    expect(proxy.asked).toContain('POST http://store.test/api/v1/uploads')
    expect(proxy.connections()).toBeLessThan(proxy.asked.length)
  })

  test("upload and download through a tunnel, checking the server's certificate", async () => {
    const tls = await startTls(server.url)
    const proxy = await startForwardingProxy({
      hosts: { 'store.test': tls.url },
      refuse: (_asked, given) => (given === basic ? undefined : 407),
    })
    const environment = { TROVE_URL: 'https://store.test', https_proxy: withSecret(proxy.url) }
    const trusting = { ...environment, NODE_EXTRA_CA_CERTS: await certificateFile() }
    const root = await makeFiles(300)
    expect(await trove(['upload', 'tls', root], trusting)).toMatchObject({ status: 0 })
    const copy = await makeDirectory()
    expect(await trove(['download', '7/tls', copy], trusting)).toMatchObject({ status: 0 })
    expect(await describeTree(copy)).toEqual(await describeTree(root))
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT store.test:443']))
    expect(proxy.asked.length).toBeLessThan(tls.requests())
    const opensslTrusts = {
      SSL_CERT_FILE: await certificateFile(),
      NODE_OPTIONS: '--use-openssl-ca',
    }
    expect(await trove(['list'], { ...environment, ...opensslTrusts })).toMatchObject({ status: 0 })
    const untrusted = await trove(['list'], environment)
    expect(untrusted).toMatchObject({
      status: 10,
      // Since Node 24 the message has a hint of its own.
      stderr: expect.stringMatching(
        /^trove: https:\/\/store\.test cannot be reached through the proxy 127\.0\.0\.1:\d+ \(https_proxy\): self-signed certificate(?:; .*)?\nhint: Set NODE_EXTRA_CA_CERTS /,
      ),
    })
  })

  test('reach a server of either kind through a proxy that speaks TLS itself', async () => {
    const tls = await startTls(server.url)
    const hosts = { 'store.test': tls.url, 'plain.test': server.url }
    const proxy = await startForwardingProxy({ hosts, isSecure: true })
    const environment = { ALL_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: await certificateFile() }
    for (const url of ['https://store.test', 'http://plain.test'])
      expect(await trove(['list'], { ...environment, TROVE_URL: url })).toMatchObject({ status: 0 })
    expect(proxy.asked).toHaveLength(2)
  })

  test('reach hosts of NO_PROXY, and this machine, without the proxy', async () => {
    const proxy = await startForwardingProxy({ refuse: () => 403 })
    const environment = { HTTP_PROXY: proxy.url, NO_PROXY: 'store.test' }
    const direct = await trove(['list'], { ...environment, TROVE_URL: server.url })
    expect(direct).toMatchObject({ status: 0 })
    // The same port at an address that is not loopback.
    const TROVE_URL = server.url.replace('127.0.0.1', '0.0.0.0')
    const through = await trove(['list'], { ...environment, TROVE_URL })
    expect(through).toMatchObject({ status: 10 })
    expect(proxy.asked).toHaveLength(1)
    const exempt = await trove(['list'], { ...environment, TROVE_URL, NO_PROXY: '0.0.0.0' })
    expect(exempt).toMatchObject({ status: 0 })
    expect(proxy.asked).toHaveLength(1)
  })

  test('say which proxy refuses, without revealing its password', async () => {
    const refuse = (asked: string): number => (asked.includes('wants') ? 407 : 403)
    const proxy = await startForwardingProxy({ refuse })
    const port = new URL(proxy.url).port
    const environment = { HTTP_PROXY: withSecret(proxy.url), HTTPS_PROXY: withSecret(proxy.url) }
    const told = async (url: string, more: Record<string, string> = {}): Promise<string> => {
      const outcome = await trove(['list'], { ...environment, ...more, TROVE_URL: url })
      expect(outcome).toMatchObject({ status: 10, text: '' })
      expect(outcome.stderr).not.toContain(password)
      const [first = '', second = ''] = outcome.stderr.split('\n')
      expect(second).toMatch(/^hint: .*NO_PROXY/)
      return first.replaceAll(`127.0.0.1:${port}`, 'PROXY')
    }
    expect(await told('https://wants.test')).toBe(
      'trove: the proxy PROXY (HTTPS_PROXY) rejected the user and password in its URL',
    )
    expect(await told('http://wants.test')).toBe(
      'trove: the proxy PROXY (HTTP_PROXY) rejected the user and password in its URL',
    )
    expect(await told('http://wants.test', { HTTP_PROXY: proxy.url })).toBe(
      'trove: the proxy PROXY (HTTP_PROXY) requires a user and password in its URL',
    )
    expect(await told('https://other.test')).toBe(
      'trove: the proxy PROXY (HTTPS_PROXY) did not connect to other.test:443: it responded 403',
    )
    expect(await told('http://other.test')).toBe(
      'trove: http://other.test responded 403 through the proxy PROXY (HTTP_PROXY)',
    )
    // A refusal is not retried.
    expect(proxy.asked).toHaveLength(5)
    expect(await told('https://store.test', { https_proxy: 'http://127.0.0.1:1' })).toBe(
      'trove: https://store.test cannot be reached through the proxy 127.0.0.1:1 (https_proxy): connect ECONNREFUSED 127.0.0.1:1',
    )
  })

  test.each(['http', 'https'])(
    'fail soon when the proxy is a web server, for %s',
    async (scheme) => {
      const site = createServer((_, response) => response.end('<html>Welcome</html>'))
      const ALL_PROXY = await listen(site)
      const outcome = await trove(['list'], { ALL_PROXY, TROVE_URL: `${scheme}://store.test` })
      expect(outcome.status).toBe(10)
      expect(outcome.stderr).toMatch(/through the proxy 127\.0\.0\.1:\d+ \(ALL_PROXY\)/)
    },
  )
})

test('an upload and a download resume when a proxy cuts tunnels', async () => {
  const spec: Record<string, Buffer> = {}
  for (let index = 0; index < 40; index++) spec[`f${index}`] = pseudoRandom(100_000, String(index))
  const root = await makeDirectory(spec)
  const tls = await startTls(server.url)
  const proxy = await startForwardingProxy({ hosts: { 'store.test': tls.url } })
  const flaky = await startFlakyProxy(proxy.url)
  const environment = {
    TROVE_URL: 'https://store.test',
    HTTPS_PROXY: flaky.url,
    NODE_EXTRA_CA_CERTS: await certificateFile(),
  }
  let cuts = 0
  const cutSomewhere = (): number => {
    cuts += 1
    return 200_000 + Math.random() * 700_000
  }
  flaky.cutNext(3, cutSomewhere)
  const sent = await trove(['upload', 'cut', root], environment)
  expect(sent).toMatchObject({ status: 0 })
  expect(flaky.sentBytes()).toBeGreaterThan(4_000_000)
  flaky.cutNext(3, cutSomewhere)
  const copy = await makeDirectory()
  expect(await trove(['download', '7/cut', copy], environment)).toMatchObject({ status: 0 })
  expect(await describeTree(copy)).toEqual(await describeTree(root))
  expect(cuts).toBeGreaterThan(2)
})

describe('the library', () => {
  test('uses the given proxy and keeps its connection', async () => {
    const proxy = await startForwardingProxy({ hosts: { '127.0.0.1': server.url } })
    const client = createClient({
      url: server.url,
      token,
      cacheDir: null,
      proxy: { url: proxy.url },
    })
    for (let count = 0; count < 5; count++)
      expect(await client.list({ project: 'octo/app', run: 1234 }).next()).toMatchObject({
        done: true,
      })
    expect(proxy.asked).toHaveLength(5)
    expect(proxy.connections()).toBe(1)
  })

  test('rejects a URL that is not a proxy without revealing its password', async () => {
    const proxy = { url: `socks5://user:${password}@proxy.test` }
    const client = createClient({ url: server.url, token, cacheDir: null, proxy })
    await expect(client.remove(1)).rejects.toThrow(
      /^the URL of the proxy is not that of an HTTP proxy$/,
    )
  })

  test.each(['http', 'https'])(
    'stops waiting for a hanging proxy when aborted, for %s',
    async (scheme) => {
      const silent = await startSilent()
      const asked = {
        url: new URL(`${scheme}://store.test`),
        method: 'GET',
        headers: {},
        body: undefined,
        proxy: { url: silent, setting: 'ALL_PROXY' },
      }
      const stop = new AbortController()
      const waiting = exchange({ ...asked, signal: stop.signal })
      setTimeout(() => stop.abort(), 50)
      const begun = performance.now()
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
      expect(performance.now() - begun).toBeLessThan(5000)
    },
  )

  test('times out while waiting for a tunnel', async () => {
    const silent = await startSilent()
    const asked = {
      url: new URL('https://store.test'),
      method: 'GET',
      headers: {},
      body: undefined,
      signal: undefined,
      proxy: { url: silent, setting: 'HTTPS_PROXY' },
    }
    await expect(exchange(asked, 50)).rejects.toThrow(
      `https://store.test cannot be reached through the proxy ${new URL(silent).host} (HTTPS_PROXY): it opened no connection within 0.05 s`,
    )
  })

  test('retries when the proxy cannot reach the server at first', async () => {
    let count = 0
    const refuse = (): number | undefined => (++count < 3 ? 503 : undefined)
    const proxy = await startForwardingProxy({ hosts: { 'store.test': server.url }, refuse })
    const access = { url: 'http://store.test', token, proxy: { url: proxy.url } }
    const request = { path: '/api/v1/artifacts', query: { project: 'octo/app' } }
    expect(await requestJson(access, request, ['items'])).toBeDefined()
    expect(count).toBe(3)
  })
})
