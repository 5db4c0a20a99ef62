/** Flags that describe a run, for the commands that send such a description. `client-config.ts`
 *  reads them, and the environment where one is absent. */
export const runFlags = {
  run: { value: 'ID', help: 'run id (TROVE_RUN, GITHUB_RUN_ID, CI_PIPELINE_ID)' },
  attempt: { value: 'N', help: 'attempt of the run (GITHUB_RUN_ATTEMPT; default 1)' },
  job: { value: 'ID', help: 'job (TROVE_JOB, GITHUB_JOB, CI_JOB_NAME)' },
  branch: {
    value: 'B',
    help: 'branch, or refs/tags/TAG (GITHUB_HEAD_REF, GITHUB_REF_NAME, CI_COMMIT_REF_NAME)',
  },
  sha: { value: 'SHA', help: 'commit (GITHUB_SHA, CI_COMMIT_SHA)' },
  workflow: { value: 'W', help: 'workflow of the run (GITHUB_WORKFLOW)' },
  event: { value: 'E', help: 'event that started the run (GITHUB_EVENT_NAME, CI_PIPELINE_SOURCE)' },
  ordinal: {
    value: 'N',
    help: 'number of the run within its workflow (GITHUB_RUN_NUMBER, CI_PIPELINE_IID)',
  },
  'pull-request': {
    value: 'N',
    help: 'number of the pull request of the run (CI_MERGE_REQUEST_IID, GITHUB_REF)',
  },
  'head-sha': {
    value: 'SHA',
    help: 'newest commit of the pull request, if that is not the commit of the run',
  },
  actor: { value: 'NAME', help: 'who started the run (GITHUB_ACTOR, GITLAB_USER_LOGIN)' },
} as const
