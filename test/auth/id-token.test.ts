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
    [{ ref: 'refs/tags/v1' }, 'v1'],
    [{ ref: 'refs/pull/17/merge', head_ref: 'topic' }, 'topic'],
    [{ ref: 'refs/pull/17/merge' }, '17/merge'],
    [{ ref: undefined }, null],
  ])('with %j give the branch that the runner would name', (claims, branch) => {
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
