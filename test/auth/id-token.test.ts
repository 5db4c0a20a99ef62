import { describe, expect, test } from 'vitest'
import { grantOfIdToken } from '../../src/auth/id-token.ts'
import { tokenLifeSeconds } from '../../src/auth/token-request.ts'
import { latestBranch } from '../../src/core/policy/keep-latest.ts'
import { isOfPullRequest, noFacts } from '../../src/core/run/run.ts'
import { gitHubClaims, gitLabClaims } from '../http/issuer.ts'

const grantOf = (claims: object, job?: string) => grantOfIdToken(claims, { job }, 1000)

describe('the claims of GitHub', () => {
  test('give everything but the job', () => {
    expect(grantOf(gitHubClaims, 'build')).toEqual({
      scope: 'job',
      project: 'octo/app',
      run: { number: 22_259_804_324, attempt: 2 },
      job: 'build',
      facts: {
        ...noFacts,
        branch: 'main',
        sha: gitHubClaims.sha,
        workflow: 'CI',
        event: 'push',
        ordinal: 42,
        actor: 'octocat',
      },
      issuedAt: 1000,
      expiresAt: 1000 + tokenLifeSeconds * 1000,
      access: [],
      person: null,
      lineage: [],
    })
    expect(() => grantOf(gitHubClaims)).toThrow('names no job')
  })

  test.each([
    [{ ref: 'refs/heads/topic/x' }, 'topic/x'],
    [{ ref: 'refs/tags/main' }, 'refs/tags/main'],
    [{ ref: 'refs/heads/refs/tags/v1' }, 'refs/heads/refs/tags/v1'],
    [{ ref: 'refs/pull/17/merge', head_ref: 'topic' }, 'topic'],
    [{ ref: 'refs/pull/17/merge' }, '17/merge'],
    [{ ref: undefined }, null],
  ])('with %j give the branch, or the tag as a full ref', (claims, branch) => {
    expect(grantOf({ ...gitHubClaims, ...claims }, 'build').facts.branch).toBe(branch)
  })

  test('mark pull requests, including those that run the workflow of the base project', () => {
    const ofFork = { ...gitHubClaims, head_ref: 'main' }
    for (const event_name of ['pull_request', 'pull_request_target']) {
      const { facts } = grantOf({ ...ofFork, event_name }, 'build')
      expect(latestBranch(facts)).toBeNull()
    }
  })

  test('name the pull request by its ref, and the job adds its head', () => {
    const claims = { ...gitHubClaims, event_name: 'pull_request', ref: 'refs/pull/34/merge' }
    const told = { pullRequest: 35, headSha: 'head', actor: 'mallory', event: 'push' }
    const { facts } = grantOfIdToken(claims, { job: 'build', ...told }, 1000)
    expect(facts).toMatchObject({
      pullRequest: 34,
      headSha: 'head',
      actor: 'octocat',
      event: 'pull_request',
    })
  })

  test.each([
    { run_id: '0' },
    { run_id: '1e3' },
    { run_attempt: '-1' },
    { repository: 'octo' },
    { repository: 'octo/a b' },
  ])('with %j are rejected', (claims) => {
    expect(() => grantOf({ ...gitHubClaims, ...claims }, 'build')).toThrow(
      /must be|invalid project/,
    )
  })
})

test.each([
  ['42', 42],
  ['0', null],
  ['042', null],
  ['4x', null],
  ['x4', null],
  [undefined, null],
])('the run number %j is the ordinal %j', (run_number, ordinal) => {
  expect(grantOf({ ...gitHubClaims, run_number }, 'build').facts.ordinal).toBe(ordinal)
})

// An ID token can be exchanged again and again, also after all tokens of its project were revoked.
test('a grant is as old as its ID token, and never younger than the exchange', () => {
  const issuedAt = [0.5, 1, 2, undefined].map(
    (iat) => grantOf({ ...gitHubClaims, iat }, 'build').issuedAt,
  )
  expect(issuedAt).toEqual([500, 1000, 1000, 1000])
})

describe('the claims of GitLab', () => {
  test('give everything; the caller may name the job differently', () => {
    expect(grantOf(gitLabClaims)).toEqual({
      scope: 'job',
      project: 'octo/app',
      run: { number: 739, attempt: 1 },
      job: '10215',
      facts: {
        ...noFacts,
        branch: 'main',
        sha: gitLabClaims.sha,
        event: 'push',
        actor: 'tanuki',
      },
      issuedAt: 1000,
      expiresAt: 1000 + tokenLifeSeconds * 1000,
      access: [],
      person: null,
      lineage: [],
    })
    expect(grantOf(gitLabClaims, 'build').job).toBe('build')
  })

  test('may name projects in subgroups', () => {
    const project_path = 'acme/platform/api'
    expect(grantOf({ ...gitLabClaims, project_path }).project).toBe(project_path)
  })

  test('mark merge requests', () => {
    const claims = { ...gitLabClaims, pipeline_source: 'merge_request_event' }
    expect(isOfPullRequest(grantOf(claims).facts)).toBe(true)
  })
})

test.each([{}, { repository: 'octo/app' }, { project_path: 'octo/app', pipeline_id: 7 }])(
  '%j belong to no job',
  (claims) => {
    expect(() => grantOf(claims, 'build')).toThrow('does not belong to a job')
  },
)

const sha = '0123456789'.repeat(4)
const uuid = '018485f6-1f53-4f18-9b53-72428db4d239'

// Whole payloads, as the systems document or log them.
test.each<[string, object, string, number, string | null]>([
  [
    'GitHub, a pull request of an environment',
    {
      jti: uuid,
      sub: 'repo:octo@9919/app@296133:environment:Production',
      environment: 'Production',
      ref: 'refs/pull/17/merge',
      sha,
      repository: 'octo/app',
      repository_owner: 'octo',
      repository_owner_id: '9919',
      repository_id: '296133',
      repository_visibility: 'private',
      actor_id: '1',
      run_id: '1337',
      run_number: '10',
      run_attempt: '3',
      runner_environment: 'self-hosted',
      check_run_id: '55',
      actor: 'octocat',
      workflow: 'example',
      head_ref: 'topic',
      base_ref: 'main',
      event_name: 'pull_request',
      ref_type: 'branch',
      ref_protected: 'false',
      job_workflow_ref: 'octo/shared/.github/workflows/build.yml@refs/heads/main',
      iss: 'https://token.actions.githubusercontent.com/octo-enterprise',
      enterprise: 'octo-enterprise',
      nbf: 1,
      exp: 902,
      iat: 602,
    },
    'octo/app',
    1337,
    'topic',
  ],
  [
    'GitLab, a schedule of a subgroup on a runner with a number',
    {
      namespace_id: '72',
      namespace_path: 'octo/tools',
      project_id: '20',
      project_path: 'octo/tools/app',
      user_id: '1',
      user_login: null,
      user_email: '',
      user_access_level: 'developer',
      user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
      pipeline_id: '574',
      pipeline_source: 'schedule',
      job_id: '302',
      ref: 'v1.0',
      ref_type: 'tag',
      ref_path: 'refs/tags/v1.0',
      ref_protected: 'true',
      groups_direct: ['octo'],
      environment: 'production',
      environment_protected: 'false',
      runner_id: 1,
      runner_environment: 'self-hosted',
      sha,
      project_visibility: 'public',
      ci_config_ref_uri: 'gitlab.example.com/octo/tools/app//.gitlab-ci.yml@refs/heads/main',
      ci_config_sha: sha,
      sub: 'project_path:octo/tools/app:ref_type:tag:ref:v1.0',
    },
    'octo/tools/app',
    574,
    'refs/tags/v1.0',
  ],
])('the token of a job of %s is accepted', (_, claims, project, run, branch) => {
  const { facts, ...grant } = grantOf(claims, 'build')
  expect(grant).toMatchObject({ project, run: { number: run }, job: 'build' })
  expect(facts).toMatchObject({ branch, sha })
})

test.each([
  [
    // It does not tell a fork's pull request from a push, so `latest` could not ignore it.
    'Buildkite',
    {
      sub: `organization:octo:pipeline:app:ref:refs/heads/main:commit:${sha}:step:`,
      organization_slug: 'octo',
      pipeline_slug: 'app',
      build_number: 175,
      build_branch: 'main',
      build_commit: sha,
      step_key: null,
      job_id: uuid,
      agent_id: uuid,
    },
  ],
  [
    // Its runs have no numbers.
    'CircleCI',
    {
      sub: `org/${uuid}/project/${uuid}/user/${uuid}/vcs-origin/github.com/octo/app/vcs-ref/refs/heads/main`,
      'oidc.circleci.com/project-id': uuid,
      'oidc.circleci.com/context-ids': [uuid],
      'oidc.circleci.com/vcs-origin': 'github.com/octo/app',
      'oidc.circleci.com/vcs-ref': 'refs/heads/main',
    },
  ],
  ['a person of GitLab', { sub: '7', groups_direct: ['octo'], preferred_username: 'tanuki' }],
])('the token of %s is rejected', (_, claims) => {
  expect(() => grantOf(claims, 'build')).toThrow('does not belong to a job')
})
