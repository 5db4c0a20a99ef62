/** Routes of credentials found in artifacts, as data. */
import { apiRoot } from './paths.ts'
import { type ApiRoute, json } from './route.ts'
import {
  dismissedAnswerSchema,
  dismissedQuestionSchema,
  secretDismissalSchema,
  secretListSchema,
} from './secrets.ts'

const gone = [410]

export const secretRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/secrets`,
    operationId: 'listSecrets',
    summary: 'Credentials found in its files, by place and kind; never their values.',
    responses: { 200: json('The findings.', secretListSchema) },
    errors: gone,
  },
  {
    method: 'patch',
    path: `${apiRoot}/artifacts/{id}/secrets`,
    operationId: 'dismissSecrets',
    summary:
      'Marks the findings in a file as no secrets, in every artifact of the project that has a file of that content; or revokes that mark. Requires scope write.',
    request: { json: secretDismissalSchema },
    responses: { 200: json('The findings after the change.', secretListSchema) },
    errors: gone,
  },
  {
    method: 'post',
    path: `${apiRoot}/projects/{owner}/{repo}/dismissed-secrets`,
    operationId: 'listDismissedSecrets',
    summary:
      'Which of these files, named by their digests, have findings that somebody in the project dismissed. Changes nothing.',
    request: { json: dismissedQuestionSchema },
    responses: { 200: json('The digests among them.', dismissedAnswerSchema) },
  },
]
