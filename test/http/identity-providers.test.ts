/** Signing in through providers that differ in what the protocol leaves open, or do otherwise. */
import { expect, test } from 'vitest'
import { readServerConfig } from '../../src/config/config.ts'
import { promptForAccount } from '../../src/http/access/identity-provider.ts'
import { createSingleSignOn, type SingleSignOn } from '../../src/http/access/single-sign-on.ts'
import { settingsFor } from '../web/browser-sign-in.ts'
import { openIdentityProvider, type IdentityProvider } from './identity-provider.ts'

const jane = { sub: '7', email: 'jane@example.com' }

/** Calls `use` with a provider that has these traits, and the sign-in of a server that trusts
 *  it. */
async function withProvider(
  traits: Partial<IdentityProvider> & { algorithm?: string; path?: string },
  use: (singleSignOn: SingleSignOn, provider: IdentityProvider) => Promise<void>,
): Promise<void> {
  const provider = await openIdentityProvider(traits.algorithm)
  const issuer = provider.url + (traits.path ?? '')
  Object.assign(provider, { claims: jane, issuer }, traits)
  const settings = { ...settingsFor(provider), TROVE_SSO_ISSUER: issuer }
  const config = readServerConfig({}, { ...settings, TROVE_SSO_ACCESS: '*=read:octo/*' })
  try {
    await use(createSingleSignOn(config)!, provider)
  } finally {
    await provider.close()
  }
}

/** Sends the browser to the provider and back; returns how the sign-in ends. */
async function begin(
  singleSignOn: SingleSignOn,
): Promise<() => ReturnType<SingleSignOn['finish']>> {
  const { url, attempt } = await singleSignOn.begin('/', 'current')
  const back = await fetch(url, { redirect: 'manual' })
  const { search } = new URL(back.headers.get('location')!)
  return async () => await singleSignOn.finish(search, attempt)
}

async function signIn(singleSignOn: SingleSignOn): Promise<unknown> {
  return await (
    await begin(singleSignOn)
  )()
}

function refusalWith(reason: string): object {
  return { code: 'unauthenticated', message: expect.stringContaining(reason) }
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
  await withProvider(traits, async (singleSignOn) => {
    for (let turn = 0; turn < 2; turn++) expect(await signIn(singleSignOn)).toMatchObject(jane)
  })
})

test('a client that the provider does not know is told so, and the form of its secret is found again', async () => {
  await withProvider({ authMethods: [header, form] }, async (singleSignOn, provider) => {
    const { clientSecret } = provider
    provider.clientSecret = 'another'
    await expect(signIn(singleSignOn)).rejects.toMatchObject(refusalWith('invalid_client'))
    provider.clientSecret = clientSecret
    for (const takesSecret of ['in the form', 'in the header'] as const) {
      provider.takesSecret = takesSecret
      expect(await signIn(singleSignOn)).toMatchObject(jane)
    }
  })
})

test('people who sign in at the same time find the form of the secret together', async () => {
  const traits: Partial<IdentityProvider> = {
    authMethods: [header, form],
    takesSecret: 'in the form',
  }
  await withProvider(traits, async (singleSignOn) => {
    const begun = [await begin(singleSignOn), await begin(singleSignOn)]
    const people = await Promise.all(begun.map(async (finish) => await finish()))
    expect(people).toMatchObject([jane, jane])
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
  await withProvider(traits, async (singleSignOn) => {
    expect(await signIn(singleSignOn)).toMatchObject(jane)
  })
})

// RFC 9207: a response of another provider must not be taken for one of this.
test('a provider that names itself in the redirect must be the one that was asked', async () => {
  const metadata = { authorization_response_iss_parameter_supported: true }
  await withProvider({ metadata }, async (singleSignOn, provider) => {
    provider.redirectParameters = { iss: provider.issuer }
    expect(await signIn(singleSignOn)).toMatchObject(jane)
    for (const redirectParameters of [{ iss: 'https://other.example.com' }, {}]) {
      Object.assign(provider, { redirectParameters })
      await expect(signIn(singleSignOn)).rejects.toMatchObject(refusalWith('"iss"'))
    }
  })
})

test('a provider that signs with the secret is rejected, by the name of that algorithm', async () => {
  const traits = { algorithm: 'HS256', clientSecret: 's'.repeat(32) }
  await withProvider(traits, async (singleSignOn) => {
    await expect(signIn(singleSignOn)).rejects.toMatchObject(
      refusalWith('unsupported JWS algorithm: HS256'),
    )
  })
})

test('a clock that is wrong by a quarter of an hour is told', async () => {
  await withProvider({ aheadSeconds: -900 }, async (singleSignOn) => {
    await expect(signIn(singleSignOn)).rejects.toMatchObject(
      refusalWith('expiration is past current timestamp'),
    )
  })
})

test.each<[string, IdentityProvider['failing'], string, string]>([
  ['failed keys', { path: '/keys', status: 500 }, 'busy', '/keys responded 500'],
  [
    'a wrong secret',
    {
      path: '/token',
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="id", error="invalid_client"' },
    },
    'unauthenticated',
    '/token responded 401: invalid_client',
  ],
])('%s ends the sign-in, and the reason is told', async (_, failing, code, reason) => {
  await withProvider({}, async (singleSignOn, provider) => {
    const finish = await begin(singleSignOn)
    provider.failing = failing
    const message = expect.stringContaining(reason) as string
    await expect(finish()).rejects.toMatchObject({ code, message })
  })
})

test('an issuer that is not that of the provider is told, with the right one', async () => {
  await withProvider({}, async (singleSignOn, provider) => {
    provider.issuer = `${provider.url}/realms/ci`
    await expect(begin(singleSignOn)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(`the provider calls itself ${provider.issuer}`),
    })
  })
})

test.each<[string, unknown, string]>([
  ['says nothing of accounts', undefined, 'login'],
  ['lets people select an account', ['none', 'login', 'select_account'], 'select_account'],
  ['does not', ['none', 'login', 'consent'], 'login'],
])('a provider that %s asks who it is on demand only', async (_, supported, prompt) => {
  const metadata = { prompt_values_supported: supported }
  await withProvider({ metadata }, async (singleSignOn) => {
    const promptFor = async (account: 'current' | 'another'): Promise<string | null> =>
      (await singleSignOn.begin('/', account)).url.searchParams.get('prompt')
    expect(await promptFor('current')).toBeNull()
    expect(await promptFor('another')).toBe(prompt)
  })
})

test.each([
  ['https://accounts.google.com', 'select_account'],
  ['https://login.microsoftonline.com/8eaef023/v2.0', 'select_account'],
  ['https://gitlab.com', 'login'],
])('%s is asked for another account with the prompt %s', (issuer, prompt) => {
  expect(promptForAccount({ issuer })).toBe(prompt)
})
