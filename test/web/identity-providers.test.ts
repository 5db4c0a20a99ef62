/** Signing in through providers that differ in what the protocol leaves open, or do otherwise. */
import { expect, test } from 'vitest'
import { openIdentityProvider, type IdentityProvider } from '../http/identity-provider.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { beginSignIn, finishSignIn, settingsFor, signIn } from './browser-sign-in.ts'

const jane = { sub: '7', email: 'jane@example.com' }

/** Calls `use` with a provider that has these traits, and a server that trusts it. */
async function withProvider(
  traits: Partial<IdentityProvider>,
  use: (server: TestServer, provider: IdentityProvider) => Promise<void>,
): Promise<void> {
  const provider = await openIdentityProvider()
  Object.assign(provider, { claims: jane }, traits)
  const rules = { TROVE_SSO_ACCESS: 'groups:ops=admin *=read:octo/*' }
  const server = await openServer({ ...settingsFor(provider), ...rules })
  try {
    await use(server, provider)
  } finally {
    await server.close()
    await provider.close()
  }
}

async function scopeOf(server: TestServer, headers: Record<string, string>): Promise<unknown> {
  const current = await server.send('/api/v1/tokens/current', { token: null, headers })
  return ((await current.json()) as { scope: unknown }).scope
}

const [header, form] = ['client_secret_basic', 'client_secret_post']

test.each<[string, Partial<IdentityProvider>]>([
  [
    'only takes it from the form',
    { authMethods: [form, 'private_key_jwt'], takesSecret: 'in the form' },
  ],
  [
    'takes it from the form, but does not say so',
    { authMethods: [form, header], takesSecret: 'in the form' },
  ],
  [
    'does not decode the header',
    {
      clientId: 'trove-ci',
      clientSecret: 'gloas-a_b.c*',
      takesSecret: 'in the header, undecoded',
    },
  ],
  [
    'decodes the header',
    { clientId: 'trove ci', clientSecret: 'a+b%2Dc:d~/=', authMethods: [form, header] },
  ],
])('a provider that %s is sent the secret so', async (_, traits) => {
  await withProvider(traits, async (server) => {
    for (let turn = 0; turn < 2; turn++)
      expect(await scopeOf(server, await signIn(server))).toBe('read')
  })
})

test('a client that the provider does not know is told so, and the form of its secret is found again', async () => {
  await withProvider({ authMethods: [header, form] }, async (server, provider) => {
    const { clientSecret } = provider
    provider.clientSecret = 'another'
    const refused = await finishSignIn(server, await beginSignIn(server))
    expect(refused.status).toBe(401)
    expect(await refused.text()).toContain('invalid_client')
    provider.clientSecret = clientSecret
    expect(await scopeOf(server, await signIn(server))).toBe('read')
  })
})
