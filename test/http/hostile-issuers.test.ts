/** Issuers of ID tokens and providers of single sign-on that want to harm the server. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readServerConfig } from '../../src/config/config.ts'
import { limits } from '../../src/core/limits.ts'
import { createIdTokenVerifier } from '../../src/http/access/issuer-keys.ts'
import { createSingleSignOn } from '../../src/http/access/single-sign-on.ts'
import { settingsFor } from '../web/browser-sign-in.ts'
import { openIdentityProvider } from './identity-provider.ts'

const publicUrl = 'https://store.example.com'
const discoveryPath = '/.well-known/openid-configuration'
const tooMuch = `sent more than ${limits.issuerAnswerBytesMax} bytes`

/** Sends blanks, which JSON may begin with, until the client hangs up, at most 64 MiB. */
async function sendWithoutEnd(response: ServerResponse): Promise<number> {
  const gone = once(response, 'close')
  let sentBytes = 0
  const piece = Buffer.alloc(65_536, ' ')
  while (!response.destroyed && sentBytes < 64 * 1024 * 1024) {
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), gone])
    sentBytes += piece.length
  }
  response.end()
  return sentBytes
}

function sendInflating(response: ServerResponse): void {
  response.setHeader('content-encoding', 'gzip')
  response.end(gzipSync(Buffer.alloc(8 * limits.issuerAnswerBytesMax, ' ')))
}

/** Listens on loopback; `hostile` answers requests for a path. */
async function openHostile(
  hostilePath: string,
  hostile: (response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === hostilePath) hostile(response)
    else response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return url
}

/** Verifies a token of an issuer whose keys are needed for that. */
async function verifyTokenOf(issuer: string): Promise<unknown> {
  const speaksFor = (): boolean => true
  const config = { trustedIssuers: [{ issuer, speaksFor }], publicUrl }
  const claims = { iss: issuer, repository: 'octo/app', run_id: '1' }
  const parts = [{ alg: 'RS256', kid: '1' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const token = [...parts, 'c2ln'].join('.')
  return await createIdTokenVerifier(config, Date.now)!.verify(token)
}

test.each([
  ['the document of an issuer', discoveryPath],
  ['the keys of an issuer', '/keys'],
])('%s may not be endless, nor inflate without bound', async (_, path) => {
  const message = expect.stringContaining(tooMuch) as string
  let sending: Promise<number> | undefined
  const endless = await openHostile(path, (response) => {
    sending = sendWithoutEnd(response)
  })
  await expect(verifyTokenOf(endless)).rejects.toMatchObject({ code: 'busy', message })
  expect(await sending).toBeLessThan(32 * 1024 * 1024)
  const inflating = await openHostile(path, sendInflating)
  await expect(verifyTokenOf(inflating)).rejects.toMatchObject({ code: 'busy', message })
})

test.each([['/token'], ['/userinfo'], ['/keys']])(
  'a provider of single sign-on may not send an endless answer at %s',
  async (path) => {
    const hostile = await openHostile(path, (response) => void sendWithoutEnd(response))
    const provider = await openIdentityProvider()
    onTestFinished(provider.close)
    const named =
      { '/token': 'token_endpoint', '/userinfo': 'userinfo_endpoint' }[path] ?? 'jwks_uri'
    provider.metadata = { [named]: hostile + path }
    const settings = { ...settingsFor(provider), TROVE_SSO_ACCESS: '*=read:octo/*' }
    const singleSignOn = createSingleSignOn(readServerConfig({}, settings))!
    const { url, attempt } = await singleSignOn.begin('/', 'current')
    const back = await fetch(url, { redirect: 'manual' })
    const { search } = new URL(back.headers.get('location')!)
    await expect(singleSignOn.finish(search, attempt)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(tooMuch),
    })
  },
)

test('an issuer elsewhere cannot have this machine requested', async () => {
  const requested = vi.fn<(address: string | URL) => Promise<Response>>(async (address) => {
    const keysUrl = 'http://127.0.0.1:9/keys'
    const isDiscovery = String(address).endsWith(discoveryPath)
    return Response.json(
      isDiscovery ? { issuer: 'https://ci.example.com', jwks_uri: keysUrl } : { keys: [] },
    )
  })
  vi.stubGlobal('fetch', requested)
  onTestFinished(() => void vi.unstubAllGlobals())
  await expect(verifyTokenOf('https://ci.example.com')).rejects.toMatchObject({
    code: 'busy',
    message: expect.stringContaining('its keys are at http://127.0.0.1:9/keys, which is not https'),
  })
  expect(requested).toHaveBeenCalledTimes(1)
})
