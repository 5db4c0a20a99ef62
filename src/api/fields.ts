/** Fields shared by many messages. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'

export const bytes = z.int().min(0)
export const count = z.int().min(0)
export const id = z.int().min(1)
export const instant = z.iso.datetime({
  error: 'must be a time in UTC such as 2026-11-29T00:00:00Z',
})
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
export const cursor = z
  .string()
  .nullable()
  .meta({ description: 'Pass it as `cursor` to get the next page; null at the end.' })
const words = {
  branch: 'Name of the branch; of a tag `refs/tags/NAME`.',
  ordinal: 'Number of the run within its workflow: GITHUB_RUN_NUMBER, CI_PIPELINE_IID.',
  pullRequest: 'Number of the pull request, or merge request, that the run is about.',
  headSha:
    'Newest commit of the pull request, if `sha` is another: often its merge into the target.',
  actor: 'Login of whoever started the run.',
}

const fact = z.string().max(limits.factCharactersMax).optional()

/** Facts of a run that a request can carry; an empty text counts as absent. */
export const toldFacts = {
  branch: fact.meta({ description: words.branch }),
  sha: fact,
  workflow: fact,
  event: fact,
  ordinal: id.optional().meta({ description: words.ordinal }),
  pullRequest: id.optional().meta({ description: words.pullRequest }),
  headSha: z
    .string()
    .max(limits.actorCharactersMax)
    .optional()
    .meta({ description: words.headSha }),
  actor: z.string().max(limits.actorCharactersMax).optional().meta({ description: words.actor }),
}

/** Facts of a run in a response; null where unknown. */
export const runFacts = {
  branch: z.string().nullable().meta({ description: words.branch }),
  sha: z.string().nullable(),
  workflow: z.string().nullable(),
  event: z.string().nullable(),
  ordinal: id.nullable().meta({ description: words.ordinal }),
  pullRequest: id.nullable().meta({ description: words.pullRequest }),
  headSha: z.string().nullable().meta({ description: words.headSha }),
  actor: z.string().nullable().meta({ description: words.actor }),
}

/** Who did something, as shown to everybody who can read the object of the action. */
export const actorSchema = z
  .object({
    kind: z.enum(['job', 'person', 'administrator']).meta({
      description: 'Derived from the scope of the token: job and run, read and write, admin.',
    }),
    run: id.nullable(),
    job: z.string().nullable(),
    person: z.string().nullable().meta({
      description: 'Who signed in through the identity provider, as that names them.',
    }),
  })
  .meta({ id: 'Actor' })
