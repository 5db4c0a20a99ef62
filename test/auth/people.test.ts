/** What the grant of a person is worth after their last sign-in, against a plain model: in each
 *  project, the lesser of what the grant asks for and what its person has. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPeople, type People } from '../../src/auth/people.ts'
import { limitedTo } from '../../src/auth/person-grant.ts'
import {
  emptyGrant,
  isJob,
  mayAdminister,
  mayInspectProject,
  mayWriteProject,
  type Principal,
  scopes,
} from '../../src/auth/principal.ts'
import { compileProjectGlobs } from '../../src/core/access/project-globs.ts'
import type { SignInAccess } from '../../src/core/access/sign-in-rules.ts'
import { parseProjectName, type ProjectName } from '../../src/core/run/run.ts'

const projects = ['octo/app', 'octo/lib', 'acme/x', 'other/y'].map(parseProjectName)
const globs = ['octo/app', 'octo/*', 'acme/*', '**']
const matching = new Map(globs.map((glob) => [glob, compileProjectGlobs([glob])]))
const person = { id: 'p1', name: 'jane' }
const powers = ['none', 'read', 'write', 'admin'] as const

/** Each is an index of `powers`. */
function powerOf(holder: Principal | undefined, project: ProjectName): number {
  if (holder === undefined) return 0
  if (mayAdminister(holder)) return 3
  if (mayWriteProject(holder, project)) return 2
  return mayInspectProject(holder, project) ? 1 : 0
}

/** What a person with this access may do in a project. */
function heldIn(access: SignInAccess, project: ProjectName): number {
  if (access === 'admin') return 2
  const scopesHere = access.flatMap((each) =>
    matching.get(each.projects)!(project) ? [each.scope] : [],
  )
  return scopesHere.includes('write') ? 2 : scopesHere.length > 0 ? 1 : 0
}

const accesses: fc.Arbitrary<SignInAccess> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('admin' as const) },
  {
    weight: 4,
    arbitrary: fc.array(
      fc.record({
        scope: fc.constantFrom('read' as const, 'write' as const),
        projects: fc.constantFrom(...globs),
      }),
      { maxLength: 3 },
    ),
  },
)
const grants: fc.Arbitrary<Principal> = fc
  .record({ scope: fc.constantFrom(...scopes), project: fc.constantFrom(null, ...projects) })
  .map(({ scope, project }) => ({
    ...emptyGrant,
    scope,
    // Jobs have a project.
    project: scope === 'job' || scope === 'run' ? (project ?? projects[0]!) : project,
    run: { number: 1, attempt: 1 },
    job: 'build',
    person,
    issuedAt: 0,
    expiresAt: 1,
  }))

test('a grant is worth the lesser of what it asks for and what its person has', () => {
  fc.assert(
    fc.property(accesses, grants, (access, grant) => {
      const limited = limitedTo(access, grant)
      if (isJob(grant)) {
        expect(limited).toEqual(heldIn(access, grant.project!) === 2 ? grant : undefined)
        return
      }
      for (const project of projects) {
        const isNamed = grant.project === null || grant.project === project
        const held = heldIn(access, project)
        const wanted =
          grant.scope === 'admin'
            ? access === 'admin'
              ? 3
              : held
            : isNamed
              ? Math.min(held, grant.scope === 'write' ? 2 : 1)
              : 0
        expect([project, powers[powerOf(limited, project)]]).toEqual([project, powers[wanted]])
      }
      const mayNothing = projects.every((project) => powerOf(limited, project) === 0)
      expect(limited === undefined).toBe(mayNothing)
    }),
    { numRuns: 300 },
  )
})

const ofPerson: Principal = { ...emptyGrant, scope: 'write', person, issuedAt: 0, expiresAt: 1 }
const awakeMs = 1000
function peopleWith(...known: SignInAccess[]): { people: People; signIn(turn: number): void } {
  const rules = known.map((access, turn) => ({
    who: String(turn),
    claim: null,
    matches: () => true,
    access,
  }))
  const people = createPeople([], { rules, awakeMs, signInUrl: 'https://store/sign-in' })
  const signIn = (turn: number): void => {
    people.note({ ...person, rules: [String(turn)], signedInAt: turn })
  }
  return { people, signIn }
}

function limitOrNone(people: People, grant: Principal, now: number): Principal | undefined {
  try {
    return people.limit(grant, now) ?? expect.fail('nothing is left')
  } catch (error) {
    expect(error).toMatchObject({ code: 'unauthenticated' })
    return undefined
  }
}

test('what has begun ends if its person lost any of it, and goes on if they kept all of it', () => {
  fc.assert(
    fc.property(accesses, accesses, grants, (before, after, grant) => {
      const { people, signIn } = peopleWith(before, after)
      signIn(0)
      const begun = limitOrNone(people, grant, 0)
      if (begun === undefined) return
      expect(people.stillMay(begun)).toBe(true)
      signIn(1)
      const now = limitOrNone(people, begun, 1)
      const hasLost = projects.some((project) => powerOf(now, project) < powerOf(begun, project))
      if (hasLost) expect(people.stillMay(begun)).toBe(false)
      // What one glob lost, several may hold together.
      const isKept =
        before !== 'admin' && after !== 'admin' && before.every((each) => after.includes(each))
      if (isKept) expect(people.stillMay(begun)).toBe(true)
    }),
    {
      numRuns: 300,
      examples: [
        [[{ scope: 'read', projects: 'octo/*' }], [{ scope: 'write', projects: '**' }], ofPerson],
        ['admin', [{ scope: 'write', projects: '**' }], { ...ofPerson, scope: 'admin' }],
      ],
    },
  )
})

test('the token of a person sleeps from the end of the time after their sign-in', () => {
  const { people, signIn } = peopleWith('admin')
  expect(limitOrNone(people, ofPerson, 0)).toBeUndefined()
  signIn(0)
  expect(limitOrNone(people, ofPerson, awakeMs - 1)).toBeDefined()
  expect(limitOrNone(people, ofPerson, awakeMs)).toBeUndefined()
  // As the expiry of a token, sleep does not end what has begun.
  expect(people.stillMay(ofPerson)).toBe(true)
})

test('without single sign-on, tokens of people are worth nothing, and others are not affected', () => {
  const people = createPeople([], { rules: [], awakeMs, signInUrl: null })
  people.note({ ...person, rules: [], signedInAt: 0 })
  expect(() => people.limit(ofPerson, 0)).toThrow('single sign-on is off')
  const ofNobody = { ...ofPerson, person: null }
  expect(people.limit(ofNobody, 0)).toBe(ofNobody)
  expect(people.stillMay(ofNobody)).toBe(true)
})
