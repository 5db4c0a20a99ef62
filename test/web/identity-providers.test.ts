/** Signing in through providers that differ in what the protocol leaves open, or do otherwise. */
import { expect, test } from 'vitest'
import { promptForAccount } from '../../src/http/access/identity-provider.ts'
import { openIdentityProvider, type IdentityProvider } from '../http/identity-provider.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { beginSignIn, finishSignIn, settingsFor, signIn } from './browser-sign-in.ts'

const jane = { sub: '7', email: 'jane@example.com' }

/** Calls `use` with a provider that has these traits, and a server that trusts it. */
async function withProvider(
  traits: Partial<IdentityProvider> & { algorithm?: string; path?: string },
  use: (server: TestServer, provider: IdentityProvider) => Promise<void>,
): Promise<void> {
  const provider = await openIdentityProvider(traits.algorithm)
  const issuer = provider.url + (traits.path ?? '')
  Object.assign(provider, { claims: jane, issuer }, traits)
  const server = await openServer({
    ...settingsFor(provider),
    TROVE_SSO_ISSUER: issuer,
    TROVE_SSO_ACCESS: 'groups:ops=admin *=read:octo/*',
  })
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
    for (const takesSecret of ['in the form', 'in the header'] as const) {
      provider.takesSecret = takesSecret
      expect(await scopeOf(server, await signIn(server))).toBe('read')
    }
  })
})

test('people who sign in at the same time find the form of the secret together', async () => {
  const traits: Partial<IdentityProvider> = {
    authMethods: [header, form],
    takesSecret: 'in the form',
  }
  await withProvider(traits, async (server) => {
    const begun = [await beginSignIn(server), await beginSignIn(server)]
    const finished = await Promise.all(begun.map(async (each) => await finishSignIn(server, each)))
    expect(finished.map(({ status }) => status)).toEqual([303, 303])
  })
})

test.each<[string, Partial<IdentityProvider> & { algorithm?: string; path?: string }]>([
  ...['RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'].map((algorithm): [string, object] => [
    `signs with ${algorithm}`,
    { algorithm },
  ]),
  ['is behind a path', { path: '/realms/ci' }],
  ['has a slash at the end of its name', { path: '/application/o/trove/' }],
  ['has no userinfo endpoint', { metadata: { userinfo_endpoint: undefined } }],
  [
    'publishes more than is known, and less than is required',
    {
      metadata: {
        response_types_supported: undefined,
        subject_types_supported: undefined,
        code_challenge_methods_supported: ['plain'],
        end_session_endpoint: null,
        check_session_iframe: 'about:blank',
        x_of_ours: { any: ['thing'] },
      },
    },
  ],
  ['is ahead by minutes', { aheadSeconds: 240 }],
  ['is behind by minutes', { aheadSeconds: -240, lifeSeconds: 60 }],
  ['adds a session state to the redirect', { redirectParameters: { session_state: 'a b' } }],
])('a person signs in through a provider that %s', async (_, traits) => {
  await withProvider(traits, async (server) => {
    expect(await scopeOf(server, await signIn(server))).toBe('read')
  })
})

// RFC 9207: a response of another provider must not be taken for one of this.
test('a provider that names itself in the redirect must be the one that was asked', async () => {
  const metadata = { authorization_response_iss_parameter_supported: true }
  await withProvider({ metadata }, async (server, provider) => {
    const statusBy = async (redirectParameters: Record<string, string>): Promise<number> => {
      provider.redirectParameters = redirectParameters
      return (await finishSignIn(server, await beginSignIn(server))).status
    }
    expect(await statusBy({ iss: provider.issuer })).toBe(303)
    expect(await statusBy({ iss: 'https://other.example.com' })).toBe(401)
    expect(await statusBy({})).toBe(401)
  })
})

test('a provider that signs with the secret is rejected, by the name of that algorithm', async () => {
  const traits = { algorithm: 'HS256', clientSecret: 's'.repeat(32) }
  await withProvider(traits, async (server) => {
    const refused = await finishSignIn(server, await beginSignIn(server))
    expect(refused.status).toBe(401)
    expect(await refused.text()).toContain('unsupported JWS algorithm: HS256')
  })
})

test('a clock that is wrong by a quarter of an hour is told', async () => {
  await withProvider({ aheadSeconds: -900 }, async (server) => {
    const refused = await finishSignIn(server, await beginSignIn(server))
    expect(refused.status).toBe(401)
    expect(await refused.text()).toContain('expiration is past current timestamp')
  })
})

test.each<[string, unknown, string]>([
  ['says nothing of accounts', undefined, 'login'],
  ['lets people select an account', ['none', 'login', 'select_account'], 'select_account'],
  ['does not', ['none', 'login', 'consent'], 'login'],
])('a provider that %s asks who it is on demand only', async (_, supported, prompt) => {
  await withProvider({ metadata: { prompt_values_supported: supported } }, async (server) => {
    const promptAt = async (path: string): Promise<string | null> => {
      const begun = await server.send(path, { token: null })
      return new URL(begun.headers.get('location')!).searchParams.get('prompt')
    }
    expect(await promptAt('/sign-in/sso?next=%2Focto%2Fapp')).toBeNull()
    const page = await (await server.send('/sign-in?next=%2Focto%2Fapp', { token: null })).text()
    const path = '/sign-in/sso?next=%2Focto%2Fapp&account=another'
    expect(page).toContain(`href="${path.replace('&', '&amp;')}"`)
    expect(await promptAt(path)).toBe(prompt)
  })
})

test.each([
  ['https://accounts.google.com', 'select_account'],
  ['https://login.microsoftonline.com/8eaef023/v2.0', 'select_account'],
  ['https://gitlab.com', 'login'],
])('%s is asked for another account with the prompt %s', (issuer, prompt) => {
  expect(promptForAccount({ issuer })).toBe(prompt)
})
