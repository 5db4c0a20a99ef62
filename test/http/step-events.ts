/** Events of a record that step reports are made of. */

export function annotation(fields: object): object {
  return {
    type: 'annotation',
    at: 1,
    job: 'build',
    step: 1,
    level: 'error',
    message: 'm',
    ...fields,
  }
}

export function summary(text: string, { job = 'build', step = 1 } = {}): object {
  return { type: 'summary', at: 1, job, step, text }
}
