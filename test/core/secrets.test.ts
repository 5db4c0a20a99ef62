import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  countsAt,
  findSecrets,
  isCredentialPath,
  isTextPath,
  secretTitle,
  skippedFilesPart,
} from '../../src/core/secrets/secrets.ts'
import type { SecretKind } from '../../src/core/secrets/secret-rules.ts'
import { checkoutConfig, githubToken, randomText, withChecksum } from './made-up-secrets.ts'

const find = (text: string): ReturnType<typeof findSecrets> => findSecrets(Buffer.from(text))
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const jwt = (claims: object): string =>
  [{ alg: 'RS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat(randomText(43))
    .join('.')

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const pkcs8 = rsa.export({ type: 'pkcs8', format: 'pem' }).toString()
const hex = 'deadbeef01723a4c'
const slackTeam = '123456789012-210987654321'

const samples: Record<SecretKind, string[]> = {
  'git-authorization': [checkoutConfig().split('\n').at(-2)!],
  'github-token': [
    githubToken(),
    `token=ghp_${withChecksum(randomText(30))}"`,
    `ghr_${withChecksum(randomText(70))}`,
  ],
  'github-app-token': [`ghs_12345_${jwt({ app: 1 })}`],
  'github-fine-grained-token': [`github_pat_${randomText(22)}_${randomText(59)}`],
  'gitlab-token': [
    `glpat-${randomText(20)}`,
    `glpat-${randomText(44)}.01.0a1b2c3d4`.slice(0, -2),
    `gldt-${randomText(20)}`,
    `glrt-${randomText(20)}`,
    `glcbt-64_${randomText(20)}`,
    `glptt-${hex}${hex}0dd1cafe`,
  ],
  'npm-token': [`npm_${withChecksum(randomText(30))}`],
  'registry-password': [
    `//npm.acme.dev/:_authToken=${randomText(36)}`,
    `//npm.acme.dev/api/:_auth = ${base64(`ci:${randomText(20)}`)}`,
    `npmAuthToken: "${randomText(36)}"`,
  ],
  'pypi-token': [`password = pypi-AgEIcHlwaS5vcmc${randomText(150)}`],
  'aws-secret-key': [
    `aws_secret_access_key = ${randomText(40)}`,
    `export AWS_SECRET_ACCESS_KEY="${randomText(38)}/+"`,
    `"SecretAccessKey": "${randomText(40)}",`,
  ],
  'slack-token': [
    `xoxb-${slackTeam}-${randomText(24)}`,
    `xoxp-${slackTeam}-123456789013-${hex}${hex}`,
    `xapp-1-A0123BCDEF4-1234567890123-${hex.repeat(4)}`,
  ],
  'slack-webhook': [`https://hooks.slack.com/services/T02ABCDEF/B03ABCDEFGH/${randomText(24)}`],
  'private-key': [
    pkcs8,
    rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pkcs8.replaceAll('\n', '\r\n'),
    JSON.stringify({ type: 'service_account', private_key: pkcs8 }),
    openSshKey('none'),
  ],
  'kubernetes-key': [`    client-key-data: ${base64(pkcs8)}`],
  'azure-storage-key': [
    `DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${randomText(86)}==;EndpointSuffix=core.windows.net`,
  ],
  'netrc-password': [`machine github.com login ci password ${randomText(20)}`],
  'url-password': [
    `\turl = https://ci:${randomText(20)}@git.acme.dev/app.git`,
    `https://ci:${randomText(20)}@git.acme.dev`,
  ],
  'docker-password': [
    JSON.stringify({ auths: { 'ghcr.io': { auth: base64(`ci:${randomText(20)}`) } } }),
  ],
  'job-token': [jwt({ iss: 'trove', scope: 'job' }), jwt({ scp: 'Actions.Results:1:2' })],
  'env-secret': [
    `DB_PASSWORD=${randomText(20)}7a`,
    `export SESSION_SECRET="${randomText(32)}7a"`,
    `STRIPE_API_KEY = ${randomText(32)}7a`,
  ],
}

/** The beginning of a key as ssh-keygen writes it; what follows the cipher does not matter here. */
function openSshKey(cipher: string): string {
  const head = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    Buffer.from([0, 0, 0, cipher.length]),
  ])
  const body = Buffer.concat([head, Buffer.from(cipher), Buffer.from(randomText(300))])
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`
}

describe('secrets', () => {
  test.each(Object.entries(samples))('%s', (kind, texts) => {
    for (const text of texts)
      expect(find(`first\n${text}\nlast\n`), text).toEqual([{ kind, line: 2 }])
    expect(secretTitle(kind as SecretKind)).not.toBe('')
  })

  // Published at https://github.com/therootcompany/base62-token.js: expired, and split here to hide
  // them from scanners.
  test('tokens issued by GitHub have the checksum', () => {
    for (const [head, tail] of [
      ['zQWBuTSOoRi4A9spHc', 'VY5ncnsDkxkJ0mLq17'],
      ['adE7dp8rHP6gUTuPwx', 'LTZjZdtya3sV0UQzQM'],
    ])
      expect(find(`ghp_${head}${tail}`)).toEqual([{ kind: 'github-token', line: 1 }])
  })

  test('findings are one per line, in line order, and at most twenty', () => {
    const token = githubToken()
    expect(find(`GITHUB_TOKEN=${token} ${token}\n\n//a.dev/:_authToken=${randomText(36)}`)).toEqual(
      [
        { kind: 'github-token', line: 1 },
        { kind: 'registry-password', line: 3 },
      ],
    )
    expect(find(`${token}\n`.repeat(100))).toHaveLength(20)
  })

  test('UTF-16 as written by Windows is scanned, binary data is not', () => {
    const text = `\ufeffone\r\n${githubToken()}\r\n`
    expect(findSecrets(Buffer.from(text, 'utf16le'))).toEqual([{ kind: 'github-token', line: 2 }])
    expect(find(`\0${githubToken()}`)).toEqual([])
  })
})

describe('not secrets', () => {
  test.each([
    ['a wrong checksum', `ghp_${'a'.repeat(30)}AAAAAA`],
    ['part of a longer word', `x${githubToken()}`],
    ['a placeholder', 'github_pat_' + 'x'.repeat(22) + '_' + 'x'.repeat(59)],
    ['a variable of .npmrc', '//npm.acme.dev/:_authToken=${NODE_AUTH_TOKEN}'],
    ['a value masked by a log', 'extraheader = AUTHORIZATION: basic ***'],
    ['a checkout without a token', checkoutConfig('***')],
    [
      'the example key of the manual',
      'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    ],
    ['an access key id', `aws_access_key_id = AKIA${'ABCDEFGH23456723'}`],
    ['a digest', `secret_access_key: ${'0123456789abcdef0123456789abcdef01234567'}`],
    [
      'the example webhook of the manual',
      `https://hooks.slack.com/services/T00000000/B00000000/${'X'.repeat(24)}`,
    ],
    [
      'a public key',
      rsa.export({ type: 'pkcs8', format: 'pem' }).toString().replaceAll('PRIVATE', 'PUBLIC'),
    ],
    [
      'text in place of a key',
      `-----BEGIN PRIVATE KEY-----\n${'MIIEvQ...\n'.repeat(10)}-----END PRIVATE KEY-----`,
    ],
    [
      'a key with a passphrase',
      rsa
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
        .toString(),
    ],
    ['an OpenSSH key with a passphrase', openSshKey('aes256-ctr')],
    [
      'a PKCS #1 key with a passphrase',
      rsa
        .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
        .toString(),
    ],
    ["another issuer's JWT", jwt({ iss: 'https://accounts.google.com' })],
    [
      'the key of the Azure emulator',
      `AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6${'IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='}`,
    ],
    ['a certificate', `client-key-data: ${base64(pkcs8.replaceAll('PRIVATE KEY', 'CERTIFICATE'))}`],
    ['a placeholder login', 'machine github.com login you password <your-token-here>'],
    ['a setting', 'TOKEN_LIFETIME=3600\nAPI_KEY=\nSECRET_KEY=change-me-please-now-1'],
    ['a variable that is public by its prefix', `NEXT_PUBLIC_API_KEY=${randomText(32)}7a`],
    ['a path', 'TLS_PRIVATE_KEY=/etc/ssl/private/acme2024.key'],
  ])('%s', (_what, text) => {
    expect(find(text)).toEqual([])
  })
})

test('no text takes long to scan, even if crafted', () => {
  // Each would take minutes with a backtracking pattern; together they take a second.
  const pieces = [
    'eyJ',
    '-eyJ',
    ' eyJaaaaaaaaaaa.eyJaaaaaaaaaaa',
    'machine ',
    'machine a login ',
    'ghp_',
    '-ghs_1_eyJaaaaa',
    ' glpat-aaaaaaaaaaa',
  ]
  pieces.push(
    '-----BEGIN PRIVATE KEY-----',
    'A_TOKEN_A_TOKEN_A_TOKEN_A_TOKEN\n',
    '"auth" : "aaaaaaaaaaaaaaa',
    'secret_access_key ',
  )
  pieces.push(
    'extraheader = authorization: basic ',
    '\n//a.a.a.a.a/',
    '\nhttps://:aaaaaaa',
    ' xoxp-123456789-123456789-',
  )
  const startedAt = performance.now()
  for (const piece of pieces) expect(find(piece.repeat(2 ** 20 / piece.length))).toEqual([])
  expect(performance.now() - startedAt).toBeLessThan(30_000)
})

test('skipped files are reported if there are any', () => {
  expect([0, 1, 2].map(skippedFilesPart)).toEqual([
    '',
    '; 1 file skipped (too large, too many or damaged)',
    '; 2 files skipped (too large, too many or damaged)',
  ])
})

test('the paths that are scanned', () => {
  for (const path of [
    '.git/config',
    'app/.git/config',
    '.env',
    'web/.env.production',
    '.npmrc',
    '.netrc',
  ])
    expect(isCredentialPath(path), path).toBe(true)
  for (const path of [
    '.docker/config.json',
    '.kube/config',
    '.aws/credentials',
    'keys/id_ed25519',
    'tls/server.key',
  ])
    expect(isCredentialPath(path), path).toBe(true)
  for (const path of ['build.log', 'a/b/values.yaml', 'key.json', '.config/x.toml'])
    expect(isTextPath(path), path).toBe(true)
  for (const path of ['index.js', 'config', 'environment.ts', 'git/config'])
    expect(isCredentialPath(path) || isTextPath(path), path).toBe(false)
})

test('keys for tests, and variables outside of .env files, do not count', () => {
  for (const path of [
    'test/server.key',
    'pkg/fixtures/a.pem',
    'ssl-cert-snakeoil.key',
    'a/test-key.pem',
    'src/__tests__/k.pem',
  ])
    expect(countsAt('private-key', path), path).toBe(false)
  for (const path of [
    'server.key',
    '.ssh/id_rsa',
    'contest/a.pem',
    'latest/a.key',
    'attestation.pem',
  ])
    expect(countsAt('private-key', path), path).toBe(true)
  expect(countsAt('github-token', 'test/x.txt')).toBe(true)
  for (const path of ['.env', 'a/.env.local', '.env.production.local'])
    expect(countsAt('env-secret', path), path).toBe(true)
  for (const path of ['.env.example', '.env.test', 'a.env', 'build.log'])
    expect(countsAt('env-secret', path), path).toBe(false)
  expect(countsAt('url-password', '.git/config')).toBe(true)
  expect(countsAt('url-password', 'README.txt')).toBe(false)
})

test('the time is that of the length, however many findings are on one line', () => {
  const found = `machine a login b password c7Xq9Lm2Zp\t`
  const timeOf = (repeats: number): number => {
    const bytes = Buffer.from(found.repeat(repeats))
    const begun = performance.now()
    expect(findSecrets(bytes)).toEqual([{ kind: 'netrc-password', line: 1 }])
    return performance.now() - begun
  }
  const least = (repeats: number): number => Math.min(...[1, 2, 3].map(() => timeOf(repeats)))
  // Eight times as long; sixty times if each finding looks for the end of the line.
  expect(least(100_000) / least(12_500)).toBeLessThan(25)
})
