/** Settings: precedence of sources, defaults, and problems that are reported together. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../src/client/client.ts'
import { namedServer } from '../src/cli/login/named-server.ts'
import { readClientConfig, readServerConfig } from '../src/config/config.ts'
import { ConfigError, type Environment } from '../src/config/settings.ts'
import { fileDirectory, testDirectory } from './temporary-directory.ts'

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('the settings were accepted')
}

test('the defaults in the README are those of the server', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const rows = [...readme.matchAll(/^\| `(TROVE_[A-Z_]+)` \|[^|]*\| `([^`]+)` \|/gm)]
  const documented = Object.fromEntries(rows.map(([, name, value]) => [name!, value!]))
  expect(rows.length).toBeGreaterThan(20)
  const settings = (env: Record<string, string>) => {
    const { knownVariables: _known, ...values } = readServerConfig({ data: 'data' }, env)
    return values
  }
  expect(settings(documented)).toEqual(settings({}))
})

test('an empty environment leaves open what follows from the machine', () => {
  const config = readServerConfig({}, {})
  expect(config.publicUrl).toBeNull()
  expect(config.workers).toBeGreaterThanOrEqual(1)
  expect(config.workers).toBeLessThanOrEqual(4)
  expect(Object.isFrozen(config)).toBe(true)
})

test('quotes that no shell has removed are refused, not taken as part of a list or a name', () => {
  const env = {
    TROVE_PUBLIC_PROJECTS: '"octo/* acme/**"',
    TROVE_DATA: "'/var/lib/trove'",
    TROVE_KEEP_LATEST: "it's/fine",
    GITHUB_WORKFLOW: '"quoted"',
  }
  const quoted = (name: string): string =>
    `${name} must not have quotes around it: they are part of its value here`
  const problems = problemsOf(() => readServerConfig({}, env))
  expect(problems.filter((problem) => problem.includes('quotes')).toSorted()).toEqual([
    quoted('TROVE_DATA'),
    quoted('TROVE_PUBLIC_PROJECTS'),
  ])
  expect(readClientConfig({}, { ...env, TROVE_PROJECT: 'octo/app' }).facts).toMatchObject({
    workflow: '"quoted"',
  })
})

test('a flag takes precedence over its variable', () => {
  const env = { TROVE_PORT: '1', TROVE_HOST: '0.0.0.0', TROVE_DATA: '/elsewhere' }
  expect(readServerConfig({ port: '0', host: '::1', data: '/here' }, env)).toMatchObject({
    port: 0,
    host: '::1',
    dataDir: '/here',
  })
})

test('sizes and durations accept units', () => {
  const env = {
    TROVE_MAX_ARTIFACT: '1.5 GiB',
    TROVE_IDLE_TIMEOUT: '90s',
    TROVE_UPLOAD_URL_TTL: '30m',
  }
  expect(readServerConfig({}, env)).toMatchObject({
    artifactBytesMax: 1.5 * 1024 ** 3,
    idleMs: 90_000,
    uploadUrlMs: 1_800_000,
  })
})

test('a public URL is an origin; one with a path is rejected, since links would drop the path', () => {
  for (const url of ['https://store.lan:8443', 'https://store.lan:8443/'])
    expect(readServerConfig({}, { TROVE_PUBLIC_URL: url }).publicUrl).toBe('https://store.lan:8443')
  for (const name of ['TROVE_PUBLIC_URL', 'TROVE_CONTENT_URL']) {
    const read = (): unknown => readServerConfig({}, { [name]: 'https://store.lan/trove' })
    expect(problemsOf(read)).toEqual([
      `${name} must be an origin without a path, such as https://store.lan, got "https://store.lan/trove"`,
    ])
  }
})

test('a URL of a server with a path or a user is rejected, not shortened', () => {
  const faults = [
    ['https://store.lan/trove', 'must be an origin without a path, such as https://store.lan, got'],
    ['https://store.lan?x', 'must be an origin without a path, such as https://store.lan, got'],
    ['https://u:secret@store.lan/', 'must be an origin without a user and a password, such as'],
  ] as const
  for (const [url, fault] of faults) {
    for (const [name, read] of [
      ['TROVE_URL', () => readClientConfig({}, { TROVE_URL: url })],
      ['--url', () => readClientConfig({ url }, {})],
      ['URL', () => namedServer(url, undefined)],
    ] as const) {
      const problems = problemsOf(read)
      expect(problems).toEqual([expect.stringContaining(`${name} ${fault}`)])
      expect(problems.join('')).not.toContain('secret')
    }
    expect(() => createClient({ url, token: null })).toThrow(`url ${fault}`)
  }
  // GitHub sets a path there, which its client drops.
  const results = 'https://store.lan/_apis/results/'
  expect(readClientConfig({}, { ACTIONS_RESULTS_URL: results }).url).toBe('https://store.lan')
})

test.each([
  [{}, { bars: true, noColor: false }],
  [
    { TERM: 'xterm', NO_COLOR: '' },
    { bars: true, noColor: false },
  ],
  [
    { TERM: 'xterm', NO_COLOR: '1' },
    { bars: true, noColor: true },
  ],
  [{ TERM: 'dumb' }, { bars: false, noColor: true }],
  [
    { CI: 'true', TERM: 'xterm' },
    { bars: false, noColor: false },
  ],
])('with %j, a terminal is treated as %j', (env, expected) => {
  expect(readClientConfig({}, env)).toMatchObject(expected)
})

test('public projects are globs of projects; by default there are none', () => {
  const read = (text: string): unknown =>
    readServerConfig({}, { TROVE_PUBLIC_PROJECTS: text }).publicProjects
  expect(read('')).toEqual([])
  expect(read('octo/app  acme/**')).toEqual([
    { scope: 'read', projects: 'octo/app' },
    { scope: 'read', projects: 'acme/**' },
  ])
  for (const text of ['octo', 'octo/app,acme/app~x', '/octo/app'])
    expect(problemsOf(() => read(text))).toEqual([
      expect.stringMatching(/^TROVE_PUBLIC_PROJECTS is invalid: .*must be a glob of OWNER\/REPO/),
    ])
})

test('a bucket may have a folder and a custom endpoint', () => {
  const read = (env: Environment): unknown => readServerConfig({}, env).packBucket
  expect(read({})).toBeNull()
  expect(read({ TROVE_S3_BUCKET: 'ci-artifacts', AWS_REGION: 'eu-central-1' })).toEqual({
    bucket: 'ci-artifacts',
    prefix: '',
    region: 'eu-central-1',
    endpoint: null,
  })
  const endpoint = 'https://s3.lan:9000'
  const own = { TROVE_S3_BUCKET: 'cid/trove/main/', TROVE_S3_ENDPOINT: `${endpoint}/` }
  expect(read(own)).toEqual({
    bucket: 'cid',
    prefix: 'trove/main/',
    region: 'us-east-1',
    endpoint,
  })
  for (const name of ['CID', 's3://cid', 'c', 'cid//a', 'cid/ä'])
    expect(problemsOf(() => read({ TROVE_S3_BUCKET: name }))).toEqual([
      `TROVE_S3_BUCKET must be the name of a bucket, 3 to 63 characters, or BUCKET/FOLDER, got "${name}"`,
    ])
  expect(problemsOf(() => read({ TROVE_S3_ENDPOINT: endpoint }))).toEqual([
    'TROVE_S3_ENDPOINT requires TROVE_S3_BUCKET',
  ])
})

test('a content URL may have a star only as the first label of its host', () => {
  const read = (url: string): string | null =>
    readServerConfig({}, { TROVE_CONTENT_URL: url }).contentUrl
  for (const url of ['https://content.lan', 'https://*.content.lan:8443'])
    expect(read(url)).toBe(url)
  for (const url of [
    'https://a.*.lan',
    'https://*.*.lan',
    'https://a*.lan',
    'https://*',
    'https://*.',
  ])
    expect(problemsOf(() => read(url))).toEqual([
      `TROVE_CONTENT_URL may have a * only as the first label of its host, got ${url}`,
    ])
})

test('the message for a bad value mentions the word for "no bound" only where it is accepted', () => {
  const env: Environment = {
    TROVE_GC_INTERVAL: 'never',
    TROVE_COMPACT_RATE: '0',
    TROVE_IDLE_TIMEOUT: 'off',
    TROVE_STORE_QUOTA: '0',
    TROVE_MIN_FREE: '5%',
  }
  expect(problemsOf(() => readServerConfig({}, env))).toEqual([
    'TROVE_GC_INTERVAL must be a duration such as 90s, 24h or 7d, from 1s to 7d, or off, got "never"',
    'TROVE_COMPACT_RATE must be a size such as 500MB or 64GiB above 0, or unlimited, got "0"',
    'TROVE_STORE_QUOTA must be a size such as 500MB or 64GiB above 0, got "0"',
    'TROVE_MIN_FREE must be a size such as 500MB or 64GiB, got "5%"',
    'TROVE_IDLE_TIMEOUT must be a duration such as 90s, 24h or 7d, from 1s to 1h, got "off"',
  ])
})

test('acknowledgements wait for the bucket only where snapshots are in one', () => {
  const env: Environment = { TROVE_CHANGES_INTERVAL: '0', TROVE_S3_BUCKET: 'ci-artifacts' }
  expect(readServerConfig({}, env).changesIntervalMs).toBeNull()
  const without = { ...env, TROVE_S3_BUCKET: undefined, TROVE_SNAPSHOT_INTERVAL: 'off' }
  expect(problemsOf(() => readServerConfig({}, without))).toEqual([
    'TROVE_CHANGES_INTERVAL can be 0 only with TROVE_S3_BUCKET',
    'TROVE_CHANGES_INTERVAL can be 0 only with a TROVE_SNAPSHOT_INTERVAL',
  ])
})

test('a start restores only what is in a bucket', () => {
  const env: Environment = { TROVE_RESTORE: 'on', TROVE_S3_BUCKET: 'ci-artifacts' }
  expect(readServerConfig({}, env).restore).toBe(true)
  const without = { ...env, TROVE_S3_BUCKET: undefined, TROVE_SNAPSHOT_INTERVAL: 'off' }
  expect(problemsOf(() => readServerConfig({}, without))).toEqual([
    'TROVE_RESTORE can be on only with TROVE_S3_BUCKET',
    'TROVE_RESTORE can be on only with a TROVE_SNAPSHOT_INTERVAL',
  ])
})

test('keys are given in base64, with or without line breaks', () => {
  const secret = Buffer.alloc(32, 7)
  const pem = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  const text = Buffer.from(pem).toString('base64')
  const env: Environment = {
    TROVE_SECRET_KEY: `${secret.toString('base64')}\n`,
    TROVE_ATTESTATION_KEY: `${text.slice(0, 20)}\n${text.slice(20)}`,
  }
  expect(readServerConfig({}, env)).toMatchObject({
    secretKey: secret,
    attestationKey: Buffer.from(pem),
  })
  expect(readServerConfig({}, {})).toMatchObject({ secretKey: null, attestationKey: null })
  const wrong = { TROVE_SECRET_KEY: secret.toString('hex'), TROVE_ATTESTATION_KEY: pem }
  expect(problemsOf(() => readServerConfig({}, wrong))).toEqual([
    'TROVE_SECRET_KEY must be the 32 bytes of secret.key in base64',
    'TROVE_ATTESTATION_KEY must be the PEM file attestation.key in base64',
  ])
})

test('unknown variables with our prefix are reported, whether flags are given or not', () => {
  const env: Environment = {
    TROVE_RETENTION_DAY: '5',
    TROVE_PORT: '1',
    TROVE_HOST: 'localhost',
    TROVE_DATA: '/x',
    TROVE_TOKEN: 'x',
    OTHER: 'x',
  }
  const flags = { port: '2', host: '::1', data: '/y' }
  expect(readServerConfig({}, env).unknownVariables).toEqual(['TROVE_RETENTION_DAY'])
  expect(readServerConfig(flags, env).unknownVariables).toEqual(['TROVE_RETENTION_DAY'])
})

test('no setting of commands looks like a misspelled one of the server', () => {
  const read = new Set<string>()
  const recording = new Proxy<Environment>(
    {},
    {
      get: (_, name) => {
        read.add(String(name))
        return undefined
      },
    },
  )
  readClientConfig({}, recording)
  const own = [...read].filter((name) => name.startsWith('TROVE_'))
  expect(own).toContain('TROVE_URL')
  const env = Object.fromEntries(own.map((name) => [name, '1m']))
  expect(readServerConfig({}, env).unknownVariables).toEqual([])
})

test('all problems are reported at once, each with its variable and what it accepts', () => {
  const env: Environment = {
    TROVE_PORT: '99999',
    TROVE_MAX_ARTIFACT: 'lots',
    TROVE_ON_CONFLICT: 'merge',
    TROVE_IDLE_TIMEOUT: '5',
    TROVE_COMPRESSION_LEVEL: '10',
    TROVE_PUBLIC_URL: 'store.lan',
  }
  const problems = problemsOf(() => readServerConfig({}, env))
  expect(problems).toHaveLength(6)
  for (const name of Object.keys(env)) expect(problems.join('\n')).toContain(name)
  expect(problems.join('\n')).toContain('reject or replace')
})

test('a port that Kubernetes set for a Service called trove is reported as such', () => {
  const env = { TROVE_PORT: 'tcp://10.0.0.1:7878' }
  expect(() => readServerConfig({}, env)).toThrow(/^TROVE_PORT .*enableServiceLinks: false/)
  expect(readServerConfig({ port: '80' }, env).port).toBe(80)
})

test('contradictory retention bounds are rejected', () => {
  const env = { TROVE_RETENTION_DAYS: '30', TROVE_RETENTION_MAX_DAYS: '10' }
  expect(problemsOf(() => readServerConfig({}, env))).toEqual([
    'TROVE_RETENTION_DAYS must lie between TROVE_RETENTION_MIN (1h) and TROVE_RETENTION_MAX_DAYS (10d), is 30d',
  ])
})

test('client settings prefer flags, then TROVE_ variables, then variables of the CI job', () => {
  const env = {
    TROVE_RUN: '7',
    GITHUB_RUN_ID: '8',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_JOB: 'build',
    GITHUB_REPOSITORY: 'octo/app',
    GITHUB_REF_NAME: '17/merge',
    GITHUB_HEAD_REF: 'feature',
    ACTIONS_RESULTS_URL: 'http://store.lan:1234/ignored/path',
    ACTIONS_RUNTIME_TOKEN: 'runtime',
  }
  expect(readClientConfig({ job: 'test' }, env)).toMatchObject({
    url: 'http://store.lan:1234',
    token: 'runtime',
    project: 'octo/app',
    run: 7,
    attempt: 2,
    job: 'test',
    facts: { branch: 'feature' },
  })
  const ofTag = { GITHUB_REF: 'refs/tags/main', GITHUB_REF_NAME: 'main', GITHUB_HEAD_REF: '' }
  const branches = [
    readClientConfig({}, ofTag),
    readClientConfig({ branch: 'given' }, ofTag),
    readClientConfig({}, { CI_COMMIT_TAG: 'main', CI_COMMIT_REF_NAME: 'main' }),
    readClientConfig({}, { ...ofTag, GITHUB_REF: 'refs/heads/main' }),
  ].map(({ facts }) => facts.branch)
  expect(branches).toEqual(['refs/tags/main', 'given', 'refs/tags/main', 'main'])
  // As from `--branch "$BRANCH_NAME"` with an unset variable.
  expect(readClientConfig({ branch: '', sha: '' }, env)).toMatchObject({
    facts: { branch: 'feature', sha: null },
  })
})

const eventFile = join(fileDirectory(), 'event.json')
const gitHubJob = {
  GITHUB_EVENT_PATH: eventFile,
  GITHUB_SHA: 'merge',
  GITHUB_RUN_NUMBER: '12',
  GITHUB_ACTOR: 'octocat',
}

test.each([
  ['pull_request', 'refs/pull/34/merge', { pullRequest: 34, headSha: 'head' }],
  ['pull_request', 'refs/pull/35/head', { pullRequest: 35, headSha: 'head' }],
  ['pull_request_target', 'refs/heads/main', { pullRequest: 34, headSha: 'head' }],
  // The payload of another event can be about a pull request that it does not build.
  ['push', 'refs/heads/main', { pullRequest: null, headSha: null }],
])('the facts of a %s on %s are read from the job of GitHub', (event, ref, found) => {
  writeFileSync(eventFile, JSON.stringify({ pull_request: { number: 34, head: { sha: 'head' } } }))
  const env = { ...gitHubJob, GITHUB_EVENT_NAME: event, GITHUB_REF: ref }
  const facts = { event, sha: 'merge', ordinal: 12, actor: 'octocat', ...found }
  expect(readClientConfig({}, env).facts).toMatchObject(facts)
})

test('without a usable file of the event, the number of a pull request is that of the ref', () => {
  const job = { ...gitHubJob, GITHUB_EVENT_NAME: 'pull_request', GITHUB_REF: 'refs/pull/34/merge' }
  for (const [path, text] of [
    [`${eventFile}.absent`, ''],
    [eventFile, 'not JSON'],
    [eventFile, 'null'],
    [eventFile, '{"pull_request":{"number":"35","head":7}}'],
  ] as const) {
    writeFileSync(eventFile, text)
    const { facts } = readClientConfig({}, { ...job, GITHUB_EVENT_PATH: path })
    expect([path, text, facts]).toMatchObject([path, text, { pullRequest: 34, headSha: null }])
  }
})

test('the facts of a merge request are read from the job of GitLab', () => {
  const env = {
    CI_PIPELINE_SOURCE: 'merge_request_event',
    CI_PIPELINE_IID: '12',
    CI_MERGE_REQUEST_IID: '34',
    CI_MERGE_REQUEST_SOURCE_BRANCH_SHA: 'head',
    CI_COMMIT_REF_NAME: 'topic',
    CI_COMMIT_SHA: 'merge',
    GITLAB_USER_LOGIN: 'tanuki',
  }
  expect(readClientConfig({}, env).facts).toEqual({
    branch: 'topic',
    sha: 'merge',
    workflow: null,
    event: 'merge_request_event',
    ordinal: 12,
    pullRequest: 34,
    headSha: 'head',
    actor: 'tanuki',
  })
})

test('the project is read from the variables of a GitLab job, subgroups included', () => {
  const env = { CI_PROJECT_PATH: 'acme/platform/api' }
  expect(readClientConfig({}, env).project).toBe('acme/platform/api')
  expect(readClientConfig({}, { ...env, TROVE_PROJECT: 'octo/app' }).project).toBe('octo/app')
})

test('a token is read from a file, and an unreadable file is reported as a problem', () => {
  const file = join(testDirectory(), 'token')
  writeFileSync(file, 'secret\n')
  expect(readClientConfig({}, { TROVE_TOKEN_FILE: file }).token).toBe('secret')
  expect(readClientConfig({}, { TROVE_TOKEN_FILE: file, TROVE_TOKEN: 'other' }).token).toBe('other')
  const [problem] = problemsOf(() => readClientConfig({}, { TROVE_TOKEN_FILE: `${file}.absent` }))
  expect(problem).toContain('TROVE_TOKEN_FILE')
})

test('an empty file, such as that of a secret that is not there yet, holds no token', () => {
  const file = join(testDirectory(), 'token')
  writeFileSync(file, '\n')
  const client = problemsOf(() => readClientConfig({}, { TROVE_TOKEN_FILE: file }))
  expect(client).toEqual(['TROVE_TOKEN_FILE must hold a token and nothing else'])
  const server = problemsOf(() => readServerConfig({}, { TROVE_SSO_CLIENT_SECRET_FILE: file }))
  expect(server).toContain('TROVE_SSO_CLIENT_SECRET_FILE must hold a token and nothing else')
})

test('a token is not awaited from a named pipe that nobody may ever write to', async () => {
  const pipe = join(testDirectory(), 'pipe')
  execFileSync('mkfifo', [pipe])
  // Reading it would block this process.
  const problems = problemsOf(() => readClientConfig({}, { TROVE_TOKEN_FILE: pipe }))
  expect(problems).toEqual([
    expect.stringContaining('TROVE_TOKEN_FILE must name a file, or a pipe'),
  ])
})

test('a token may end in a line feed but hold no other character that is invalid in a header', () => {
  expect(readClientConfig({}, { TROVE_TOKEN: 'secret\n' }).token).toBe('secret')
  for (const name of ['TROVE_TOKEN', 'ACTIONS_RUNTIME_TOKEN']) {
    const problems = problemsOf(() => readClientConfig({}, { [name]: 'two\nlines' }))
    expect(problems).toEqual([`${name} must hold a token and nothing else`])
  }
})

test('a malformed project is reported with the variable it came from', () => {
  const [problem] = problemsOf(() => readClientConfig({}, { GITHUB_REPOSITORY: 'no-slash' }))
  expect(problem).toContain('GITHUB_REPOSITORY')
})
