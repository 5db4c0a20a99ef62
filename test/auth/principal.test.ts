/** The table of permissions, one row per action. */
import { expect, test } from 'vitest'
import {
  anonymousPrincipal,
  holdsProject,
  isAnonymous,
  isPublic,
  mayAdminister,
  mayDelete,
  mayDeleteRun,
  mayInspectAll,
  mayInspectProject,
  mayInspectRun,
  mayMint,
  mayOversee,
  mayReadAll,
  mayReadProject,
  mayReadRun,
  maySendTo,
  mayWriteProject,
  mayWriteRun,
  signerOf,
  strongestOf,
  type Principal,
  type Scope,
} from '../../src/auth/principal.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'

const project = parseProjectName('octo/app')
const foreign = parseProjectName('octo/other')
const place = { project, runNumber: 1, attempt: 2 }

function principal(scope: Scope): Principal {
  return {
    scope,
    project: scope === 'admin' ? null : parseProjectName('Octo/App'),
    run: { number: 1, attempt: 2 },
    job: 'build',
    facts: noFacts,
    issuedAt: 0,
    expiresAt: 0,
    access: [],
    person: null,
    lineage: [],
  }
}

test.each([
  ['acme/platform', 'acme/platform/api'],
  ['acme/platform/api', 'acme/platform'],
  ['acme/platform/api', 'acme/platform-api'],
  ['acme/platform/api', 'acme/platform/api2'],
])('a token for %s has no access to %s', (held, other) => {
  const named = parseProjectName(other)
  for (const scope of ['job', 'run', 'read', 'write'] as const) {
    const holder = { ...principal(scope), project: parseProjectName(held) }
    const run = { project: named, runNumber: 1, attempt: 2, job: 'build', pinned: false }
    expect([
      mayReadProject(holder, named),
      mayReadRun(holder, run),
      mayWriteRun(holder, run),
      mayWriteProject(holder, named),
      mayDelete(holder, run, false),
      mayDeleteRun(holder, run, false),
    ]).not.toContain(true)
  }
})

const rows: [string, (principal: Principal) => boolean, Record<Scope, boolean>][] = [
  [
    'read its project',
    (p) => mayReadProject(p, project),
    { job: true, run: false, read: true, write: true, admin: true },
  ],
  [
    'read another project',
    (p) => mayReadProject(p, foreign),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'read its run',
    (p) => mayReadRun(p, place),
    { job: true, run: true, read: true, write: true, admin: true },
  ],
  [
    'read another run',
    (p) => mayReadRun(p, { ...place, runNumber: 9 }),
    { job: true, run: false, read: true, write: true, admin: true },
  ],
  [
    'read its run number in another project',
    (p) => mayReadRun(p, { ...place, project: foreign }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'inspect its project',
    (p) => mayInspectProject(p, project),
    { job: true, run: false, read: true, write: true, admin: true },
  ],
  [
    'inspect its run',
    (p) => mayInspectRun(p, place),
    { job: true, run: true, read: true, write: true, admin: true },
  ],
  [
    'inspect another run',
    (p) => mayInspectRun(p, { ...place, runNumber: 9 }),
    { job: true, run: false, read: true, write: true, admin: true },
  ],
  [
    'write its attempt',
    (p) => mayWriteRun(p, place),
    { job: true, run: true, read: false, write: true, admin: true },
  ],
  [
    'write another attempt',
    (p) => mayWriteRun(p, { ...place, attempt: 1 }),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'write another run',
    (p) => mayWriteRun(p, { ...place, runNumber: 9 }),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'write its run number in another project',
    (p) => mayWriteRun(p, { ...place, project: foreign }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'delete from its run',
    (p) =>
      mayDelete(p, { ...place, job: 'test', pinned: false }, false) &&
      mayDeleteRun(p, place, false),
    { job: true, run: true, read: false, write: true, admin: true },
  ],
  [
    'delete what its own job made, strictly',
    (p) => mayDelete(p, { ...place, job: 'build', pinned: false }, true),
    { job: true, run: true, read: false, write: true, admin: true },
  ],
  [
    'delete what another job made, strictly',
    (p) => mayDelete(p, { ...place, job: 'test', pinned: false }, true),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'delete a run, strictly',
    (p) => mayDeleteRun(p, place, true),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'delete what somebody keeps',
    (p) => mayDelete(p, { ...place, job: 'build', pinned: true }, false),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'delete from another run',
    (p) => mayDelete(p, { ...place, job: 'build', pinned: false, runNumber: 9 }, false),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'keep and expire',
    (p) => mayWriteProject(p, project),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'keep in another project',
    (p) => mayWriteProject(p, foreign),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'send data for uploads to its project',
    (p) => maySendTo(p, project),
    { job: true, run: true, read: false, write: true, admin: true },
  ],
  [
    'send data for uploads to another project',
    (p) => maySendTo(p, foreign),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'mint a token for its project',
    (p) => mayMint(p, { scope: 'write', project, expiresAt: p.expiresAt }),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'mint a token that outlasts its own',
    (p) => mayMint(p, { scope: 'read', project, expiresAt: p.expiresAt + 1 }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'mint a token for another project',
    (p) => mayMint(p, { scope: 'read', project: foreign, expiresAt: 0 }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'mint a token for several projects',
    (p) => mayMint(p, { scope: 'read', project: null, expiresAt: 0 }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'mint an administrator who names its project',
    (p) => mayMint(p, { scope: 'admin', project, expiresAt: 0 }),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  [
    'oversee its project',
    (p) => mayOversee(p, project),
    { job: false, run: false, read: false, write: true, admin: true },
  ],
  [
    'oversee the store',
    (p) => mayOversee(p, null),
    { job: false, run: false, read: false, write: false, admin: true },
  ],
  ['administer', mayAdminister, { job: false, run: false, read: false, write: false, admin: true }],
]

test.each(rows)('who may %s', (_, predicate, expected) => {
  for (const [scope, may] of Object.entries(expected) as [Scope, boolean][]) {
    expect({ scope, may: predicate(principal(scope)) }).toEqual({ scope, may })
  }
})

/** What a public project adds for everyone, by name. */
const powers: [string, (principal: Principal, named: typeof project) => boolean][] = [
  ['read', mayReadProject],
  ['read a run', (p, named) => mayReadRun(p, { project: named, runNumber: 1 })],
  ['hold', holdsProject],
  ['inspect', mayInspectProject],
  ['inspect a run', (p, named) => mayInspectRun(p, { project: named, runNumber: 9 })],
  ['write', mayWriteProject],
  ['write a run', (p, named) => mayWriteRun(p, { ...place, project: named })],
  ['send', maySendTo],
  ['oversee', mayOversee],
  [
    'delete',
    (p, named) => mayDelete(p, { ...place, project: named, job: 'b', pinned: false }, false),
  ],
  ['delete a run', (p, named) => mayDeleteRun(p, { ...place, project: named }, false)],
  ['mint', (p, named) => mayMint(p, { scope: 'read', project: named, expiresAt: 0 })],
  ['administer', mayAdminister],
]
const powersOf = (holder: Principal, named: typeof project): string[] =>
  powers.filter(([, may]) => may(holder, named)).map(([name]) => name)

test('everyone may read a public project, and nothing else', () => {
  const everyone = anonymousPrincipal([{ scope: 'read', projects: 'OCTO/other' }])
  expect([isAnonymous(everyone), signerOf(everyone, foreign)]).toEqual([true, null])
  expect(powersOf(everyone, foreign)).toEqual(['read', 'read a run'])
  expect(powersOf(everyone, project)).toEqual([])
  expect([isPublic(everyone, foreign), isPublic(everyone, project)]).toEqual([true, false])
})

test('only a token of the project is a signer that ends when all of its tokens do', () => {
  const lineage = ['own', 'parent']
  const holder = { ...principal('job'), issuedAt: 7, lineage }
  const person = { id: 'p', name: 'Jane' }
  expect(signerOf(holder, project)).toEqual({ lineage, issuedAt: 7, person: null })
  expect(signerOf(holder, foreign)).toMatchObject({ issuedAt: null })
  expect(signerOf({ ...holder, scope: 'admin' }, project)).toMatchObject({ issuedAt: null })
  const ofPerson = { ...holder, project: null, access: [], person, scope: 'admin' as const }
  expect(signerOf(ofPerson, project)).toEqual({ lineage, issuedAt: null, person: 'p' })
})

test('public projects add only reading to what a token may do', () => {
  const publicAccess = [{ scope: 'read', projects: '**' }] as const
  expect(isAnonymous(principal('admin'))).toBe(false)
  for (const scope of ['job', 'run', 'read', 'write'] as const) {
    const holder = principal(scope)
    expect(isAnonymous(holder)).toBe(false)
    expect(powersOf(holder, foreign)).toEqual([])
    expect(powersOf({ ...holder, publicAccess }, foreign)).toEqual(['read', 'read a run'])
    const own = new Set([...powersOf(holder, project), 'read'])
    expect(new Set(powersOf({ ...holder, publicAccess }, project))).toEqual(own)
  }
})

test('a token for several projects writes only where it lists writing', () => {
  const access = [
    { scope: 'write', projects: 'octo/app' },
    { scope: 'read', projects: 'octo/*' },
  ] as const
  const holder = { ...principal('write'), project: null, access, run: null, job: null }
  expect(isAnonymous(holder)).toBe(false)
  const reading = ['read', 'read a run', 'hold', 'inspect', 'inspect a run']
  expect(powersOf(holder, foreign)).toEqual(reading)
  expect(powersOf(holder, parseProjectName('octo/app/sub'))).toEqual([])
  expect(new Set(powersOf(holder, project))).toEqual(new Set(powersOf(principal('write'), project)))
  expect([strongestOf(access), strongestOf(access.slice(1))]).toEqual(['write', 'read'])
})

test('where everything is public, everyone may read all projects, and inspect none of them', () => {
  const everyone = anonymousPrincipal([{ scope: 'read', projects: '**' }])
  expect([mayReadAll(everyone), mayInspectAll(everyone)]).toEqual([true, false])
  const few = anonymousPrincipal([{ scope: 'read', projects: 'octo/**' }])
  expect([mayReadAll(few), mayInspectAll(few)]).toEqual([false, false])
  const holder = { ...few, access: [{ scope: 'read', projects: '**' }] as const }
  expect([mayReadAll(holder), mayInspectAll(holder)]).toEqual([true, true])
})
